"""Questions and orders to the catalogue, many files in one call.

One bad name makes the service refuse a whole call. Then the call is made again with halves of it, until the bad ones stand alone.
"""
from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from harvester_rucio.names import Did, Known, catalogued
from harvester_rucio.session import Refused, Sessions

#: Names in one call whose names stand in its address: servers take 4 to 8 kB of that.
IN_AN_ADDRESS = 20
#: Ways from name to path that the library knows without asking.
OWN_PATHS = frozenset({"hash", "identity"})


One = TypeVar("One", bound=Hashable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """A copy of a file. state: ``AVAILABLE``, ``COPYING``, ``UNAVAILABLE``, ``BAD``, ...; pfns: the nearest first."""

    rse: str
    state: str
    pfns: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file and its replicas."""

    known: Known
    replicas: tuple[Replica, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class New:
    """A replica that is to be registered. guid: "" for none; pfn: "" to leave it to the server."""

    did: Did
    known: Known
    guid: str = ""
    pfn: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return it as the REST service wants it."""
        found: dict[str, Any] = {**self.did.to_json(), "bytes": self.known.size or 0}
        extras = (("adler32", self.known.adler32), ("md5", self.known.md5), ("pfn", self.pfn))
        found |= {key: value for key, value in extras if value}
        return {**found, "meta": {"guid": self.guid}} if self.guid else found


class Catalogue:
    """The catalogue as one account sees it."""

    def __init__(self, sessions: Sessions) -> None:
        self.sessions = sessions
        self._most = sessions.settings.files_per_call

    def files(self, dids: Iterable[Did]) -> tuple[dict[Did, Known], dict[Did, str]]:
        """Return what is known of each file, and why the service refuses to tell of some; unknown ones are in neither.

        Raises:
            NeedsPerson, Unavailable: see ``Sessions.asking``.
        """
        found: dict[Did, Known] = {}

        def ask(part: Sequence[Did]) -> None:
            with self.sessions.asking("asking what is known of files") as client:
                for row in client.get_metadata_bulk([did.to_json() for did in part]):
                    found[_did_in(row)] = catalogued(row.get("bytes"), row.get("adler32"), row.get("md5"))

        return found, in_parts(tuple(dict.fromkeys(dids)), self._most, ask)

    def replicas(self, dids: Iterable[Did], rse: str = "", *, sort: str = "") -> tuple[dict[Did, Entry], dict[Did, str]]:
        """Return each file with its replicas in any state, and why the service refuses some; unknown ones are in neither.

        Args:
            rse: an RSE or an expression for several; "" for all.
            sort: how replicas are sorted by the service (``geoip``, ...).
        """
        found: dict[Did, Entry] = {}

        def ask(part: Sequence[Did]) -> None:
            with self.sessions.asking("listing replicas") as client:
                rows = client.list_replicas(
                    [did.to_json() for did in part], all_states=True, resolve_archives=False, rse_expression=rse or None, sort=sort or None
                )
                for row in rows:
                    found[_did_in(row)] = _entry(row)

        return found, in_parts(tuple(dict.fromkeys(dids)), self._most, ask)

    def add(self, rse: str, news: Iterable[New]) -> dict[Did, str]:
        """Register replicas; one that is there already stays as it is. Return {file: why it was refused}."""

        def order(part: Sequence[New]) -> None:
            with self.sessions.asking(f"registering files at {rse}") as client:
                client.add_replicas(rse, [one.to_json() for one in part])

        return {new.did: why for new, why in in_parts(tuple(news), self._most, order).items()}

    def attach(self, dataset: Did, dids: Iterable[Did]) -> dict[Did, str]:
        """Put files into a dataset; what is in it already stays. Return {file: why it was refused}."""

        def order(part: Sequence[Did]) -> None:
            rows = [did.to_json() for did in part]
            with self.sessions.asking(f"attaching files to {dataset}") as client:
                client.add_files_to_datasets([{**dataset.to_json(), "dids": rows}], ignore_duplicate=True)

        return in_parts(tuple(dict.fromkeys(dids)), self._most, order)

    def scopes(self) -> frozenset[str]:
        """Return the names of all scopes."""
        with self.sessions.asking("listing the scopes") as client:
            return frozenset(client.list_scopes())

    def rse(self, name: str) -> dict[str, Any]:
        """Return the settings of an RSE: ``deterministic``, ``protocols``, ... (NeedsPerson: there is none of that name)."""
        with self.sessions.asking(f"looking up the RSE {name}") as client:
            return dict(client.get_rse(name))

    def pfns(self, rse: Mapping[str, Any], dids: Iterable[Did], domain: str = "wan", scheme: str = "") -> dict[Did, str]:
        """Return where each file lies, or would, at a deterministic RSE; no call to the service but for paths of a site's own."""
        wanted = tuple(dict.fromkeys(dids))
        if str(rse.get("lfn2pfn_algorithm") or "hash") not in OWN_PATHS:
            return dict(self._pfns_asked(str(rse["rse"]), wanted, scheme))
        from copy import deepcopy

        with self.sessions.asking(f"finding paths at {rse['rse']}"):
            from rucio.rse.rsemanager import lfns2pfns

            named = {str(did): did for did in wanted}
            # The library writes into what it is given.
            rows = lfns2pfns(deepcopy(dict(rse)), [did.to_json() for did in wanted], "write", scheme or None, domain)
            return {named[name]: pfn for name, pfn in rows.items()}

    def _pfns_asked(self, rse: str, dids: Sequence[Did], scheme: str) -> Iterator[tuple[Did, str]]:
        for start in range(0, len(dids), IN_AN_ADDRESS):
            named = {str(did): did for did in dids[start : start + IN_AN_ADDRESS]}
            with self.sessions.asking(f"finding paths at {rse}") as client:
                rows = client.lfns2pfns(rse, list(named), operation="write", scheme=scheme or None)
            yield from ((named[name], pfn) for name, pfn in rows.items() if name in named)


def in_parts(things: Sequence[One], most: int, call: Callable[[Sequence[One]], None]) -> dict[One, str]:
    """Make a call for all of ``things``, at most ``most`` at once; return {thing: why} for those that are refused.

    Raises:
        NeedsPerson, Unavailable: of the call.
    """
    refused: dict[One, str] = {}
    waiting = [things[start : start + most] for start in range(0, len(things), most)]
    while waiting:
        part = waiting.pop(0)
        try:
            call(part)
        except Refused as error:
            if len(part) == 1:
                refused[part[0]] = error.why
            else:
                waiting[:0] = [part[: len(part) // 2], part[len(part) // 2 :]]
    return refused


def _did_in(row: Mapping[str, Any]) -> Did:
    return Did(scope=str(row["scope"]), name=str(row["name"]))


def _entry(row: Mapping[str, Any]) -> Entry:
    states, places = row.get("states") or {}, row.get("rses") or {}
    order = {pfn: (told.get("priority") or 0) for pfn, told in (row.get("pfns") or {}).items()}
    replicas = (
        (min((order.get(pfn, 0) for pfn in pfns), default=0), Replica(rse=rse, state=str(states.get(rse, "")), pfns=_sorted(pfns, order)))
        for rse, pfns in places.items()
    )
    nearest = tuple(replica for _, replica in sorted(replicas, key=lambda one: (one[0], one[1].rse)))
    missing = tuple(Replica(rse=rse, state=str(state), pfns=()) for rse, state in states.items() if rse not in places)
    return Entry(known=catalogued(row.get("bytes"), row.get("adler32"), row.get("md5")), replicas=nearest + missing)


def _sorted(pfns: Iterable[str], order: Mapping[str, int]) -> tuple[str, ...]:
    return tuple(sorted(pfns, key=lambda pfn: (order.get(pfn, 0), pfn)))
