"""Inputs that a real Rucio server is asked to bring to this site.

Rules, locks and states are the server's own. What moves the files (FTS, and the daemons that speak with it) cannot be had here:
``View.move`` stands in for it, and copies what the server says is to be copied.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from harvester_hpc.errors import Unavailable
from harvester_hpc.model.transfer import Direction, Item, Parcel, Transfer
from harvester_hpc.ports.carrier import Accepted, Ended, Gone, ItemEnd, Moving, Parked, Seen
from harvester_hpc.ports.outcome import Failed
from harvester_hpc.testing.fake_clock import FakeClock
from harvester_hpc.testing.rucio import RucioServer
from harvester_rucio.rule import RucioRule
from tests.rucio_site import AWAY, MOUNTS, SITE, SOURCE, View, context, parcel, routed, section, transfer

#: One server for all of them, and one process that asks it.
pytestmark = pytest.mark.xdist_group("rucio")


@pytest.fixture
def mark() -> str:
    """A word that no other test's names have."""
    return f"w{uuid4().hex[:10]}"


@pytest.fixture
def view(rucio: RucioServer) -> View:
    return View(rucio)


def ruler(rucio: RucioServer, folder: Path, account: str = "harvester", clock: FakeClock | None = None, **more: Any) -> RucioRule:
    settings = RucioRule.Settings(**{**section(rucio, account), "rse": SITE, "mounts": MOUNTS, **more})
    assert settings.problems() == ()
    return RucioRule(settings, context(folder), clock)


def wanted(number: int, lfn: str, **more: Any) -> Parcel:
    return parcel(number, lfn, Direction.IN, **{"target": f"/nowhere/{lfn}", **more})


def planned(plugin: RucioRule, items: Sequence[Item], mark: str) -> Transfer:
    """Return a batch as the core stores it before it is handed over."""
    batch = transfer(items, key=f"abcde-{mark}")
    return replace(batch, token=plugin.token(batch))


def handed_over(plugin: RucioRule, items: Sequence[Item], mark: str) -> Transfer:
    batch = planned(plugin, items, mark)
    answer = plugin.submit(batch, items)
    assert isinstance(answer, Accepted), answer
    return replace(batch, task=answer.task)


def look(plugin: RucioRule, batch: Transfer, items: Sequence[Item]) -> Seen:
    [seen] = plugin.look([batch], lambda _: items)
    return seen


def test_inputs_are_where_the_route_says_when_the_rule_is_kept(rucio: RucioServer, view: View, tmp_path: Path, mark: str) -> None:
    plugin = ruler(rucio, tmp_path)
    for n in range(3):
        view.put(SOURCE, f"{mark}.{n}", b"%d" % n)
    items = routed(plugin, [wanted(n, f"{mark}.{n}", target=str(tmp_path / "cache" / f"{mark}.{n}")) for n in range(3)])
    batch = handed_over(plugin, items, mark)
    seen = look(plugin, batch, items)
    assert isinstance(seen, Moving) and seen.progress.files == 0 and "3 replicating" in seen.progress.event
    view.move(SITE)
    done = look(plugin, batch, items)
    assert isinstance(done, Ended)
    # The core reads and compares what it can read: a kept rule says nothing of the bytes.
    assert [(news.end, news.verified) for news in done.items] == [(ItemEnd.MOVED, False)] * 3
    assert [Path(item.route.readable).read_bytes() for item in items] == [b"0", b"1", b"2"]
    # An input is a link to the file at the RSE: what is removed with it is the link.
    assert [Path(item.route.readable).readlink() for item in items] == [view.path(SITE, f"{mark}.{n}") for n in range(3)]
    assert [path.name for path in sorted((tmp_path / "cache").iterdir())] == [f"{mark}.{n}" for n in range(3)]
    [rule] = view.client.list_did_rules("user.harvester", f"harvester.{batch.token}")
    assert rule["id"] == batch.task and (rule["expires_at"] - rule["created_at"]).days in (13, 14)


def test_a_batch_handed_over_twice_has_one_rule(rucio: RucioServer, view: View, tmp_path: Path, mark: str) -> None:
    plugin = ruler(rucio, tmp_path)
    view.put(SOURCE, f"{mark}.1", b"1")
    view.put(SOURCE, f"{mark}.2", b"2")
    items = routed(plugin, [wanted(1, f"{mark}.1"), wanted(2, f"{mark}.2")])
    batch = planned(plugin, items, mark)
    first = plugin.submit(batch, items)
    # Another process knows no more than the token, which was stored before.
    assert ruler(rucio, tmp_path / "other").submit(batch, items) == first
    assert len(list(view.client.list_did_rules("user.harvester", f"harvester.{batch.token}"))) == 1


@pytest.mark.parametrize("done", ["dataset", "files"])
def test_what_a_crash_has_left_undone_is_done_by_the_next(rucio: RucioServer, view: View, tmp_path: Path, mark: str, done: str) -> None:
    plugin = ruler(rucio, tmp_path)
    view.put(SOURCE, mark, b"content")
    items = routed(plugin, [wanted(1, mark)])
    batch = planned(plugin, items, mark)
    name = f"harvester.{batch.token}"
    view.client.add_dataset("user.harvester", name)
    if done == "files":
        view.client.attach_dids("user.harvester", name, [{"scope": "tests", "name": mark}])
    assert isinstance(plugin.submit(batch, items), Accepted)
    assert view.members(name, "user.harvester") == {mark}
    assert len(list(view.client.list_did_rules("user.harvester", name))) == 1


def test_a_file_that_is_unknown_or_other_fails_alone(rucio: RucioServer, view: View, tmp_path: Path, mark: str) -> None:
    plugin = ruler(rucio, tmp_path)
    view.put(SOURCE, f"{mark}.good", b"good")
    view.put(SOURCE, f"{mark}.other", b"other")
    good = wanted(1, f"{mark}.good", target=str(tmp_path / "good"))
    items = routed(plugin, [good, wanted(2, f"{mark}.unknown"), wanted(3, f"{mark}.other", size=77)])
    batch = handed_over(plugin, items, mark)
    view.move(SITE)
    done = look(plugin, batch, items)
    assert isinstance(done, Ended) and [news.end for news in done.items] == [ItemEnd.MOVED, ItemEnd.FAILED, ItemEnd.FAILED]
    assert look(plugin, batch, items) == done


def test_a_batch_of_which_rucio_knows_nothing_is_refused(rucio: RucioServer, tmp_path: Path, mark: str) -> None:
    plugin = ruler(rucio, tmp_path)
    items = routed(plugin, [wanted(1, mark)])
    answer = plugin.submit(planned(plugin, items, mark), items)
    assert isinstance(answer, Failed) and mark in answer.why


def test_what_rucio_is_stuck_with_is_given_up_after_its_time_and_the_rest_has_arrived(
    rucio: RucioServer, view: View, tmp_path: Path, mark: str
) -> None:
    clock = FakeClock()
    plugin = ruler(rucio, tmp_path, clock=clock, stuck_s=100.0)
    view.put(SOURCE, f"{mark}.good", b"good")
    view.put(SITE, f"{mark}.here", b"here")
    items = routed(plugin, [wanted(1, f"{mark}.good"), wanted(2, f"{mark}.here", target=str(tmp_path / "here"))])
    batch = handed_over(plugin, items, mark)
    view.client.update_replication_rule(batch.task, {"state": "STUCK"})
    since = view.client.get_replication_rule(batch.task)["stuck_at"].replace(tzinfo=UTC).timestamp()
    clock.set(since + 99.0)
    seen = look(plugin, batch, items)
    assert isinstance(seen, Moving) and "STUCK" in seen.why
    clock.advance(2.0)
    done = look(plugin, batch, items)
    assert isinstance(done, Ended) and [news.end for news in done.items] == [ItemEnd.AGAIN, ItemEnd.MOVED]


def test_a_rule_that_is_not_there_any_more_is_gone(rucio: RucioServer, view: View, tmp_path: Path, mark: str) -> None:
    plugin = ruler(rucio, tmp_path)
    view.put(SOURCE, mark, b"content")
    items = routed(plugin, [wanted(1, mark)])
    batch = replace(handed_over(plugin, items, mark), task="0" * 32)
    assert isinstance(look(plugin, batch, items), Gone)


def test_a_cancelled_batch_has_no_rule_for_long(rucio: RucioServer, view: View, tmp_path: Path, mark: str) -> None:
    plugin = ruler(rucio, tmp_path)
    view.put(SOURCE, mark, b"content")
    items = routed(plugin, [wanted(1, mark)])
    batch = handed_over(plugin, items, mark)
    for one in (replace(batch, task=""), batch):  # also when the answer to the submission was lost
        plugin.cancel(one)
    [rule] = view.client.list_did_rules("user.harvester", f"harvester.{batch.token}")
    assert (rule["expires_at"] - rule["created_at"]).total_seconds() <= 3700
    plugin.cancel(replace(batch, task="0" * 32))
    plugin.cancel(replace(batch, task="", token="never-handed-over"))


def test_a_quota_that_is_used_up_waits_for_a_person_and_goes_on_when_there_is_more(
    rucio: RucioServer, view: View, tmp_path: Path, mark: str
) -> None:
    plugin = ruler(rucio, tmp_path, account="guest")
    view.put(SOURCE, mark, b"content")
    items = routed(plugin, [wanted(1, mark)])
    batch = planned(plugin, items, mark)
    view.client.set_local_account_limit("guest", SITE, 1)
    try:
        parked = plugin.submit(batch, items)
    finally:
        view.client.set_local_account_limit("guest", SITE, 10**12)
    assert isinstance(parked, Parked) and "InsufficientAccountLimit" in parked.why and "quota" in parked.remedy
    assert isinstance(plugin.submit(batch, items), Accepted)


def test_a_dataset_in_a_scope_of_others_waits_for_a_person(rucio: RucioServer, view: View, tmp_path: Path, mark: str) -> None:
    plugin = ruler(rucio, tmp_path, account="guest", dataset_scope="tests")
    view.put(SOURCE, mark, b"content")
    items = routed(plugin, [wanted(1, mark)])
    answer = plugin.submit(planned(plugin, items, mark), items)
    assert isinstance(answer, Parked) and "AccessDenied" in answer.why


def test_nothing_is_known_while_the_server_is_away(rucio: RucioServer, view: View, tmp_path: Path, mark: str) -> None:
    plugin = ruler(rucio, tmp_path)
    view.put(SOURCE, mark, b"content")
    items = routed(plugin, [wanted(1, mark)])
    batch = planned(plugin, items, mark)
    rucio.stop()
    known = replace(batch, task="0" * 32)
    for ask in (lambda: plugin.submit(batch, items), lambda: look(plugin, known, items), lambda: plugin.cancel(batch)):
        with pytest.raises(Unavailable):
            ask()
    rucio.start()
    assert isinstance(plugin.submit(batch, items), Accepted)


def test_an_rse_that_is_not_mounted_is_no_place_for_inputs(rucio: RucioServer, view: View, tmp_path: Path, mark: str) -> None:
    [answer] = ruler(rucio, tmp_path, mounts={}).route([wanted(1, mark)])
    assert isinstance(answer, Parked) and "mounts" in answer.remedy
    [item] = routed(ruler(rucio, tmp_path, mounts={}), [wanted(1, mark, target="")])  # another hop brings it here
    assert item.route.readable == "" and item.route.destination.name == SITE != AWAY
    assert Path(item.route.destination.path).name == mark
