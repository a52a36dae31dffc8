"""How the path of a file is made in a collection."""
from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Mapping
from enum import StrEnum

from harvester_hpc.model.transfer import Parcel


class Layout(StrEnum):
    """What stands between the folder of the collection and the file."""

    FLAT = "flat"        # nothing
    DATASET = "dataset"  # the name of its dataset
    TASK = "task"        # the number of its task
    JOB = "job"          # the number of its job
    RUCIO = "rucio"      # scope/xx/yy, as Rucio's hash algorithm has it


class NoPathError(Exception):
    """A file that has no path in a layout; str() says why."""


class NoScopeError(NoPathError):
    """A file of which neither its job nor the section says the scope; the section can be mended."""


def path_in(root: str, layout: Layout, parcel: Parcel) -> str:
    """Return the path of a file in a collection; the same parcel has the same path again.

    Args:
        root: folder in the collection, absolute.

    Raises:
        NoPathError: what the layout needs is not known, or would lead out of its folder.
    """
    name = plain(parcel.lfn, "its name")
    match layout:
        case Layout.FLAT:
            folders = ""
        case Layout.DATASET:
            folders = _dataset(parcel)
        case Layout.TASK:
            if parcel.task_id is None:
                raise NoPathError(f"{parcel.lfn}: its task is not known, and the layout is by task")
            folders = str(parcel.task_id)
        case Layout.JOB:
            folders = str(parcel.job_id)
        case Layout.RUCIO:
            folders = _rucio_folders(parcel)
    return posixpath.normpath(posixpath.join(root, folders, name))


def _dataset(parcel: Parcel) -> str:
    # a container's name ends with a slash
    return plain(parcel.dataset.removesuffix("/"), f"the dataset of {parcel.lfn}")


def _rucio_folders(parcel: Parcel) -> str:
    """Return ``scope/xx/yy``; dots are folders in the scopes of users and groups only."""
    if not parcel.scope:
        raise NoScopeError(f"{parcel.lfn}: neither its job nor the section says its scope")
    scope = plain(parcel.scope, f"the scope of {parcel.lfn}")
    digits = hashlib.md5(f"{scope}:{parcel.lfn}".encode(), usedforsecurity=False).hexdigest()
    shown = scope.replace(".", "/") if scope.startswith(("user", "group")) else scope
    return f"{shown}/{digits[:2]}/{digits[2:4]}"


def plain(name: str, what: str) -> str:
    """Return ``name`` if it is the name of one file or folder.

    Raises:
        NoPathError: it is empty, a path, or no text for a file name.
    """
    if name in ("", ".", "..") or "/" in name or "\0" in name or "\n" in name or len(name.encode(errors="replace")) > 255:
        raise NoPathError(f"{what} {name[:80]!r} cannot be the name of a file or folder")
    return name


def between(root: str, source: str, parcel: Parcel) -> str:
    """Return the path of an input on its way: another one for each source, the same for all jobs that want it.

    Args:
        root: folder in the collection between, absolute.
        source: collection and path where it comes from.
    """
    digits = hashlib.sha256(f"{source}\0{parcel.checksum}".encode()).hexdigest()
    return posixpath.join(root, digits[:2], digits[2:18], plain(parcel.lfn, "its name"))


class LocalPaths:
    """Paths of this machine as the local collection has them.

    Args:
        mapping: {path here: path in the collection}; empty: the same paths.
    """

    def __init__(self, mapping: Mapping[str, str]) -> None:
        pairs = [(posixpath.normpath(here), there) for here, there in (mapping or {"/": "/"}).items()]
        self._pairs = sorted(pairs, key=lambda pair: len(pair[0]), reverse=True)

    def in_collection(self, path: str) -> str:
        """Return the path in the collection.

        Raises:
            NoPathError: the collection does not show it.
        """
        if not path.startswith("/") or ".." in path.split("/") or "\0" in path or "\n" in path:
            raise NoPathError(f"{path!r} is no absolute path of a file")
        clean = posixpath.normpath(path)
        for here, there in self._pairs:
            if clean == here or clean.startswith(here.rstrip("/") + "/"):
                return posixpath.join(there, posixpath.relpath(clean, here))
        shown = ", ".join(here for here, _ in self._pairs)
        raise NoPathError(f"{clean} is not shown by the local collection (localPaths: {shown})")
