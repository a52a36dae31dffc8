"""The rules that every plugin keeps that moves batches: a carrier hands them to a service, a copier moves them itself.

Derive a test class, and give it the plugin and a depot that puts files where the plugin finds them.
"""
from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import pytest

from harvester_hpc.model.transfer import Item, ItemId, Parcel, Route, Transfer, TransferId
from harvester_hpc.ports.carrier import Accepted, Carrier, Copier, Ended, Gone, ItemEnd, ItemNews, Moving

if TYPE_CHECKING:
    from typing_extensions import TypeIs

#: Seconds within which a small batch must have ended.
LIMIT_S = 60.0
ODD_NAMES = (
    "plain.root", "two blanks  in.it", "ünïcode-\u65e5\u672c.txt", "hash#and%41percent", "plus+amp&question?", "quote'\"semi;dollar$",
    "-starts-with-a-dash", "x" * 200,
)


class Depot(Protocol):
    """Where files come from and go to, as far as a test can put and see them."""

    def put(self, lfn: str, content: bytes) -> Parcel:
        """Put a file where it comes from; return the parcel that asks for it. Each has an item id of its own, above 0."""
        ...

    def lacking(self, lfn: str) -> Parcel:
        """Return a parcel whose file is not where it comes from."""
        ...

    def read(self, route: Route) -> bytes | None:
        """Return what lies at the destination of a route; None if nothing does."""
        ...


def routed(mover: Carrier | Copier, parcels: Sequence[Parcel]) -> list[Item]:
    """Return the parcels with their ways; each has one."""
    routes = mover.route(parcels)
    assert len(routes) == len(parcels)
    made = []
    for parcel, route in zip(parcels, routes, strict=True):
        assert isinstance(route, Route), route
        made.append(Item(parcel=parcel, route=route))
    return made


def batch_of(items: Sequence[Item], key: str = "abcde-t1") -> Transfer:
    """Return a batch with these items; all have the same way."""
    first = items[0]
    assert {(item.route.source.name, item.route.destination.name, item.route.options) for item in items} == {
        (first.route.source.name, first.route.destination.name, first.route.options)
    }
    return Transfer(
        id=TransferId(1), key=key, queue="Q", direction=first.parcel.direction, source=first.route.source.name, files=len(items),
        destination=first.route.destination.name, options=first.route.options, created=time.time(),
    )


def submitted(carrier: Carrier, transfer: Transfer, items: Sequence[Item]) -> Transfer:
    """Hand a batch over; return it with token and task."""
    if not transfer.token:
        transfer = replace(transfer, token=carrier.token(transfer))
    answer = carrier.submit(transfer, items)
    assert isinstance(answer, Accepted), answer
    return replace(transfer, task=answer.task)


def ended(carrier: Carrier, transfer: Transfer, items: Sequence[Item]) -> Ended:
    """Look until a batch has ended."""
    until = time.monotonic() + LIMIT_S
    while time.monotonic() < until:
        (seen,) = carrier.look([transfer], lambda _: items)
        if isinstance(seen, Ended):
            return seen
        assert isinstance(seen, Moving), seen
    pytest.fail(f"not ended within {LIMIT_S} s")


def moved(mover: Carrier | Copier, items: Sequence[Item]) -> dict[ItemId, ItemNews]:
    """Move a batch; return what became of each file, the last word if there are several."""
    transfer = batch_of(items)
    if _is_copier(mover):
        told: list[ItemNews] = []
        assert mover.copy(transfer, items, told.append, lambda: False) is None
        return {news.item_id: news for news in told}
    return {news.item_id: news for news in ended(mover, submitted(mover, transfer, items), items).items}


def _is_copier(mover: Carrier | Copier) -> TypeIs[Copier]:
    return hasattr(mover, "copy")


class MoverContract:
    """Run over every carrier and every copier."""

    @pytest.fixture
    def mover(self) -> Carrier | Copier:
        """Give the plugin."""
        raise NotImplementedError

    @pytest.fixture
    def depot(self) -> Depot:
        """Give the depot."""
        raise NotImplementedError

    @pytest.fixture
    def names(self) -> Sequence[str]:
        """Give names that files may have; those that a service does not know are left out by a derived class."""
        return ODD_NAMES

    def test_every_file_is_at_its_destination(self, mover: Carrier | Copier, depot: Depot, names: Sequence[str]) -> None:
        contents = {name: f"content of {name}".encode() * 7 for name in names}
        items = routed(mover, [depot.put(name, content) for name, content in contents.items()])
        news = moved(mover, items)
        assert {one.end for one in news.values()} == {ItemEnd.MOVED}, news
        assert {item.parcel.lfn: depot.read(item.route) for item in items} == contents
        assert set(news) == {item.parcel.item_id for item in items}

    def test_the_same_parcel_gets_the_same_way_again(self, mover: Carrier | Copier, depot: Depot) -> None:
        parcels = [depot.put(name, b"x") for name in ("a", "b")]
        first = routed(mover, parcels)
        assert routed(mover, parcels) == first
        assert routed(mover, parcels[1:]) == first[1:]
        assert first[0].route.destination != first[1].route.destination

    def test_nothing_to_route_is_no_trouble(self, mover: Carrier | Copier) -> None:
        assert list(mover.route([])) == []

    def test_a_missing_source_is_told_for_its_file_alone(self, mover: Carrier | Copier, depot: Depot) -> None:
        items = routed(mover, [depot.put("a", b"aa"), depot.lacking("gone"), depot.put("b", b"bb")])
        news = moved(mover, items)
        assert [news[item.parcel.item_id].end is ItemEnd.MOVED for item in items] == [True, False, True]
        assert news[items[1].parcel.item_id].why
        assert [depot.read(item.route) for item in items] == [b"aa", None, b"bb"]

    def test_an_empty_file_is_moved(self, mover: Carrier | Copier, depot: Depot) -> None:
        items = routed(mover, [depot.put("empty", b"")])
        assert moved(mover, items)[items[0].parcel.item_id].end is ItemEnd.MOVED
        assert depot.read(items[0].route) == b""

    def test_what_is_moved_again_stays_right(self, mover: Carrier | Copier, depot: Depot) -> None:
        items = routed(mover, [depot.put("a", b"aa"), depot.put("b", b"bb")])
        for _ in range(2):
            assert {one.end for one in moved(mover, items).values()} == {ItemEnd.MOVED}
            assert [depot.read(item.route) for item in items] == [b"aa", b"bb"]

    def test_limits_can_be_kept(self, mover: Carrier | Copier) -> None:
        limits = mover.limits()
        assert min(limits.files, limits.size, limits.active, limits.tries) >= 1
        assert limits.wait_s >= 0.0
        assert limits.poll_s > 0.0


class CarrierContract(MoverContract):
    """Run over every carrier."""

    @pytest.fixture
    def mover(self, carrier: Carrier) -> Carrier:
        """Give the plugin."""
        return carrier

    @pytest.fixture
    def carrier(self) -> Carrier:
        """Give the plugin."""
        raise NotImplementedError

    def test_submitting_twice_is_one_task(self, carrier: Carrier, depot: Depot) -> None:
        items = routed(carrier, [depot.put("a", b"aa")])
        transfer = submitted(carrier, batch_of(items), items)
        assert submitted(carrier, transfer, items).task == transfer.task
        ended(carrier, transfer, items)
        assert submitted(carrier, transfer, items).task == transfer.task

    def test_what_has_ended_is_told_again_the_same(self, carrier: Carrier, depot: Depot) -> None:
        items = routed(carrier, [depot.put("a", b"aa"), depot.lacking("gone")])
        transfer = submitted(carrier, batch_of(items), items)
        assert ended(carrier, transfer, items).items == ended(carrier, transfer, items).items

    def test_cancel_is_harmless_whenever_it_comes(self, carrier: Carrier, depot: Depot) -> None:
        items = routed(carrier, [depot.put("a", b"aa")])
        planned = batch_of(items)
        carrier.cancel(planned)
        planned = replace(planned, token=carrier.token(planned))
        carrier.cancel(planned)
        transfer = submitted(carrier, planned, items)
        ended(carrier, transfer, items)
        for _ in range(2):
            carrier.cancel(transfer)
        assert depot.read(items[0].route) == b"aa"

    def test_a_batch_that_the_service_does_not_know_is_gone(self, carrier: Carrier, depot: Depot) -> None:
        items = routed(carrier, [depot.put("a", b"aa")])
        unknown = replace(batch_of(items), task="00000000-0000-4000-8000-000000000000")
        (seen,) = carrier.look([unknown], lambda _: items)
        assert isinstance(seen, Gone), seen

    def test_several_batches_are_told_in_their_order(self, carrier: Carrier, depot: Depot) -> None:
        groups = [routed(carrier, [depot.put(name, name.encode())]) for name in ("a", "b", "c")]
        transfers = [submitted(carrier, batch_of(items, f"abcde-t{number}"), items) for number, items in enumerate(groups)]
        assert len({transfer.task for transfer in transfers}) == len(transfers)
        for transfer, items in zip(transfers, groups, strict=True):
            ended(carrier, transfer, items)
        seen = carrier.look(transfers[::-1], lambda one: groups[transfers.index(one)])
        assert [_items_of(one) for one in seen] == [{item.parcel.item_id for item in items} for items in groups[::-1]]


def _items_of(seen: object) -> set[ItemId]:
    assert isinstance(seen, Ended), seen
    return {news.item_id for news in seen.items}
