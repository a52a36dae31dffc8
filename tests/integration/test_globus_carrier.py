"""Batches over Globus with the real SDK. The service is emulated: this proves our logic, not Globus."""
from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from harvester_globus.carrier import LABEL, GlobusCarrier, GlobusStager
from harvester_globus.layout import Layout
from harvester_hpc.errors import Unavailable
from harvester_hpc.model.transfer import Item, Route, Transfer
from harvester_hpc.ports.carrier import Accepted, Ended, Gone, ItemEnd, Moving, Parked, Seen
from harvester_hpc.ports.outcome import Failed, Retry
from harvester_hpc.testing.contracts.carrier import batch_of, ended, routed, submitted
from harvester_hpc.testing.globus.world import World
from tests.globus_site import CLIENT, Site, site_in

LIMIT_S = 30.0


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    with site_in(tmp_path, monkeypatch) as site:
        yield site


def look(carrier: GlobusCarrier, transfer: Transfer, items: list[Item]) -> Seen:
    (seen,) = carrier.look([transfer], lambda _: items)
    return seen


def ends(seen: Seen | Ended, items: list[Item]) -> list[ItemEnd | None]:
    """Return what became of each item, in their order; None: nothing was said."""
    assert isinstance(seen, Ended), seen
    said = {news.item_id: news.end for news in seen.items}
    return [said.get(item.parcel.item_id) for item in items]


def why(seen: Seen, item: Item) -> str:
    assert isinstance(seen, Ended), seen
    (news,) = [news for news in seen.items if news.item_id == item.parcel.item_id]
    return news.why


# -- one batch is one task ----------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["lost_before", "lost_after", "error_before", "error_after", "garbage"])
def test_an_answer_that_is_lost_makes_no_second_task(site: Site, how: str) -> None:
    carrier = site.carrier()
    items = routed(carrier, [site.put("a", b"aa")])
    site.world.fail("submit", how)
    planned = batch_of(items)
    planned = replace(planned, token=carrier.token(planned))
    with suppress(Unavailable):  # the SDK does not try again what cannot be understood
        carrier.submit(planned, items)
    transfer = submitted(carrier, planned, items)
    assert ends(ended(carrier, transfer, items), items) == [ItemEnd.MOVED]
    assert len(site.world.tasks()) == 1
    assert set(site.world.copies().values()) == {1}


def test_an_outage_of_the_whole_call_tells_nothing_and_the_next_start_finds_the_task(site: Site) -> None:
    carrier = site.carrier()
    items = routed(carrier, [site.put("a", b"aa")])
    planned = batch_of(items)
    planned = replace(planned, token=carrier.token(planned))
    site.world.fail("submit", "lost_after", times=10)
    with pytest.raises(Unavailable):
        carrier.submit(planned, items)
    site.world.heal()
    reborn = site.carrier()  # another process: it knows what is stored, and no more
    transfer = submitted(reborn, planned, items)
    assert [row["id"] for row in site.world.tasks()] == [transfer.task]


def test_when_the_submission_id_has_expired_the_task_is_found_by_its_label(site: Site) -> None:
    carrier = site.carrier()
    transfer, items = site.batch(carrier, site.put("a", b"aa"))
    site.world.set(submission_life_s=-1)
    assert carrier.submit(transfer, items) == Accepted(task=transfer.task)
    assert len(site.world.tasks()) == 1


def test_when_the_submission_id_has_expired_and_no_task_was_made_one_is_made(site: Site) -> None:
    carrier = site.carrier()
    items = routed(carrier, [site.put("a", b"aa")])
    planned = replace(batch_of(items), token="33333333-3333-4333-8333-333333333333")
    transfer = submitted(carrier, planned, items)
    assert submitted(carrier, planned, items).task == transfer.task
    assert len(site.world.tasks()) == 1


def test_an_old_submission_id_is_not_relied_upon_alone(site: Site) -> None:
    carrier = site.carrier()
    transfer, items = site.batch(carrier, site.put("a", b"aa"))
    # the service has forgotten the id, and would make a second task
    site.world.rows("UPDATE task SET submission_id = 'forgotten'")
    old = replace(transfer, created=time.time() - 2 * 86400)
    assert carrier.submit(old, items) == Accepted(task=transfer.task)
    assert len(site.world.tasks()) == 1


def test_a_task_whose_history_is_gone_is_submitted_anew(site: Site) -> None:
    carrier = site.carrier()
    transfer, items = site.batch(carrier, site.put("a", b"aa"))
    site.world.rows("UPDATE task SET owner = 'nobody', label = ''")
    assert isinstance(look(carrier, transfer, items), Gone)
    again = submitted(carrier, transfer, items)
    assert again.task != transfer.task
    assert ends(ended(carrier, again, items), items) == [ItemEnd.MOVED]


def test_the_label_names_instance_and_batch_and_is_short_enough(site: Site) -> None:
    carrier = site.carrier()
    transfer, _ = site.batch(carrier, site.put("a", b"aa"))
    (task,) = site.world.tasks()
    assert task["label"] == "test-instance abcde-t1"
    long = GlobusCarrier(site.settings(), replace(site.context, instance=" a/b,c:d\n" * 99))
    label = long.label(transfer)
    assert len(label) <= LABEL
    assert label == label.strip()
    assert label.endswith(" abcde-t1")
    assert not set(label) & set("/,:\n")


def test_a_task_is_made_with_the_options_that_protect_data(site: Site) -> None:
    carrier = site.carrier(deadline_hours=2.0)
    site.batch(carrier, site.put("a", b"aa"))
    (task,) = site.world.tasks()
    wanted = json.loads(task["wanted"])
    assert {name: wanted[name] for name in ("sync_level", "verify_checksum", "skip_source_errors", "fail_on_quota_errors")} == {
        "sync_level": 3, "verify_checksum": True, "skip_source_errors": True, "fail_on_quota_errors": False,
    }
    assert not any(wanted[f"notify_on_{end}"] for end in ("succeeded", "failed", "inactive"))
    assert task["deadline"] - task["requested"] == pytest.approx(7200, abs=30)


# -- what became of each file -------------------------------------------------------------------------


def test_a_task_that_succeeds_with_files_missing_is_no_success_for_them(site: Site) -> None:
    carrier = site.carrier()
    site.world.set(page=2, forbidden="secret")
    parcels = [site.put("a", b"aa"), site.lacking("gone1"), site.put("b", b"bb"), site.lacking("gone2"), site.put("secret", b"s"),
               site.lacking("gone3")]
    transfer, items = site.batch(carrier, *parcels)
    seen = look(carrier, transfer, items)
    assert site.world.tasks()[0]["status"] == "SUCCEEDED"
    moved, again = ItemEnd.MOVED, ItemEnd.AGAIN
    assert ends(seen, items) == [moved, again, moved, again, again, again]
    assert why(seen, items[1]).startswith("FILE_NOT_FOUND: /data/mc23/")
    assert why(seen, items[4]).startswith("PERMISSION_DENIED")
    assert site.world.calls()["skipped_errors"] == 2


def test_a_task_that_fails_in_part_counts_for_what_it_has_moved(site: Site) -> None:
    carrier = site.carrier()
    site.world.set(page=3, broken="bad")
    parcels = [site.put(name, name.encode()) for name in ("a", "bad1", "b", "c", "bad2", "d", "e")]
    transfer, items = site.batch(carrier, *parcels)
    seen = look(carrier, transfer, items)
    assert ends(seen, items) == [ItemEnd.AGAIN if item.parcel.lfn.startswith("bad") else ItemEnd.MOVED for item in items]
    assert "TRANSFER_FAILED" in why(seen, items[1])
    assert site.world.calls()["successful_transfers"] == 2


def test_what_failed_goes_into_another_batch_and_what_lies_there_is_not_moved_again(site: Site) -> None:
    carrier = site.carrier()
    site.world.set(broken="bad")
    transfer, items = site.batch(carrier, site.put("a", b"aa"), site.put("bad", b"bb"))
    look(carrier, transfer, items)
    site.world.set(broken="")
    again = submitted(carrier, batch_of(items, "abcde-t2"), items)
    seen = look(carrier, again, items)
    assert ends(seen, items) == [ItemEnd.MOVED, ItemEnd.MOVED]
    assert set(site.world.copies().values()) == {1}


def test_an_item_of_which_the_service_says_nothing_has_not_arrived(site: Site) -> None:
    carrier = site.carrier()
    transfer, items = site.batch(carrier, site.put("a", b"aa"))
    (stranger,) = routed(carrier, [site.put("never submitted", b"x")])
    assert ends(look(carrier, transfer, [*items, stranger]), [*items, stranger]) == [ItemEnd.MOVED, ItemEnd.AGAIN]


def test_bytes_that_arrive_wrong_are_moved_again_by_the_service(site: Site) -> None:
    carrier = site.carrier()
    site.world.set(corrupt="a.root")
    transfer, items = site.batch(carrier, site.put("a.root", b"content"))
    first = look(carrier, transfer, items)
    assert isinstance(first, Moving)
    assert "VERIFY_CHECKSUM" in first.why
    assert ends(look(carrier, transfer, items), items) == [ItemEnd.MOVED]
    assert site.read(items[0].route) == b"content"


def test_what_can_be_read_here_is_not_believed_to_the_service(site: Site) -> None:
    carrier = site.carrier()
    site.world.set(corrupt="a.root", lie=True)
    transfer, items = site.batch(carrier, site.put("a.root", b"content"))
    seen = look(carrier, transfer, items)
    assert site.read(items[0].route) != b"content"
    assert isinstance(seen, Ended)
    assert [news.verified for news in seen.items] == [False]
    assert items[0].route.readable == items[0].parcel.target


def test_an_output_that_cannot_be_read_here_is_compared_by_the_service(site: Site) -> None:
    carrier = site.carrier()
    transfer, items = site.batch(carrier, site.output("out #1.root", b"out"))
    seen = look(carrier, transfer, items)
    assert isinstance(seen, Ended)
    (news,) = seen.items
    assert (news.end, news.verified) == (ItemEnd.MOVED, True)
    assert news.url == f"globus://{site.far}{items[0].route.destination.path.replace(' ', '%20').replace('#', '%23')}"
    assert site.read(items[0].route) == b"out"


def test_a_file_that_is_not_the_promised_one_is_blamed_alone(site: Site) -> None:
    carrier = site.carrier(external_checksums=True)
    good, bad = site.put("good", b"good"), replace(site.put("bad", b"bad"), checksum="ad:00000001")
    other = replace(site.put("md", b"md"), checksum="md:793914c9c583d9d86d0f4ed8c521b0c1")
    transfer, items = site.batch(carrier, good, other, bad, site.put("late", b"late"))
    seen = look(carrier, transfer, items)
    assert ends(seen, items) == [ItemEnd.MOVED, ItemEnd.MOVED, ItemEnd.FAILED, ItemEnd.AGAIN]
    assert "not the file that was promised" in why(seen, items[2])


def test_a_zip_waits_for_a_person_where_nobody_has_said_its_scope(site: Site) -> None:
    zipped = replace(site.output("a.zip", b"aa"), scope="", dataset="")
    (answer,) = site.carrier().route([zipped])
    assert isinstance(answer, Parked)
    assert "'scope'" in answer.remedy
    (answer,) = site.carrier(scope="events").route([zipped])
    assert isinstance(answer, Route)
    (answer,) = site.carrier().route([replace(site.lacking("input"), scope="")])
    assert isinstance(answer, Failed)


def test_two_hops_bring_a_file_over_the_place_between(site: Site) -> None:
    via = site.world.add_collection("dtn", site.folder / "dtn")
    first = site.carrier(local_collection="", via_collection=via, via_path="/buffer")
    last = site.carrier(remote_collection="", layout=None)
    parcel = site.put("a", b"aa")
    transfer, items = site.batch(first, replace(parcel, target=""))
    assert ends(look(first, transfer, items), items) == [ItemEnd.MOVED]
    on = replace(parcel, source=items[0].route.destination, hop=1)
    transfer, items = site.batch(last, on, key="abcde-t2")
    assert ends(look(last, transfer, items), items) == [ItemEnd.MOVED]
    assert Path(parcel.target).read_bytes() == b"aa"


# -- under way ----------------------------------------------------------------------------------------


def test_a_slow_task_tells_how_far_it_is(site: Site) -> None:
    carrier = site.carrier()
    site.world.set(files_per_look=2)
    transfer, items = site.batch(carrier, *[site.put(name, b"12345") for name in "abcde"])
    told = [look(carrier, transfer, items) for _ in range(3)]
    assert [(one.progress.files, one.progress.size) for one in told if isinstance(one, Moving | Ended)] == [(2, 10), (4, 20), (5, 25)]
    assert isinstance(told[-1], Ended)


def test_a_task_that_never_ends_tells_its_last_event_and_ends_with_its_deadline(site: Site) -> None:
    carrier = site.carrier(deadline_hours=1.0)
    site.world.set(stuck=True)
    transfer, items = site.batch(carrier, site.put("a", b"aa"))
    seen = look(carrier, transfer, items)
    assert isinstance(seen, Moving)
    assert seen.progress.faults == 1
    assert seen.progress.event == seen.why == "ENDPOINT_ERROR the data channel hangs"
    site.world.set(now=time.time() + 3601, token_life_s=1e9)
    last = look(carrier, transfer, items)
    assert ends(last, items) == [ItemEnd.AGAIN]
    assert "DEADLINE" in why(last, items[0])


def test_events_are_asked_for_only_when_there_are_new_faults(site: Site) -> None:
    carrier = site.carrier()
    site.world.set(inactive=True)
    transfer, items = site.batch(carrier, site.put("a", b"aa"))
    look(carrier, transfer, items)
    site.world.rows("CREATE TRIGGER calm AFTER UPDATE OF faults ON task BEGIN UPDATE task SET faults = 1; END")
    for _ in range(5):
        look(carrier, transfer, items)
    assert site.world.calls()["event_list"] == 1


def test_a_paused_collection_is_told_in_the_words_of_those_who_paused_it(site: Site) -> None:
    carrier = site.carrier()
    site.world.change_collection(site.far, paused="maintenance until Monday")
    transfer, items = site.batch(carrier, site.put("a", b"aa"))
    seen = look(carrier, transfer, items)
    assert isinstance(seen, Moving)
    assert "maintenance until Monday" in seen.why
    site.world.change_collection(site.far)
    assert ends(look(carrier, transfer, items), items) == [ItemEnd.MOVED]


def test_credentials_that_have_expired_under_way_want_a_login(site: Site) -> None:
    carrier = site.carrier()
    site.world.set(inactive=True)
    transfer, items = site.batch(carrier, site.put("a", b"aa"))
    seen = look(carrier, transfer, items)
    assert isinstance(seen, Parked)
    assert "credentials have expired" in seen.why
    assert seen.remedy == f"harvester-hpc globus login --client {CLIENT}"
    site.world.set(inactive=False)
    assert ends(look(carrier, transfer, items), items) == [ItemEnd.MOVED]


def test_a_full_destination_wants_room_and_goes_on_by_itself(site: Site) -> None:
    carrier = site.carrier()
    site.world.change_collection(site.here, is_full=True)
    transfer, items = site.batch(carrier, site.put("a", b"aa"))
    seen = look(carrier, transfer, items)
    assert isinstance(seen, Parked)
    assert "QUOTA_EXCEEDED" in seen.why
    assert "make room" in seen.remedy
    site.world.change_collection(site.here)
    assert ends(look(carrier, transfer, items), items) == [ItemEnd.MOVED]


def test_on_demand_a_full_destination_ends_the_task(site: Site) -> None:
    carrier = site.carrier(fail_on_quota=True)
    site.world.change_collection(site.here, is_full=True)
    transfer, items = site.batch(carrier, site.put("a", b"aa"))
    seen = look(carrier, transfer, items)
    assert ends(seen, items) == [ItemEnd.AGAIN]
    assert "QUOTA_EXCEEDED" in why(seen, items[0])


def test_a_destination_that_may_not_be_written_wants_access(site: Site) -> None:
    carrier = site.carrier()
    site.world.change_collection(site.here, read_only=True)
    transfer, items = site.batch(carrier, site.put("a", b"aa"))
    seen = look(carrier, transfer, items)
    assert isinstance(seen, Parked)
    assert "whoami" in seen.remedy


def test_only_some_tasks_are_at_work_and_the_others_wait_without_complaint(site: Site) -> None:
    carrier = site.carrier()
    site.world.set(files_per_look=1)
    batches = [site.batch(carrier, site.put("a", b"aa"), site.put("b", b"bb"), key=f"abcde-t{number}") for number in range(5)]
    seen = carrier.look([transfer for transfer, _ in batches], lambda one: next(items for known, items in batches if known == one))
    assert [one.progress.event for one in seen if isinstance(one, Moving)] == ["OK", "OK", "OK", "Queued", "Queued"]
    assert [one.why for one in seen if isinstance(one, Moving)] == [""] * 5


def test_many_tasks_are_looked_at_in_few_calls(site: Site) -> None:
    carrier = site.carrier()
    site.world.set(stuck=False, files_per_look=0, pending_limit=1000)
    items = routed(carrier, [site.put("a", b"aa")])
    transfers = [submitted(carrier, batch_of(items, f"abcde-t{number}"), items) for number in range(150)]
    before = site.world.calls()
    assert all(isinstance(one, Moving) for one in carrier.look(transfers, lambda _: items))
    assert site.world.calls() - before == {"task_list": 2}


def test_one_batch_that_cannot_be_asked_for_does_not_hide_the_others(site: Site) -> None:
    carrier = site.carrier()
    transfers = [site.batch(carrier, site.put("a", b"aa"), site.lacking("gone"), key=f"abcde-t{number}") for number in range(2)]
    site.world.fail("skipped_errors", "external", times=3)
    seen = carrier.look([one for one, _ in transfers], lambda one: next(items for known, items in transfers if known == one))
    assert {type(one) for one in seen} == {Moving}
    again = carrier.look([one for one, _ in transfers], lambda one: next(items for known, items in transfers if known == one))
    assert [type(one) for one in again] == [Moving, Ended]


# -- cancel -------------------------------------------------------------------------------------------


def test_a_task_under_way_ends_when_nobody_wants_it(site: Site) -> None:
    carrier = site.carrier()
    site.world.set(stuck=True)
    transfer, items = site.batch(carrier, site.put("a", b"aa"))
    carrier.cancel(transfer)
    assert [row["status"] for row in site.world.tasks()] == ["FAILED"]
    carrier.cancel(transfer)
    assert ends(look(carrier, transfer, items), items) == [ItemEnd.AGAIN]


def test_a_task_whose_name_was_never_stored_is_cancelled_by_its_label(site: Site) -> None:
    carrier = site.carrier()
    site.world.set(stuck=True)
    transfer, _ = site.batch(carrier, site.put("a", b"aa"))
    carrier.cancel(replace(transfer, task=""))
    assert [row["status"] for row in site.world.tasks()] == ["FAILED"]


# -- limits and refusals at the submission --------------------------------------------------------------


def test_too_many_pending_tasks_put_a_batch_off(site: Site) -> None:
    carrier = site.carrier()
    site.world.set(pending_limit=1, stuck=True)
    site.batch(carrier, site.put("a", b"aa"))
    items = routed(carrier, [site.put("b", b"bb")])
    planned = batch_of(items, "abcde-t2")
    planned = replace(planned, token=carrier.token(planned))
    assert isinstance(carrier.submit(planned, items), Retry)
    site.world.set(pending_limit=100)
    submitted(carrier, planned, items)


def test_what_the_service_will_never_take_is_refused_for_good(site: Site) -> None:
    carrier = site.carrier()
    (item,) = routed(carrier, [site.put("a", b"aa")])
    wrong = replace(item, route=replace(item.route, source=replace(item.route.source, path="no/path")))
    planned = batch_of([wrong])
    planned = replace(planned, token=carrier.token(planned))
    answer = carrier.submit(planned, [wrong])
    assert isinstance(answer, Failed)
    assert "not absolute" in answer.why


def test_a_stager_is_a_carrier_that_knows_where_outputs_go(site: Site) -> None:
    stager = GlobusStager(site.settings(layout=Layout.JOB), site.context)
    (route,) = stager.route([site.output("o", b"o")])
    assert not isinstance(route, Failed | Parked | Retry)
    assert route.destination.path == "/data/7/o"
    (refused,) = stager.route([replace(site.output("o", b"o"), lfn="../o")])
    assert isinstance(refused, Failed)


# -- the service dies ---------------------------------------------------------------------------------


def test_a_service_that_is_killed_and_comes_back_goes_on_with_its_tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path / "globus")
    far, here = world.add_collection("far", tmp_path / "far"), world.add_collection("here", tmp_path / "here")
    world.set(files_per_look=1)
    served = _Served(tmp_path / "globus")
    try:
        address = served.start()
        monkeypatch.setenv("GLOBUS_SDK_SERVICE_URL_TRANSFER", f"{address}/")
        monkeypatch.setenv("GLOBUS_SDK_SERVICE_URL_AUTH", f"{address}/")
        (tmp_path / "secret").write_text("emulated")
        (tmp_path / "state").mkdir()
        site = Site(tmp_path, None, far, here)  # type: ignore[arg-type]
        carrier = site.carrier()
        transfer, items = site.batch(carrier, *[site.put(name, name.encode()) for name in "abc"])
        assert isinstance(look(carrier, transfer, items), Moving)
        served.kill()
        with pytest.raises(Unavailable):
            look(carrier, transfer, items)
        served.start(int(address.rpartition(":")[2]))
        assert submitted(carrier, transfer, items).task == transfer.task
        assert ends(ended(carrier, transfer, items), items) == [ItemEnd.MOVED] * 3
        assert set(world.copies().values()) == {1}
        carrier.service.close()
    finally:
        served.kill()
        world.close()


class _Served:
    """The emulator as a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process: subprocess.Popen[str] | None = None

    def start(self, port: int = 0) -> str:
        argv = [sys.executable, "-m", "harvester_hpc.testing.globus", "serve", "--dir", str(self.folder), "--port", str(port)]
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        watch = threading.Timer(LIMIT_S, self.process.kill)
        watch.start()
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        watch.cancel()
        assert line.startswith("export GLOBUS_SDK_SERVICE_URL_TRANSFER=http://127.0.0.1:"), line
        return line.partition("=")[2].strip().rstrip("/")

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGKILL)
        if self.process is not None:
            self.process.wait(LIMIT_S)
            assert self.process.stdout is not None
            self.process.stdout.close()


def test_news_of_an_item_are_told_once(site: Site) -> None:
    carrier = site.carrier()
    site.world.set(page=2)
    transfer, items = site.batch(carrier, *[site.put(name, b"x") for name in "abc"], site.lacking("gone"))
    seen = look(carrier, transfer, items)
    assert isinstance(seen, Ended)
    assert len(seen.items) == len({news.item_id for news in seen.items}) == 4


def test_an_empty_batch_of_looks_calls_nobody(site: Site) -> None:
    assert list(site.carrier().look([], lambda _: [])) == []
    assert not site.world.calls()
