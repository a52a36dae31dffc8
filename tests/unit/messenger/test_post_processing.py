"""What is done once after the end of a worker: logs, left-over outputs, on-site merging."""
from __future__ import annotations

import errno
import io
import json
import os
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from harvester_hpc.messenger import log_tar
from harvester_hpc.messenger.log_tar import LEFT_OUT, Stopped
from harvester_hpc.messenger.post_processing import LeftBy
from harvester_hpc.messenger.shared_file import SharedFileMessenger
from harvester_hpc.messenger.values import AccessPoint, DeclaredFile


def unhurried(seconds: float) -> bool:
    return False


def messenger_with(**settings: Any) -> SharedFileMessenger:
    return SharedFileMessenger(SharedFileMessenger.Settings(post_process=True, **settings))


def write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def job(number: int = 1, **more: Any) -> LeftBy:
    return LeftBy(job_id=number, task_id=5, **more)


def found(messenger: SharedFileMessenger, point: AccessPoint, *jobs: LeftBy) -> dict[str, DeclaredFile]:
    messenger.post_process(point, jobs, unhurried)
    assert messenger.is_post_processed(point)
    return {f"{file.kind} {file.event_range_id or file.lfn}": file for file in messenger.collect(point, last=True).files}


def packed(path: Path) -> dict[str, str]:
    with tarfile.open(path) as archive:
        return {one.name: stream.read().decode() for one in archive if (stream := archive.extractfile(one)) is not None}


def test_the_log_has_what_payloads_log_and_no_more(point: AccessPoint) -> None:
    write(point.path, {"batch.log": "b", "HPCJobs.json": "secret", "run/payload.txt": "p", "run/deep/log.1": "l", "run/out.root": "o"})
    (point.path / "run" / "link.log").symlink_to("/etc/passwd")
    os.mkfifo(point.path / "run" / "pipe.log")
    files = found(messenger_with(), point, job(log="job.log.tgz"))
    assert list(files) == ["log job.log.tgz"]
    inside = packed(point.path / "job.log.tgz")
    assert inside.pop(LEFT_OUT).startswith("run/link.log: ")
    assert inside == {"batch.log": "b", "run/payload.txt": "p", "run/deep/log.1": "l"}


def test_a_log_that_is_not_wanted_is_not_made(point: AccessPoint) -> None:
    write(point.path, {"batch.log": "b"})
    assert found(messenger_with(), point, job()) == {}
    assert not list(point.path.glob("*.tgz"))


def test_a_tar_that_the_payload_has_made_stands_for_its_folder(point: AccessPoint) -> None:
    write(point.path, {"run/logs.tgz": "T", "run/a.log": "a", "other/b.log": "b"})
    found(messenger_with(sub_tarball_name="logs.tgz"), point, job(log="j.tgz"))
    assert packed(point.path / "j.tgz") == {"run.subdir.tar.gz": "T", "other/b.log": "b"}


def test_a_log_that_would_be_too_long_says_what_is_missing(point: AccessPoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_tar, "LARGEST", 4)
    monkeypatch.setattr(log_tar, "MOST", 7)
    write(point.path, {"a.log": "123456", "b.log": "xyzuvw", "c.log": "never"})
    found(messenger_with(), point, job(log="j.tgz"))
    inside = packed(point.path / "j.tgz")
    assert (inside["a.log"], inside["b.log"], "c.log" in inside) == ("1234", "xyz", False)
    assert "c.log and all behind it" in inside[LEFT_OUT] and "a.log: all of its 6 bytes but the first 4" in inside[LEFT_OUT]


def test_each_of_many_jobs_has_its_own_log_and_outputs(many: AccessPoint) -> None:
    for number in (1, 2):
        write(many.folder_of(number), {"pilot.log": str(number), f"rank/out.{number}": "o"})
    messenger = messenger_with(scan_in_post_process=True, left_over_patterns=("never",))
    files = found(messenger, many, *(job(number, log=f"{number}.tgz", outputs=(f"out.{number}",)) for number in (1, 2)))
    assert set(files) == {"log 1.tgz", "log 2.tgz", "output out.1", "output out.2"}
    assert files["output out.2"].job_id == 2 and packed(many.folder_of(2) / "2.tgz") == {"pilot.log": "2"}


def test_left_over_outputs_are_found_by_their_names_and_belong_to_the_range_behind_their_last_dot(point: AccessPoint) -> None:
    names = ["HITS.root.5-1-10-1-1", "HITS.root.5-1-10-2-1", "HITSxroot.5-1-10-3-1", "HITS.root.5-2-10-1-1", "HITS.root.5-1-10-9-1.part"]
    write(point.path, {f"rank0/outputs/{name}": "o" for name in names})
    write(point.path, {"rank0/HITS.root.5-1-10-8-1": "elsewhere", "HITS.root.5-1-10-7-1": "top"})
    messenger = messenger_with(
        scan_in_post_process=True, output_sub_dir="outputs", left_over_patterns=("%OUTPUT_FILE.%TASKID-%PANDAID-\\d+-\\d+-\\d+$",)
    )
    files = found(messenger, point, job(outputs=("HITS.root",), declared=frozenset({names[1]})))
    assert set(files) == {f"es_output {names[0].rpartition('.')[2]}"}
    file = files["es_output 5-1-10-1-1"]
    assert (file.event_status, file.size, file.checksum) == ("finished", 1, "")


def test_without_a_pattern_every_file_of_a_sub_folder_is_left_over(point: AccessPoint) -> None:
    write(point.path, {"rank0/a.1-1": "", "rank0/.hidden": "", "top.2-2": ""})
    assert set(found(messenger_with(scan_in_post_process=True), point, job())) == {"es_output 1-1"}


@pytest.mark.parametrize(("number", "is_away"), [(errno.ESTALE, True), (errno.EIO, True), (errno.EACCES, False), (errno.ENOENT, False)])
def test_outputs_in_a_folder_that_is_away_for_a_while_are_not_taken_for_missing(
    point: AccessPoint, monkeypatch: pytest.MonkeyPatch, number: int, is_away: bool
) -> None:
    write(point.path, {"rank0/deep/a.1-1": "o", "rank1/b.2-2": "o"})
    scandir = os.scandir

    def away(path: str) -> Any:
        if str(path).endswith("deep"):
            raise OSError(number, os.strerror(number), str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", away)
    messenger = messenger_with(scan_in_post_process=True)
    if is_away:
        with pytest.raises(OSError, match=os.strerror(number)):
            messenger.post_process(point, [job()], unhurried)
        assert not messenger.is_post_processed(point)
        monkeypatch.undo()
        assert set(found(messenger, point, job())) == {"es_output 1-1", "es_output 2-2"}
    else:
        assert set(found(messenger, point, job())) == {"es_output 2-2"}


def test_members_of_a_left_over_tar_are_its_event_ranges(point: AccessPoint) -> None:
    (point.path / "rank0").mkdir()
    with tarfile.open(point.path / "rank0" / "out.tar", "w") as archive:
        for name in ("x/HITS.5-1", "x/HITS.5-2"):
            archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    write(point.path, {"rank0/broken.tar": "no tar"})
    messenger = messenger_with(scan_in_post_process=True, left_over_zip_patterns=("[.]tar$",), left_over_patterns=("never",))
    files = found(messenger, point, job())
    assert set(files) == {"zip_output 5-1", "zip_output 5-2"}
    assert {Path(file.path).name for file in files.values()} == {"out.tar"}


def test_a_payload_in_a_sub_folder_of_its_own_is_looked_for_there(point: AccessPoint) -> None:
    write(point.path, {"1/a.log": "a", "1/run/out": "o", "b.log": "b"})
    messenger = messenger_with(post_process_in_sub_dir=True, scan_in_post_process=True)
    files = found(messenger, point, job(log="j.tgz", outputs=("out",)))
    assert set(files) == {"log j.tgz", "output out"}
    assert packed(point.path / "1" / "j.tgz") == {"a.log": "a"}


def test_merged_outputs_are_declared_and_inputs_that_are_in_none_are_told(point: AccessPoint, tmp_path: Path) -> None:
    messenger = messenger_with(task_work_base_dir=str(tmp_path / "tasks"))
    messenger.feed_jobs(point, {1: {"taskID": 5, "onSiteMerging": True}}, {})
    place = Path((point.path / "task_workdir_path.txt").read_text())
    assert place == tmp_path / "tasks" / "5" and place.is_dir()
    merged = {"in.1": {"merged.root": {"path": str(place / "merged.root")}}}
    write(place, {"merged.root": "m", "state.json": json.dumps({"merged": merged})})
    files = found(messenger, point, job(inputs=("in.1", "in.2")))
    assert set(files) == {"output merged.root"}
    assert messenger.get_work_attributes(point)[1] == {"skippedInputs": ["in.2"]}


def test_a_job_that_merges_nothing_is_told_of_no_folder(point: AccessPoint, tmp_path: Path) -> None:
    messenger_with(task_work_base_dir=str(tmp_path / "tasks")).feed_jobs(point, {1: {"taskID": 5}}, {})
    assert not (point.path / "task_workdir_path.txt").exists()


def test_done_twice_it_is_the_same(point: AccessPoint) -> None:
    write(point.path, {"a.log": "a", "run/out.1": "o"})
    messenger = messenger_with(scan_in_post_process=True)
    once = found(messenger, point, job(log="j.tgz"))
    assert found(messenger, point, job(log="j.tgz")) == once != {}
    assert packed(point.path / "j.tgz") == {"a.log": "a"}


def test_what_the_worker_has_declared_itself_is_not_overwritten(point: AccessPoint) -> None:
    write(point.path, {"a.log": "a", "mine": "m", "event_status.dump.json": json.dumps({"1": [{"path": "mine", "type": "output"}]})})
    assert set(found(messenger_with(), point, job(log="j.tgz"))) == {"log j.tgz", "output mine"}


def test_who_is_told_to_end_leaves_nothing_half_done(point: AccessPoint) -> None:
    write(point.path, {"a.log": "a" * 100})
    messenger = messenger_with()
    with pytest.raises(Stopped):
        messenger.post_process(point, [job(log="j.tgz")], lambda seconds: True)
    assert not messenger.is_post_processed(point)
    assert not [path for path in point.path.iterdir() if "j.tgz" in path.name]
    assert set(found(messenger, point, job(log="j.tgz"))) == {"log j.tgz"}


def test_bytes_are_read_no_faster_than_the_login_node_bears(point: AccessPoint) -> None:
    waits: list[float] = []

    def wait(seconds: float) -> bool:
        waits.append(seconds)
        return False

    write(point.path, {"a.log": "a" * (log_tar.BLOCK * 3)})
    brake = log_tar.Brake(wait=wait, rate=log_tar.BLOCK / 10.0)
    log_tar.pack_log(point.path, point.path / "j.tgz", without=frozenset(), tarball="", brake=brake)
    assert max(waits) > 20.0  # nobody has waited: the third block is due 30 s after the beginning


def test_a_log_name_that_leads_elsewhere_is_not_written(point: AccessPoint) -> None:
    write(point.path, {"a.log": "a"})
    assert found(messenger_with(), point, job(log="../x.tgz")) == {}
    assert not (point.root / "x.tgz").exists()


@pytest.mark.parametrize("name", [".", ".."])
def test_a_log_that_is_called_like_a_folder_is_none(point: AccessPoint, name: str) -> None:
    assert found(messenger_with(), point, job(log=name)) == {}


def test_an_access_point_that_is_gone_needs_nothing(point: AccessPoint) -> None:
    messenger = messenger_with()
    assert not messenger.is_post_processed(point)
    messenger.clean_up(point)
    assert messenger.is_post_processed(point)


def test_true_pilots_are_left_alone_unless_it_is_forced() -> None:
    assert not messenger_with().wants_post_processing(true_pilot=True)
    assert messenger_with(force_post_processing=True).wants_post_processing(true_pilot=True)
    assert not SharedFileMessenger().wants_post_processing(true_pilot=False)


def test_a_description_may_be_of_the_older_form(point: AccessPoint) -> None:
    messenger_with(job_spec_file_format="cgi").feed_jobs(point, {1: {"PandaID": 1, "jobPars": "-x 'a&b'"}}, {})
    assert parse_qs((point.path / "HPCJobs.json").read_text())["jobPars"] == ["-x 'a&b'"]


def test_a_pilot_that_makes_no_claim_has_begun_the_job_in_whose_folder_it_writes(many: AccessPoint) -> None:
    messenger = messenger_with()
    assert messenger.collect(many).begun == frozenset()
    write(many.folder_of(2), {"pilot.out": "x"})
    assert messenger.collect(many).begun == {2}


@pytest.mark.parametrize(("settings", "key"), [
    ({"left_over_patterns": ("(",), "scan_in_post_process": True}, "left_over_patterns"),
    ({"job_spec_file_format": "xml"}, "job_spec_file_format"),
    ({"output_sub_dir": "../x"}, "output_sub_dir"), ({"task_work_base_dir": "x"}, "task_work_base_dir"),
    ({"post_process": False, "scan_in_post_process": True}, "scan_in_post_process"), ({"sub_tarball_name": "a/b"}, "sub_tarball_name"),
])
def test_settings_that_cannot_work_are_refused_by_name(settings: dict[str, Any], key: str) -> None:
    (problem,) = SharedFileMessenger.Settings(**{"post_process": True, **settings}).problems()
    assert problem.startswith(f"{key}: ")
