"""The inbox: each file is taken once, whole or not at all."""
from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from harvester_hpc.model.facility import Facility
from harvester_hpc.ports.context import Context
from harvester_local.communicator import LocalCommunicator
from harvester_local.drop_box import DropBox, Letter

JOB = {"executable": "/bin/true", "log": False}


def process(folder: Path) -> LocalCommunicator:
    context = Context(instance="test", tag="abcde", state_dir=folder, facility=Facility(name="here", scheduler="local"))
    return LocalCommunicator(LocalCommunicator.Settings(), context)


@pytest.fixture
def wms(tmp_path: Path) -> LocalCommunicator:
    found = process(tmp_path)
    found.ingest()
    return found


def drop(wms: LocalCommunicator, content: object, name: str = "job.json", *, age_s: float = 10.0) -> Path:
    """Put a file into the inbox that was last written ``age_s`` seconds ago."""
    path = wms.inbox / name
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    os.utime(path, (time.time() - age_s,) * 2)
    return path


def names(wms: LocalCommunicator, folder: str) -> list[str]:
    return sorted(path.name for path in (wms.folder / folder).iterdir())


def reason(wms: LocalCommunicator, name: str = "job.json") -> str:
    return (wms.folder / "rejected" / f"{name}.reason").read_text()


def test_a_dropped_file_becomes_a_job(wms: LocalCommunicator) -> None:
    drop(wms, JOB)
    (job,) = wms.get_jobs("LOCAL", "", "managed", "", 5, {})
    assert job["transformation"] == "/bin/true"
    assert names(wms, "accepted") == ["1.job.json"]
    assert names(wms, "inbox") == names(wms, "taking") == []


def test_a_whole_file_is_taken_at_once(wms: LocalCommunicator) -> None:
    drop(wms, JOB, age_s=0.0)
    wms.ingest()
    assert wms.summary() == {"activated": 1}


def test_a_file_may_hold_several_jobs(wms: LocalCommunicator) -> None:
    drop(wms, [JOB, JOB, JOB])
    wms.ingest()
    assert wms.summary() == {"activated": 3}
    assert names(wms, "accepted") == ["1.job.json"]


def test_the_same_name_can_be_dropped_again(wms: LocalCommunicator) -> None:
    for _ in range(2):
        drop(wms, JOB)
        wms.ingest()
    assert names(wms, "accepted") == ["1.job.json", "2.job.json"]
    for _ in range(2):
        drop(wms, {})
        wms.ingest()
    assert len(names(wms, "rejected")) == 4


def test_a_bad_file_is_put_aside_with_every_problem(wms: LocalCommunicator) -> None:
    drop(wms, {"executable": "a", "coers": 1, "attempts": 0})
    drop(wms, JOB, "good.json")
    wms.ingest()
    assert names(wms, "rejected") == ["job.json", "job.json.reason"]
    assert "coers: unknown key; did you mean 'cores'?" in reason(wms)
    assert "attempts: must be a whole number from 1 to 100, not 0" in reason(wms)
    assert str(wms.inbox) in reason(wms)
    assert wms.summary() == {"activated": 1}


def test_of_a_list_with_a_bad_job_none_is_taken(wms: LocalCommunicator) -> None:
    drop(wms, [JOB, {}])
    wms.ingest()
    assert "job 2: executable: missing" in reason(wms)
    assert wms.summary() == {}


@pytest.mark.parametrize("content", [b"", b'{"executable": "/bin/tr', b"\xff\xfe", b"[" * 100_000, b"[]", b"3"])
def test_what_is_no_job_file_is_put_aside_when_it_is_old_enough(wms: LocalCommunicator, content: bytes) -> None:
    drop(wms, content)
    wms.ingest()
    assert names(wms, "rejected") == ["job.json", "job.json.reason"]
    assert names(wms, "taking") == []


def test_a_file_that_is_still_being_written_is_left_alone(wms: LocalCommunicator) -> None:
    path = drop(wms, b'{"executable": "/bin', age_s=-60.0)
    wms.ingest()
    assert names(wms, "inbox") == ["job.json"]
    path.write_text(json.dumps(JOB))
    wms.ingest()
    assert wms.summary() == {"activated": 1}


def test_what_is_no_ordinary_file_is_put_aside(wms: LocalCommunicator) -> None:
    os.mkfifo(wms.inbox / "pipe.json")
    (wms.inbox / "link.json").symlink_to("/etc/hostname")
    wms.ingest()
    for name in ("pipe.json", "link.json"):
        assert "not an ordinary file" in reason(wms, name)


def test_folders_and_other_files_stay_where_they_are(wms: LocalCommunicator) -> None:
    (wms.inbox / "folder.json").mkdir()
    drop(wms, JOB, ".hidden.json")
    drop(wms, JOB, "job.json.part")
    wms.ingest()
    assert names(wms, "inbox") == [".hidden.json", "folder.json", "job.json.part"]


def test_odd_names_are_taken(wms: LocalCommunicator) -> None:
    drop(wms, JOB, "é" * 120 + ".json")
    (wms.inbox / os.fsdecode(b"\xff.json")).write_text(json.dumps(JOB))
    drop(wms, {}, "x" * 250 + ".json")
    wms.ingest()
    assert wms.summary() == {"activated": 2}
    assert names(wms, "inbox") == names(wms, "taking") == []


def test_a_folder_that_was_taken_away_is_made_again(wms: LocalCommunicator) -> None:
    for name in ("inbox", "taking", "accepted", "rejected"):
        (wms.folder / name).rmdir()
    wms.ingest()
    drop(wms, JOB)
    wms.ingest()
    assert wms.summary() == {"activated": 1}


class Died(BaseException):
    """The process ends here, as by kill -9: nothing that follows runs."""


class DyingBox(DropBox):
    """Dies before it puts a letter away."""

    def accept(self, letter: Letter, job_id: int) -> None:
        raise Died

    def reject(self, letter: Letter, problems: object) -> None:
        raise Died


@pytest.mark.parametrize("content", [JOB, [JOB, JOB]])
def test_dying_after_the_commit_doubles_no_job(wms: LocalCommunicator, content: object) -> None:
    drop(wms, content)
    wms._box = DyingBox(wms.folder)
    with pytest.raises(Died):
        wms.ingest()
    before = wms.summary()
    assert before["activated"] == (2 if isinstance(content, list) else 1)
    second = process(wms.folder.parent)
    second.ingest()
    assert second.summary() == before
    assert names(second, "accepted") == ["1.job.json"]
    assert names(second, "taking") == []


def test_dying_before_the_commit_loses_no_job(wms: LocalCommunicator) -> None:
    drop(wms, JOB)
    drop(wms, {}, "bad.json")
    assert len(DropBox(wms.folder).letters()) == 2
    second = process(wms.folder.parent)
    second.ingest()
    assert second.summary() == {"activated": 1}
    assert names(second, "rejected") == ["bad.json", "bad.json.reason"]


def test_a_letter_that_cannot_be_put_away_is_looked_at_again(wms: LocalCommunicator) -> None:
    class Stuck(DropBox):
        def accept(self, letter: Letter, job_id: int) -> None:
            raise OSError("no space left on device")

    drop(wms, JOB)
    drop(wms, JOB, "second.json")
    wms._box = Stuck(wms.folder)
    wms.ingest()
    assert wms.summary() == {"activated": 2}
    wms._box = DropBox(wms.folder)
    wms.ingest()
    assert wms.summary() == {"activated": 2}
    assert names(wms, "accepted") == ["1.job.json", "2.second.json"]
