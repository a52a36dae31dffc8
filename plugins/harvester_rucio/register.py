"""Stage-out by registration: files that an earlier hop has put onto an RSE's path become replicas."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harvester_hpc.model.transfer import Parcel, Place, Route
from harvester_hpc.ports.carrier import ItemNews, Parked
from harvester_hpc.ports.context import Context
from harvester_hpc.ports.outcome import Failed, Retry
from harvester_rucio.credential import with_credential
from harvester_rucio.mounts import problems_of, restored, translated
from harvester_rucio.names import Did, Known, measured, promised
from harvester_rucio.registering import Output, OutSettings, Registrar, again, failed
from harvester_rucio.session import NeedsPerson


class RucioRegister(Registrar):
    """Registers outputs that lie at an RSE already, after a look whether they lie where Rucio will look for them."""

    name = "rucio_register"

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Settings(OutSettings):
        """The section of the queue.

        Attributes:
            paths: {beginning of PFNs: what it is where the earlier hop has put them}, such as {"davs://dtn.example.org:1094/rucio/":
                "/projects/rucio/"} for a Globus collection; for files on this machine ``mounts`` says it.
        """

        paths: Mapping[str, str] = field(default_factory=dict)

        def problems(self) -> tuple[str, ...]:
            """Return what types cannot tell."""
            return (*OutSettings.problems(self), *problems_of(self.paths, "paths"))

    def __init__(self, settings: Settings, context: Context) -> None:
        settings = with_credential(settings, context)
        super().__init__(settings, context)
        self.settings = settings

    def route(self, parcels: Sequence[Parcel]) -> Sequence[Route | Retry | Failed | Parked]:
        """Tell under which PFN each file is registered; see ``ports.carrier.Mover``."""
        found = self.places(parcels)
        wanted: dict[str, list[Did]] = {}
        for one in found:
            if isinstance(one, tuple) and self.rse(one[1]).get("deterministic", True):
                wanted.setdefault(one[1], []).append(one[0])
        try:
            pfns = {
                rse: self.catalogue.pfns(self.rse(rse), dids, self.settings.domain, self.settings.scheme) for rse, dids in wanted.items()
            }
        except NeedsPerson as error:
            return [error.parked if isinstance(one, tuple) else one for one in found]
        return [self._route(parcel, one, pfns) if isinstance(one, tuple) else one for parcel, one in zip(parcels, found, strict=True)]

    def _route(self, parcel: Parcel, place: tuple[Did, str], pfns: Mapping[str, Mapping[Did, str]]) -> Route | Failed:
        did, rse = place
        table = self.settings.paths if parcel.source.name else self.settings.mounts
        pfn = pfns[rse][did] if rse in pfns else restored(parcel.source.path, table)
        if not pfn:
            key = "paths" if parcel.source.name else "mounts"
            return Failed(why=f"{did}: it lies at {parcel.source.path}, and {key!r} of the queue's section names no PFN for that")
        if rse in pfns and (why := self._elsewhere(parcel, pfn, table)):
            return Failed(why=f"{did}: {why}")
        return Route(source=parcel.source, destination=Place(name=rse, path=pfn), readable=translated(pfn, self.settings.mounts))

    def _elsewhere(self, parcel: Parcel, pfn: str, table: Mapping[str, str]) -> str:
        """Return in words that a file lies where Rucio will not look for it; "" if it lies right."""
        path = parcel.source.path
        expected = translated(pfn, table)
        if not expected and parcel.source.name:
            # Without a table the collection may begin anywhere above the path.
            right = pfn.endswith(f"/{path.lstrip('/')}")
            return "" if right else f"it lies at {parcel.source.name} {path}, and Rucio will look for it at {pfn}"
        if not expected:
            return f"'mounts' of the queue's section names no folder of this machine for {pfn}"
        if Path(path) == Path(expected) or (not parcel.source.name and Path(path).resolve() == Path(expected).resolve()):
            return ""
        return f"it lies at {path}, and Rucio will look for it at {expected}"

    def brought(self, output: Output, rse: Mapping[str, Any], token: str | None, stopped: Callable[[], bool]) -> Known | ItemNews | None:
        """Compare one file with what the job and the catalogue say; see ``Registrar``."""
        item = output.item
        mine = promised(item.parcel)
        if item.route.readable:
            try:
                there = measured(Path(item.route.readable), md5=bool(mine.md5))
            except FileNotFoundError:
                return again(item, f"{output.did}: there is nothing (yet) at {item.route.readable}")
            except OSError as error:
                return again(item, f"{output.did}: {error}")
            if difference := there.unlike(mine):
                return again(item, f"{item.route.readable}: {difference}, as the job says")
            mine = there
        if mine.size is None or not mine.checksum:
            return failed(item, f"{output.did}: neither can it be read here, nor are size and checksum known")
        if output.entry is not None and (difference := mine.unlike(output.entry.known)):
            return failed(item, f"{output.did}: {difference} as the file of that name that Rucio knows")
        return mine
