"""One look into an access point finds all that is there, and survives whatever lies there."""
from __future__ import annotations

import json
import os
import threading
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.messenger.batch_letters import read_claim, read_exit
from harvester_hpc.messenger.letter import deliver, write
from harvester_hpc.messenger.shared_file import SharedFileMessenger
from harvester_hpc.messenger.values import AccessPoint, Claim, Exit
from harvester_hpc.settings import key_of

LETTERS = (
    "worker_attributes.json", "jobReport.json", "event_status.dump.json", "worker_claim.json", "worker_exit.json", "worker_heartbeat.json",
    "kill_worker.json", "worker_requestjob.json", "worker_requestevents.json", "worker_updateevents.json", "worker_pandaids.json",
)
GARBAGE = (b"", b"{", b"[]", b"null", b"5", b'"x"', b"\xff\x00", b"[" * 50_000, b'{"1": 5}', b'{"1": [5]}',
           b'{"batch_id": []}', b'{"exit_code": "x"}')


@pytest.mark.parametrize("letter", LETTERS)
@pytest.mark.parametrize("garbage", GARBAGE, ids=lambda raw: repr(raw[:20]))
def test_garbage_in_one_letter_spoils_no_other(messenger: SharedFileMessenger, point: AccessPoint, letter: str, garbage: bytes) -> None:
    (point.path / "out").touch()
    deliver(point.path / "event_status.dump.json", {"1": [{"path": "out", "type": "output"}]})
    messenger.collect(point)  # taken: what comes now is another letter
    (point.path / letter).write_bytes(garbage)
    for last in (False, True):
        news = messenger.collect(point, last=last)
        assert [file.lfn for file in news.files] == ["out"]
    messenger.job_requested(point)
    messenger.events_requested(point)
    messenger.events_to_update(point)
    messenger.get_panda_ids(point)
    messenger.is_alive(point, 5.0)


@pytest.mark.parametrize("letter", LETTERS)
@pytest.mark.parametrize("kind", ["folder", "pipe", "dangling", "huge"])
def test_a_letter_that_is_no_file_stops_nobody(messenger: SharedFileMessenger, point: AccessPoint, letter: str, kind: str) -> None:
    path = point.path / letter
    match kind:
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case "dangling":
            path.symlink_to("nowhere")
        case _:
            path.touch()
            os.truncate(path, 1 << 40)
    messenger.collect(point)
    news = messenger.collect(point, last=True)
    assert news.files == () and news.claim is None and news.exit is None
    messenger.job_requested(point)
    messenger.events_requested(point)
    messenger.events_to_update(point)
    messenger.get_panda_ids(point)
    messenger.is_alive(point, 5.0)
    assert messenger.clean_up(point) == ""


def test_the_worker_goes_on_after_a_bad_letter(messenger: SharedFileMessenger, point: AccessPoint) -> None:
    (point.path / "worker_attributes.json").write_text("[1]")
    (bad,) = messenger.collect(point).bad
    assert bad.path.name == "worker_attributes.json.bad.1"
    write(point.path / "worker_attributes.json", {"jobStatus": "finished"})
    news = messenger.collect(point)
    assert news.job_status == {1: "finished"} and news.bad == ()


def test_attributes_are_told_as_they_are(messenger: SharedFileMessenger, point: AccessPoint) -> None:
    told = {"jobStatus": "running", "nEvents": "12", "maxRSS": 10**30, "x": None, "y": [1.5], "z": {"a": "ü"}}
    write(point.path / "worker_attributes.json", told)
    news = messenger.collect(point)
    assert news.attributes == {1: told} and news.job_status == {}


def test_a_job_report_is_read_when_it_is_new_and_at_the_end(messenger: SharedFileMessenger, point: AccessPoint) -> None:
    write(point.path / "worker_attributes.json", {"a": 1})
    write(point.path / "jobReport.json", {"files": 1})
    reports = [messenger.collect(point, last=last).attributes[1].get("metaData") for last in (False, False, True)]
    write(point.path / "jobReport.json", {"files": 22})
    reports += [messenger.collect(point).attributes[1].get("metaData") for _ in range(2)]
    assert reports == [{"files": 1}, None, {"files": 1}, {"files": 22}, None]


def test_a_job_report_alone_is_told(messenger: SharedFileMessenger, point: AccessPoint) -> None:
    write(point.path / "jobReport.json", {"files": 1})
    assert messenger.collect(point).attributes == {1: {"metaData": {"files": 1}}}


@pytest.mark.parametrize("name", ["kill_worker.json", "kill_worker"])
def test_both_spellings_of_the_wish_to_be_killed(messenger: SharedFileMessenger, point: AccessPoint, name: str) -> None:
    assert not messenger.collect(point).kill_requested and not messenger.kill_requested(point)
    (point.path / name).touch()
    assert messenger.collect(point).kill_requested and messenger.kill_requested(point)


@pytest.mark.parametrize("name", ["worker_heartbeat.json", "pilot_heartbeat.json"])
def test_both_spellings_of_the_heartbeat(messenger: SharedFileMessenger, point: AccessPoint, name: str) -> None:
    assert messenger.collect(point).heartbeat is None
    (point.path / name).touch()
    os.utime(point.path / name, (1234.5, 1234.5))
    assert messenger.collect(point).heartbeat == 1234.5


def test_claim_and_exit_of_the_batch_script(messenger: SharedFileMessenger, point: AccessPoint) -> None:
    (point.path / "worker_claim.json").write_text('{"batch_id": "42", "host": "n1", "pid": 7, "started": 1700000000, "restart": 2}\n')
    (point.path / "worker_exit.json").write_text('{"exit_code": 137, "ended": 1700000100}\n')
    news = messenger.collect(point)
    assert news.claim == Claim(batch_id="42", host="n1", pid=7, started=1.7e9, restart=2)
    assert news.exit == Exit(exit_code=137, ended=1.7000001e9)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"batch_id": ""}', '{"batch_id": null}', '{"batch_id": true}', '{"host": "n"}'])
def test_an_unreadable_claim_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "claim").write_text(text)
    assert read_claim(tmp_path / "claim") is None
    assert read_claim(tmp_path / "nowhere") is None


@pytest.mark.parametrize("text", [
    "", "{", "[]", '{"exit_code": "0"}', '{"exit_code": null}', '{"exit_code": true}', '{"exit_code": 1e99}', '{"ended": 1}',
])
def test_an_unreadable_exit_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "exit").write_text(text)
    assert read_exit(tmp_path / "exit") is None


def test_what_a_claim_says_beside_its_number_may_be_nonsense(tmp_path: Path) -> None:
    (tmp_path / "claim").write_text('{"batch_id": 42, "host": 5, "pid": "x", "started": -1, "restart": Infinity}')
    assert read_claim(tmp_path / "claim") == Claim(batch_id="42")


def test_each_job_of_many_tells_for_itself(messenger: SharedFileMessenger, many: AccessPoint) -> None:
    for job_id, status in ((1, "finished"), (2, "failed")):
        folder = many.folder_of(job_id)
        (folder / "out").write_bytes(b"x" * job_id)
        write(folder / "worker_attributes.json", {"jobStatus": status})
        deliver(folder / "event_status.dump.json", {str(job_id): [{"path": "out", "type": "output"}]})
    news = messenger.collect(many)
    assert news.job_status == {1: "finished", 2: "failed"}
    assert {file.job_id: file.path for file in news.files} == {n: str(many.path / str(n) / "out") for n in (1, 2)}
    assert messenger.get_work_attributes(many)[2]["jobStatus"] == "failed"
    assert len(messenger.get_files_to_stage_out(many)) == 2


def test_many_jobs_of_which_one_has_no_folder(messenger: SharedFileMessenger, many: AccessPoint) -> None:
    (many.path / "1" / "HPCJobs.json").unlink()
    (many.path / "1").rename(many.path / "gone")
    write(many.path / "2" / "worker_attributes.json", {"jobStatus": "finished"})
    assert messenger.collect(many).job_status == {2: "finished"}


def test_the_jobs_of_a_pull_worker(messenger: SharedFileMessenger, point: AccessPoint) -> None:
    assert messenger.get_panda_ids(point) == ()
    write(point.path / "worker_pandaids.json", [5, "6", True, -1, 7])
    assert messenger.get_panda_ids(point) == (5, 7)


@pytest.mark.parametrize(("text", "wanted"), [
    ('{"nJobs": 3}', 3), ("{}", 1), ("text", 1), ('{"nJobs": "x"}', 1), ('{"nJobs": -2}', 0), ("", 1),
])
def test_a_request_for_jobs(messenger: SharedFileMessenger, point: AccessPoint, text: str, wanted: int) -> None:
    assert messenger.job_requested(point) == 0
    (point.path / "worker_requestjob.json").write_text(text)
    assert messenger.job_requested(point) == wanted


def test_an_access_point_that_is_gone_for_good_ends_the_waiting(messenger: SharedFileMessenger, point: AccessPoint) -> None:
    assert messenger.clean_up(point) == ""
    with pytest.raises(FileNotFoundError):
        messenger.collect(point)
    assert "gone" in messenger.collect(point, last=True).bad[0].why
    (point.root / ".doorbell").rmdir()
    point.root.rmdir()
    with pytest.raises(FileNotFoundError):
        messenger.collect(point, last=True)


def test_everything_declared_is_told_to_somebody_while_readers_and_a_writer_race(point: AccessPoint) -> None:
    """Two readers store and acknowledge while a worker declares: no file is lost, none but declared ones are told."""
    messenger, told, done = SharedFileMessenger(), [set[str](), set[str]()], threading.Event()
    names = [f"out.{number}" for number in range(150)]

    def worker() -> None:
        for name in names:
            (point.path / name).touch()
            deliver(point.path / "event_status.dump.json", {"1": [{"path": name, "type": "output"}]})
        done.set()

    def reader(store: set[str]) -> None:
        while True:
            ended = done.is_set()
            news = messenger.collect(point, last=ended)
            store.update(file.lfn for file in news.files)
            messenger.acknowledge(news)
            if ended and not news.taken:
                return

    threads = [threading.Thread(target=worker), *(threading.Thread(target=reader, args=(store,)) for store in told)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told[0] | told[1] == set(names)


@pytest.mark.parametrize(("change", "said"), [
    ({"job_spec_file_name": "a/b"}, "job_spec_file_name"), ({"json_job_report": ""}, "json_job_report"),
    ({"settle_s": -1.0}, "settle_s"), ({"kill_worker_file": "../x"}, "kill_worker_file"),
    ({"largest_bytes": 1}, "largest_bytes"), ({"heartbeat_file": "HPCJobs.json"}, "two letters"),
])
def test_settings_that_cannot_work_are_named(change: dict[str, Any], said: str) -> None:
    assert any(said in problem for problem in SharedFileMessenger.Settings(**change).problems())
    assert SharedFileMessenger.Settings().problems() == ()


def test_the_keys_of_the_settings_are_the_published_attributes() -> None:
    published = {
        "jsonAttrsFileName", "jsonJobReport", "jsonOutputsFileName", "jsonJobRequestFileName", "jobSpecFileName",
        "jsonEventsRequestFileName", "jsonEventsFeedFileName", "jsonEventsUpdateFileName",
        "xmlPoolCatalogFileName", "pandaIDsFile", "killWorkerFile", "heartbeatFile",
        "stripJobParams", "jobSpecFileFormat", "scanInPostProcess", "outputSubDir", "leftOverPatterns", "leftOverZipPatterns",
        "postProcessInSubDir", "subTarballName", "forcePostProcessing", "taskWorkBaseDir", "taskWorkStateFile",
    }
    keys = {key_of(field) for field in fields(SharedFileMessenger.Settings)}
    assert keys == published | {"settleSeconds", "largestBytes", "postProcess"}


def test_the_names_of_letters_may_be_others(point: AccessPoint) -> None:
    settings = SharedFileMessenger.Settings(job_spec_file_name="jobs.json", json_attrs_file_name="attrs.json", kill_worker_file="end.json")
    messenger = SharedFileMessenger(settings, None)
    messenger.feed_jobs(point, {1: {"PandaID": 1}}, {})
    assert json.loads((point.path / "jobs.json").read_text())["1"]["PandaID"] == 1
    write(point.path / "attrs.json", {"jobStatus": "failed"})
    (point.path / "end.json").touch()
    news = messenger.collect(point)
    assert news.job_status == {1: "failed"} and news.kill_requested


@pytest.mark.parametrize("letter", ["worker_attributes.json", "jobReport.json"])
def test_what_is_told_again_and_again_is_short(messenger: SharedFileMessenger, point: AccessPoint, letter: str) -> None:
    write(point.path / letter, {"a": "b" * (4 << 20)})
    news = messenger.collect(point, last=True)
    assert news.attributes == {}
    assert [bad.path.name for bad in news.bad] == [f"{letter}.bad.1"]
