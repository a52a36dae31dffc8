"""Stage-in: replicas are listed in bulk, and each file is brought here from the first that gives it whole."""
from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harvester_hpc.model.transfer import Item, Parcel, Place, Route, Transfer
from harvester_hpc.ports.carrier import ItemEnd, ItemNews, Limits, Parked
from harvester_hpc.ports.context import Context
from harvester_hpc.ports.outcome import Failed, Retry
from harvester_rucio.catalogue import Catalogue, Entry, Replica
from harvester_rucio.credential import credential_problems, with_credential
from harvester_rucio.mounts import translated
from harvester_rucio.names import Did, Known, did_of, promised
from harvester_rucio.placing import Stopped, Wrong, bring, stands
from harvester_rucio.session import NeedsPerson, Sessions
from harvester_rucio.settings import CopySettings
from harvester_rucio.side_by_side import side_by_side
from harvester_rucio.storage import Storage, Trouble

log = logging.getLogger(__name__)

AVAILABLE = "AVAILABLE"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """A file that is to come. wanted: what the job and Rucio know of it together."""

    item: Item
    did: Did
    wanted: Known
    replicas: tuple[Replica, ...]


class RucioDownload:
    """Brings inputs from RSEs to where the core wants them; each file alone, and harmless when repeated."""

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Settings(CopySettings):
        """The section of the queue.

        Attributes:
            rse: RSE, or expression for several, from which inputs are taken; "" for all that have them.
            sort: how the service sorts replicas, such as ``geoip``; "" leaves it to the service.
        """

        rse: str = ""
        sort: str = ""

    problems = staticmethod(credential_problems)

    def __init__(self, settings: Settings, context: Context) -> None:
        self.settings = settings = with_credential(settings, context)
        self.catalogue = Catalogue(Sessions(settings, context.state_dir / "preparator-rucio_download"))
        self._storage = Storage(settings.domain, settings.scheme, settings.file_timeout_s)

    def limits(self) -> Limits:
        """Tell how large batches may be."""
        return self.settings.limits()

    def route(self, parcels: Sequence[Parcel]) -> Sequence[Route | Retry | Failed | Parked]:
        """Tell that every file goes from Rucio to its target. Failed: nobody says in which scope it is."""
        return [self._route(parcel) for parcel in parcels]

    def _route(self, parcel: Parcel) -> Route | Failed:
        did = did_of(parcel, self.settings.scope)
        if isinstance(did, Failed):
            return did
        if not parcel.target:
            return Failed(why=f"{did}: rucio_download can only be the last hop")
        source = Place(name=self.settings.rse or "rucio", path=str(did))
        return Route(source=source, destination=Place(path=parcel.target), readable=parcel.target)

    def copy(
        self, transfer: Transfer, items: Sequence[Item], tell: Callable[[ItemNews], None], stopped: Callable[[], bool]
    ) -> Parked | None:
        """Bring all files; see ``ports.carrier.Copier``."""
        try:
            wishes, refused = self._wishes(items)
            for news in refused:
                tell(news)
            token = self.catalogue.sessions.token()
            rses: dict[str, Mapping[str, Any]] = {}
            for wish in wishes:
                for replica in wish.replicas:
                    if replica.rse not in rses and not all(translated(pfn, self.settings.mounts) for pfn in replica.pfns):
                        rses[replica.rse] = self.catalogue.rse(replica.rse)
            for _, came in side_by_side(wishes, self.settings.threads, lambda wish: self._bring(wish, rses, token, stopped), stopped):
                if came is not None:
                    tell(came)
        except NeedsPerson as error:
            return error.parked
        return None

    def _wishes(self, items: Sequence[Item]) -> tuple[list[_Wish], list[ItemNews]]:
        """Return what is to come, and news of what will not, or not now."""
        dids = {item.parcel.item_id: did for item in items if isinstance(did := did_of(item.parcel, self.settings.scope), Did)}
        entries, refused = self.catalogue.replicas(dids.values(), self.settings.rse, sort=self.settings.sort)
        silent = [did for did in dids.values() if did not in entries and did not in refused]
        known, denied = self.catalogue.files(silent) if silent else ({}, {})
        wishes: list[_Wish] = []
        news: list[ItemNews] = []
        for item in items:
            did = dids[item.parcel.item_id]
            if why := refused.get(did) or denied.get(did):
                news.append(_failed(item, why))
            elif did not in entries and did not in known:
                news.append(_failed(item, f"{did}: Rucio knows no file of that name"))
            else:
                found = self._wish(item, did, entries.get(did) or Entry(known=known[did], replicas=()))
                (wishes if isinstance(found, _Wish) else news).append(found)  # type: ignore[arg-type]
        return wishes, news

    def _wish(self, item: Item, did: Did, entry: Entry) -> _Wish | ItemNews:
        mine = promised(item.parcel)
        if difference := entry.known.unlike(mine):
            return _failed(item, f"{did}: the file that Rucio knows {difference} as the job says")
        wanted = mine.joined(entry.known)
        available = tuple(replica for replica in entry.replicas if replica.state == AVAILABLE and replica.pfns)
        if not available and not self._is_there(item, wanted):
            states = ", ".join(f"{one.rse} {one.state}" for one in entry.replicas) or "none"
            where = f" at {self.settings.rse}" if self.settings.rse else ""
            return _again(item, f"{did}: no replica is available{where} (there is: {states})")
        return _Wish(item=item, did=did, wanted=wanted, replicas=available)

    def _is_there(self, item: Item, wanted: Known) -> bool:
        try:
            return stands(Path(item.route.destination.path), wanted) is not None
        except (OSError, Wrong):
            return False

    def _bring(
        self, wish: _Wish, rses: Mapping[str, Mapping[str, Any]], token: str | None, stopped: Callable[[], bool]
    ) -> ItemNews | None:
        """Bring one file; None: it was asked to end."""
        target = Path(wish.item.route.destination.path)
        try:
            there = stands(target, wish.wanted)
        except Wrong as error:
            return _failed(wish.item, str(error))
        except OSError as error:
            return _again(wish.item, f"{target}: {error}")
        if there is not None:
            return _moved(wish, there)
        whys: list[str] = []
        for replica in wish.replicas:
            for pfn in replica.pfns:
                try:
                    return _moved(wish, self._from(replica.rse, pfn, rses, wish, token, stopped))
                except Stopped:
                    return None
                except (Wrong, Trouble, OSError) as error:
                    whys.append(f"{replica.rse}: {error}")
        if len(whys) > 1:
            log.warning("no replica gave the file did=%s replicas=%d", wish.did, len(whys))
        return _again(wish.item, f"{wish.did}: {'; '.join(whys)}")

    def _from(
        self, rse: str, pfn: str, rses: Mapping[str, Mapping[str, Any]], wish: _Wish, token: str | None, stopped: Callable[[], bool]
    ) -> Known:
        target = Path(wish.item.route.destination.path)
        if here := translated(pfn, self.settings.mounts):
            return bring(Path(here), target, wish.wanted, stopped)
        return self._storage.get(rses[rse], pfn, target, wish.wanted, token)


def _moved(wish: _Wish, found: Known) -> ItemNews:
    # Without any checksum there was nothing to compare with.
    return ItemNews(
        item_id=wish.item.parcel.item_id, end=ItemEnd.MOVED, size=found.size, checksum=found.like(wish.item.parcel.checksum),
        verified=bool(wish.wanted.checksum),
    )


def _again(item: Item, why: str) -> ItemNews:
    return ItemNews(item_id=item.parcel.item_id, end=ItemEnd.AGAIN, why=why)


def _failed(item: Item, why: str) -> ItemNews:
    return ItemNews(item_id=item.parcel.item_id, end=ItemEnd.FAILED, why=why)
