"""Stage-out by upload: a file is brought to its RSE, compared there, and registered afterwards."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harvester_hpc.model.transfer import Parcel, Place, Route
from harvester_hpc.ports.carrier import ItemNews, Parked
from harvester_hpc.ports.context import Context
from harvester_hpc.ports.outcome import Failed, Retry
from harvester_rucio.credential import with_credential
from harvester_rucio.mounts import translated
from harvester_rucio.names import Did, Known, measured, promised
from harvester_rucio.placing import Stopped, Wrong, bring, stands
from harvester_rucio.registering import Output, OutSettings, Registrar, again, failed
from harvester_rucio.session import NeedsPerson
from harvester_rucio.storage import Storage, Trouble


class RucioUpload(Registrar):
    """Brings outputs to RSEs, over a mounted file system or by the RSE's protocol, and registers them."""

    name = "rucio_upload"

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Settings(OutSettings):
        """The section of the queue.

        Attributes:
            register: tell the catalogue. Without it a file is only brought to where the RSE would look for it.
        """

        register: bool = True

    def __init__(self, settings: Settings, context: Context) -> None:
        settings = with_credential(settings, context)
        super().__init__(settings, context)
        self.settings = settings
        self._storage = Storage(settings.domain, settings.scheme, settings.file_timeout_s)

    def registers(self) -> bool:
        """Tell whether files are registered."""
        return self.settings.register

    def route(self, parcels: Sequence[Parcel]) -> Sequence[Route | Retry | Failed | Parked]:
        """Tell to which RSE and path each file goes; see ``ports.carrier.Mover``."""
        found = self.places(parcels)
        wanted: dict[str, list[Did]] = {}
        for one in found:
            if isinstance(one, tuple):
                wanted.setdefault(one[1], []).append(one[0])
        try:
            pfns = {rse: self._pfns(rse, dids) for rse, dids in wanted.items()}
        except NeedsPerson as error:
            return [error.parked if isinstance(one, tuple) else one for one in found]
        return [self._route(parcel, one, pfns) if isinstance(one, tuple) else one for parcel, one in zip(parcels, found, strict=True)]

    def _pfns(self, rse: str, dids: Sequence[Did]) -> Mapping[Did, str]:
        settings = self.rse(rse)
        if not settings.get("deterministic", True):
            why = f"{rse} is not deterministic: it has no path for a name"
            raise NeedsPerson(Parked(why=why, remedy="name another RSE, or bring files by another hop and use rucio_register"))
        return self.catalogue.pfns(settings, dids, self.settings.domain, self.settings.scheme)

    def _route(self, parcel: Parcel, place: tuple[Did, str], pfns: Mapping[str, Mapping[Did, str]]) -> Route | Failed:
        did, rse = place
        if parcel.source.name or not parcel.source.path:
            return Failed(why=f"{did}: rucio_upload takes files of this machine, and this one lies at {parcel.source.name or 'no place'}")
        pfn = pfns[rse][did]
        return Route(source=parcel.source, destination=Place(name=rse, path=pfn), readable=translated(pfn, self.settings.mounts))

    def brought(self, output: Output, rse: Mapping[str, Any], token: str | None, stopped: Callable[[], bool]) -> Known | ItemNews | None:
        """Bring one file to its place; see ``Registrar``."""
        item, source = output.item, Path(output.item.route.source.path)
        try:
            mine = promised(item.parcel)
            # Where nobody has said what the file is, only itself can: what lies at its place may be another one.
            wanted = mine if mine.checksum else measured(source).joined(mine)
            if difference := wanted.unlike(mine):
                return again(item, f"{source}: {difference}, as the job says")
            if output.entry is not None:
                if difference := wanted.unlike(output.entry.known):
                    return failed(item, f"{output.did}: {difference} as the file of that name that Rucio knows")
                wanted = wanted.joined(output.entry.known)
            return self._brought(output, rse, token, stopped, source, wanted)
        except Stopped:
            return None
        except Wrong as error:
            # A shared file system may show an old size for a while.
            return again(item, str(error))
        except (Trouble, OSError) as error:
            return again(item, f"{output.did}: {error}")

    def _brought(
        self, output: Output, rse: Mapping[str, Any], token: str | None, stopped: Callable[[], bool], source: Path, wanted: Known
    ) -> Known:
        if here := translated(output.pfn, self.settings.mounts):
            there = stands(Path(here), wanted)
            return there if there is not None else bring(source, Path(here), wanted, stopped)
        return self._storage.put(rse, output.did, source, wanted, token)
