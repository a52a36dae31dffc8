"""Which way a file goes: from the section, the job and the hop before."""
from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import unquote, urlsplit

from harvester_globus.layout import LocalPaths, NoPathError, between, path_in, plain
from harvester_globus.settings import GlobusSettings
from harvester_hpc.model.transfer import Direction, Parcel, Place, Route

SCHEME = "globus"
_ABSENT = ("", "NULL")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Routes:
    """The ways of one hop."""

    def __init__(self, settings: GlobusSettings) -> None:
        self.settings = settings
        self._local = LocalPaths(settings.local_paths)

    def way_of(self, parcel: Parcel) -> Route:
        """Return the way of a file.

        Raises:
            NoPathError: there is none; str() says why.
        """
        plain(parcel.lfn, "its name")
        if parcel.direction is Direction.OUT:
            return Route(source=self._from_here(parcel), destination=self._in_remote(parcel))
        source = self._origin(parcel)
        if not parcel.target:
            return Route(source=source, destination=self._in_between(source, parcel))
        return Route(source=source, destination=self._here(parcel.target), readable=parcel.target)

    def _from_here(self, parcel: Parcel) -> Place:
        """An output lies on this machine, or where the hop before has put it."""
        if parcel.source.name:
            return parcel.source
        if not parcel.source.path:
            raise NoPathError(f"{parcel.lfn}: nobody has said where it lies")
        return self._here(parcel.source.path)

    def _origin(self, parcel: Parcel) -> Place:
        """An input lies where the hop before has put it, where the job says, or where the layout says."""
        said = parcel.source.path
        if parcel.source.name:
            return parcel.source
        if said in _ABSENT:
            return self._in_remote(parcel)
        if said.startswith(f"{SCHEME}://"):
            parts = urlsplit(said)
            if not _UUID.fullmatch(parts.netloc) or parts.query or parts.fragment:
                raise NoPathError(f"{parcel.lfn}: {said!r} is no address like globus://COLLECTION/path")
            return Place(name=parts.netloc, path=_checked(unquote(parts.path)))
        if not self.settings.remote_collection:
            raise NoPathError(f"{parcel.lfn}: {said!r} is in no collection; say remoteCollection, or globus://COLLECTION/path")
        return Place(name=self.settings.remote_collection, path=_checked(said))

    def _in_remote(self, parcel: Parcel) -> Place:
        settings = self.settings
        if not settings.remote_collection or settings.layout is None:
            raise NoPathError(f"{parcel.lfn}: its place is not known; say remoteCollection and layout in the section")
        scoped = replace(parcel, scope=parcel.scope or settings.scope)
        return Place(name=settings.remote_collection, path=path_in(settings.remote_path, settings.layout, scoped))

    def _in_between(self, source: Place, parcel: Parcel) -> Place:
        if not self.settings.via_collection:
            raise NoPathError(f"{parcel.lfn}: another hop follows; say viaCollection and viaPath, where this one puts it")
        path = between(self.settings.via_path, f"{source.name}:{source.path}", parcel)
        return Place(name=self.settings.via_collection, path=path)

    def _here(self, path: str) -> Place:
        if not self.settings.local_collection:
            raise NoPathError(f"{path}: no collection shows this machine; say localCollection in the section")
        return Place(name=self.settings.local_collection, path=self._local.in_collection(path))


def _checked(path: str) -> str:
    if not path.startswith(("/", "~")) or ".." in path.split("/") or "\n" in path or "\0" in path:
        raise NoPathError(f"{path!r} is no absolute path of a file")
    return path
