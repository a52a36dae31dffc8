"""Outputs on a real Rucio server: brought to their RSE, registered, and in their datasets."""
from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen
from uuid import uuid4

import pytest

from harvester_hpc.errors import Unavailable
from harvester_hpc.model.transfer import Place
from harvester_hpc.ports.carrier import ItemEnd, Parked
from harvester_hpc.ports.outcome import Failed
from harvester_hpc.testing.rucio import RucioServer
from harvester_hpc.testing.slurm.processes import until
from harvester_rucio.upload import RucioUpload
from tests.rucio_site import AWAY, MOUNTS, SOURCE, View, context, copied, files, output, routed, section, transfer

#: One server for all of them, and one process that asks it.
pytestmark = pytest.mark.xdist_group("rucio")


@pytest.fixture
def mark() -> str:
    """A word that no other test's names have."""
    return f"u{uuid4().hex[:10]}"


@pytest.fixture
def view(rucio: RucioServer) -> View:
    return View(rucio)


@pytest.fixture(params=[MOUNTS, {}], ids=["mounted", "by protocol"])
def mounts(request: pytest.FixtureRequest) -> dict[str, str]:
    return dict(request.param)


def uploader(rucio: RucioServer, folder: Path, account: str = "harvester", **more: Any) -> RucioUpload:
    settings = RucioUpload.Settings(**{**section(rucio, account), "rse": AWAY, "mounts": MOUNTS, **more})
    assert settings.problems() == ()
    return RucioUpload(settings, context(folder))


def test_outputs_are_at_the_rse_registered_and_in_their_dataset(
    rucio: RucioServer, view: View, tmp_path: Path, mark: str, mounts: dict[str, str]
) -> None:
    plugin = uploader(rucio, tmp_path, mounts=mounts)
    paths = files(tmp_path / "out", [f"{mark}.{n}" for n in range(3)])
    done = copied(plugin, routed(plugin, [output(n, path, dataset=f"{mark}.ds") for n, path in enumerate(paths)]))
    assert done.parked is None
    for path in paths:
        news = done.news[path.name]
        assert (news.end, news.verified) == (ItemEnd.MOVED, True), news
        assert view.replicas(path.name) == {AWAY: "AVAILABLE"}
        assert view.known(path.name) == (path.stat().st_size, news.checksum.removeprefix("ad:"))
        there = view.path(AWAY, path.name)
        assert there.read_bytes() == path.read_bytes()
        assert [one.name for one in there.parent.iterdir()] == [path.name]
    assert view.members(f"{mark}.ds") == {path.name for path in paths}


def test_what_was_uploaded_before_counts_as_moved(
    rucio: RucioServer, view: View, tmp_path: Path, mark: str, mounts: dict[str, str]
) -> None:
    plugin = uploader(rucio, tmp_path, mounts=mounts)
    items = routed(plugin, [output(1, files(tmp_path, [mark])[0], dataset=f"{mark}.ds")])
    first, second = copied(plugin, items), copied(plugin, items)
    assert first.news[mark].end is second.news[mark].end is ItemEnd.MOVED
    assert view.replicas(mark) == {AWAY: "AVAILABLE"}


def test_what_was_brought_and_not_registered_is_registered(
    rucio: RucioServer, view: View, tmp_path: Path, mark: str, mounts: dict[str, str]
) -> None:
    plugin = uploader(rucio, tmp_path, mounts=mounts)
    [path] = files(tmp_path, [mark])
    there = view.path(AWAY, mark)
    there.parent.mkdir(parents=True, exist_ok=True)
    there.write_bytes(path.read_bytes())
    assert copied(plugin, routed(plugin, [output(1, path)])).news[mark].end is ItemEnd.MOVED
    assert view.replicas(mark) == {AWAY: "AVAILABLE"}


def test_what_a_killed_upload_has_left_is_replaced(
    rucio: RucioServer, view: View, tmp_path: Path, mark: str, mounts: dict[str, str]
) -> None:
    plugin = uploader(rucio, tmp_path, mounts=mounts)
    [path] = files(tmp_path, [mark])
    there = view.path(AWAY, mark)
    there.parent.mkdir(parents=True, exist_ok=True)
    for leftover in (there, there.with_name(f"{there.name}.rucio.upload")):
        leftover.write_bytes(path.read_bytes()[:100])
    assert copied(plugin, routed(plugin, [output(1, path)])).news[mark].end is ItemEnd.MOVED
    assert there.read_bytes() == path.read_bytes()


def test_another_content_under_a_known_name_fails_alone_and_changes_nothing(
    rucio: RucioServer, view: View, tmp_path: Path, mark: str, mounts: dict[str, str]
) -> None:
    plugin = uploader(rucio, tmp_path, mounts=mounts)
    old = view.put(AWAY, f"{mark}.old", b"what others have uploaded")
    elsewhere = view.put(SOURCE, f"{mark}.elsewhere", b"what others have uploaded")
    paths = files(tmp_path, [f"{mark}.old", f"{mark}.elsewhere", f"{mark}.new"])
    # A job that knows no checksum of its outputs must not overwrite either.
    parcels = [output(n, path, size=None, checksum="") for n, path in enumerate(paths)]
    done = copied(plugin, routed(plugin, parcels))
    assert {name.partition(".")[2]: news.end for name, news in done.news.items()} == {
        "old": ItemEnd.FAILED, "elsewhere": ItemEnd.FAILED, "new": ItemEnd.MOVED,
    }
    assert old.read_bytes() == elsewhere.read_bytes() == b"what others have uploaded"
    assert view.replicas(f"{mark}.elsewhere") == {SOURCE: "AVAILABLE"}


def test_an_empty_file_is_a_file(rucio: RucioServer, view: View, tmp_path: Path, mark: str, mounts: dict[str, str]) -> None:
    plugin = uploader(rucio, tmp_path, mounts=mounts)
    empty = tmp_path / mark
    empty.touch()
    assert copied(plugin, routed(plugin, [output(1, empty)])).news[mark].end is ItemEnd.MOVED
    assert view.known(mark) == (0, "00000001")


def test_a_file_that_is_not_what_the_job_said_is_not_sent(
    rucio: RucioServer, view: View, tmp_path: Path, mark: str, mounts: dict[str, str]
) -> None:
    plugin = uploader(rucio, tmp_path, mounts=mounts)
    [path] = files(tmp_path, [mark])
    news = copied(plugin, routed(plugin, [output(1, path, checksum="ad:01020304")])).news[mark]
    assert news.end is ItemEnd.AGAIN and "01020304" in news.why
    assert not view.path(AWAY, mark).exists() and view.replicas(mark) == {}


def test_a_name_that_the_service_refuses_fails_alone_and_in_few_words(rucio: RucioServer, view: View, tmp_path: Path, mark: str) -> None:
    plugin = uploader(rucio, tmp_path)
    paths = files(tmp_path, [f"{mark} {'x' * 100}", *(f"{mark}.{n}" for n in range(20))])
    done = copied(plugin, routed(plugin, [output(n, path) for n, path in enumerate(paths)]))
    bad, *good = (done.news[path.name] for path in paths)
    assert bad.end is ItemEnd.FAILED and "InvalidObject" in bad.why and len(bad.why) < 500
    assert {news.end for news in good} == {ItemEnd.MOVED}


def test_a_scope_that_does_not_exist_waits_for_a_person_and_the_others_go(rucio: RucioServer, tmp_path: Path, mark: str) -> None:
    plugin = uploader(rucio, tmp_path)
    bad, good = files(tmp_path, [f"{mark}.bad", f"{mark}.good"])
    [answer, _] = plugin.route([output(1, bad, scope="nowhere"), output(2, good)])
    assert isinstance(answer, Parked) and "no scope 'nowhere'" in answer.why and "--scope nowhere" in answer.remedy
    done = copied(plugin, routed(plugin, [output(2, good)]))
    assert [news.end for news in done.news.values()] == [ItemEnd.MOVED]


def test_an_output_that_is_not_there_is_tried_again(rucio: RucioServer, tmp_path: Path, mark: str, mounts: dict[str, str]) -> None:
    plugin = uploader(rucio, tmp_path, mounts=mounts)
    gone, there = files(tmp_path, [f"{mark}.gone", f"{mark}.there"])
    items = routed(plugin, [output(1, gone), output(2, there)])
    gone.unlink()
    done = copied(plugin, items)
    assert {name.partition(".")[2]: news.end for name, news in done.news.items()} == {"gone": ItemEnd.AGAIN, "there": ItemEnd.MOVED}


def test_a_folder_in_the_way_is_left_alone(rucio: RucioServer, view: View, tmp_path: Path, mark: str) -> None:
    plugin = uploader(rucio, tmp_path)
    [path] = files(tmp_path, [mark])
    (view.path(AWAY, mark) / "precious").mkdir(parents=True)
    news = copied(plugin, routed(plugin, [output(1, path)])).news[mark]
    assert news.end is ItemEnd.AGAIN and "no ordinary file" in news.why
    assert (view.path(AWAY, mark) / "precious").is_dir()


def test_two_files_of_one_name_do_not_share_a_batch(rucio: RucioServer, tmp_path: Path, mark: str) -> None:
    plugin = uploader(rucio, tmp_path)
    [path] = files(tmp_path, [mark])
    items = routed(plugin, [output(1, path), output(2, path, job_id=8)])
    told: dict[int, ItemEnd] = {}
    assert plugin.copy(transfer(items), items, lambda one: told.__setitem__(one.item_id, one.end), lambda: False) is None
    assert told == {1: ItemEnd.MOVED, 2: ItemEnd.AGAIN}


def test_without_registration_nobody_knows_the_file(rucio: RucioServer, view: View, tmp_path: Path, mark: str) -> None:
    plugin = uploader(rucio, tmp_path, register=False)
    [path] = files(tmp_path, [mark])
    assert copied(plugin, routed(plugin, [output(1, path)])).news[mark].end is ItemEnd.MOVED
    assert view.path(AWAY, mark).read_bytes() == path.read_bytes() and view.replicas(mark) == {}


def test_a_replica_that_rucio_is_at_work_on_is_left_alone(rucio: RucioServer, view: View, tmp_path: Path, mark: str) -> None:
    plugin = uploader(rucio, tmp_path)
    [path] = files(tmp_path, [mark])
    view.put(SOURCE, mark, path.read_bytes())
    view.client.add_replication_rule([{"scope": "tests", "name": mark}], 1, AWAY)
    news = copied(plugin, routed(plugin, [output(1, path)])).news[mark]
    assert news.end is ItemEnd.AGAIN and "COPYING" in news.why
    assert not view.path(AWAY, mark).exists()


def test_a_rule_with_a_lifetime_keeps_what_was_registered(rucio: RucioServer, view: View, tmp_path: Path, mark: str) -> None:
    plugin = uploader(rucio, tmp_path, rule=AWAY, lifetime_s=3600)
    in_dataset, alone = files(tmp_path, [f"{mark}.in", f"{mark}.alone"])
    items = routed(plugin, [output(1, in_dataset, dataset=f"{mark}.ds"), output(2, alone)])
    for _ in range(2):
        assert {news.end for news in copied(plugin, items).news.values()} == {ItemEnd.MOVED}
    for name in (f"{mark}.ds", f"{mark}.alone"):
        [rule] = view.client.list_did_rules("tests", name)
        assert rule["rse_expression"] == AWAY and 3500 <= (rule["expires_at"] - rule["created_at"]).total_seconds() <= 3700


def test_a_dataset_is_closed_when_nothing_comes_any_more(rucio: RucioServer, view: View, tmp_path: Path, mark: str) -> None:
    first = uploader(rucio, tmp_path, dataset="{task}." + mark, close_after_s=3600.0)
    one, two = files(tmp_path, [f"{mark}.1", f"{mark}.2"])
    copied(first, routed(first, [output(1, one)]))
    assert view.client.get_did("tests", f"3.{mark}")["open"] is True
    second = uploader(rucio, tmp_path, dataset="", close_after_s=0.001)
    copied(second, routed(second, [output(2, two)]))
    assert view.client.get_did("tests", f"3.{mark}")["open"] is False
    assert view.members(f"3.{mark}") == {one.name}
    late = copied(first, routed(first, [output(2, two)])).news[two.name]
    assert late.end is ItemEnd.FAILED and "closed" in late.why
    assert copied(first, routed(first, [output(1, one)])).news[one.name].end is ItemEnd.FAILED


def test_a_dataset_that_nobody_made_fails_its_files_alone(rucio: RucioServer, tmp_path: Path, mark: str) -> None:
    plugin = uploader(rucio, tmp_path, make_datasets=False)
    lost, alone = files(tmp_path, [f"{mark}.lost", f"{mark}.alone"])
    done = copied(plugin, routed(plugin, [output(1, lost, dataset=f"{mark}.ds"), output(2, alone)]))
    assert {name.partition(".")[2]: news.end for name, news in done.news.items()} == {"lost": ItemEnd.FAILED, "alone": ItemEnd.MOVED}


def test_a_right_that_is_missing_waits_for_a_person(rucio: RucioServer, view: View, tmp_path: Path, mark: str) -> None:
    plugin = uploader(rucio, tmp_path, account="guest")
    done = copied(plugin, routed(plugin, [output(1, files(tmp_path, [mark])[0])]))
    assert done.news == {} and done.parked is not None
    assert "AccessDenied" in done.parked.why and "administrator" in done.parked.remedy
    assert view.replicas(mark) == {}


def test_an_rse_that_does_not_exist_waits_for_a_person_unless_a_job_has_named_it(rucio: RucioServer, tmp_path: Path, mark: str) -> None:
    [path] = files(tmp_path, [mark])
    [answer] = uploader(rucio, tmp_path, rse="NO-SUCH-DISK").route([output(1, path)])
    assert isinstance(answer, Parked) and "'rse'" in answer.remedy
    bad, none, good = uploader(rucio, tmp_path, rse="").route([
        output(1, path, endpoint="NO-SUCH-DISK"), output(2, path), output(3, path, endpoint=AWAY),
    ])
    assert isinstance(bad, Failed) and isinstance(none, Failed) and good.destination.name == AWAY


def test_an_rse_that_takes_nothing_now_waits_for_it(rucio: RucioServer, view: View, tmp_path: Path, mark: str) -> None:
    plugin = uploader(rucio, tmp_path)
    items = routed(plugin, [output(1, files(tmp_path, [mark])[0])])
    view.client.update_rse(AWAY, {"availability_write": False})
    try:
        parked = copied(plugin, items).parked
    finally:
        view.client.update_rse(AWAY, {"availability_write": True})
    assert parked is not None and "may not be written" in parked.why
    assert copied(plugin, items).news[mark].end is ItemEnd.MOVED


def test_nothing_is_known_while_the_server_is_away_and_the_batch_goes_on_after(
    rucio: RucioServer, view: View, tmp_path: Path, mark: str
) -> None:
    plugin = uploader(rucio, tmp_path, threads=1, files_per_call=2)
    paths = files(tmp_path, [f"{mark}.{n}" for n in range(6)])
    items = routed(plugin, [output(n, path) for n, path in enumerate(paths)])
    calls = iter(range(100))

    def stop_the_server() -> bool:
        if next(calls) == 2:  # in the middle of the first part
            rucio.stop()
        return False

    with pytest.raises(Unavailable):
        copied(plugin, items, stop_the_server)
    rucio.start()
    assert {news.end for news in copied(plugin, items).news.values()} == {ItemEnd.MOVED}
    assert [view.replicas(path.name) for path in paths] == [{AWAY: "AVAILABLE"}] * 6


def test_a_batch_that_is_stopped_tells_of_what_it_has_done(rucio: RucioServer, view: View, tmp_path: Path, mark: str) -> None:
    plugin = uploader(rucio, tmp_path, threads=1)
    paths = files(tmp_path, [f"{mark}.{n}" for n in range(4)])
    items = routed(plugin, [output(n, path) for n, path in enumerate(paths)])
    calls = iter(range(100))
    done = copied(plugin, items, lambda: next(calls) >= 4)
    assert done.news and len(done.news) < 4 and {news.end for news in done.news.values()} == {ItemEnd.MOVED}
    assert {path.name for path in paths if view.replicas(path.name)} == set(done.news)


def test_two_full_calls_of_files_cost_ten_calls_whatever_a_call_holds(rucio: RucioServer, tmp_path: Path, mark: str) -> None:
    """With 500 files in a call these are 1,000 files."""
    plugin = uploader(rucio, tmp_path, files_per_call=100)
    paths = files(tmp_path / "out", [f"{mark}.{n}" for n in range(200)], size=10)
    items = routed(plugin, [output(n, path, dataset=f"{mark}.ds") for n, path in enumerate(paths)])
    begin, end = f"begin-{mark}", f"end-{mark}"

    def note(word: str) -> None:
        with pytest.raises(HTTPError):  # the server writes down what it was asked for, known or not
            urlopen(f"{rucio.url}/{word}", timeout=20)

    note(begin)
    done = copied(plugin, items)
    note(end)
    assert {news.end for news in done.news.values()} == {ItemEnd.MOVED}
    log = rucio.folder / "log/access.log"
    assert until(lambda: end in log.read_text(), 10.0)
    calls = log.read_text().partition(begin)[2].partition(end)[0].splitlines()[1:-1]
    assert len(calls) <= 10, [call.partition('"')[2].partition('"')[0] for call in calls]


def test_the_name_of_the_program_stays(rucio: RucioServer, tmp_path: Path, mark: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/harvester-hpc", "run"])
    plugin = uploader(rucio, tmp_path)
    routed(plugin, [output(1, files(tmp_path, [mark])[0])])
    assert sys.argv == ["/usr/bin/harvester-hpc", "run"]


def test_only_files_of_this_machine_are_uploaded(rucio: RucioServer, tmp_path: Path, mark: str) -> None:
    [path] = files(tmp_path, [mark])
    [answer] = uploader(rucio, tmp_path).route([output(1, path, source=Place(name="some-collection", path="/x"))])
    assert isinstance(answer, Failed)
