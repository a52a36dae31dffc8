"""Job dictionaries with PanDA's keys and PanDA's quirks."""
from __future__ import annotations

from typing import Any

import pytest

from harvester_hpc.model.file import FileKind, FileState
from harvester_hpc.model.job import JobState
from harvester_hpc.policy.dictionary import job_from

LIVE: dict[str, Any] = {
    "PandaID": 2, "taskID": 5002, "attemptNr": 1, "currentPriority": 1000, "coreCount": 8, "minRamCount": 8000, "maxWalltime": 3600,
    "resource_type": "MCORE", "inFiles": "EVNT._1.root,EVNT._2.root,EVNT._1.root", "GUID": "a,b,a", "fsize": "10,20,10",
    "checksum": "ad:00000001,md:0123456789abcdef0123456789abcdef,ad:00000001", "scopeIn": "test,test,test", "realDatasetsIn": "in,in,in",
    "ddmEndPointIn": "", "outFiles": "HITS.root,job.log.tgz", "scopeOut": "out", "scopeLog": "logs", "logFile": "job.log.tgz",
    "logGUID": "70a8", "realDatasets": "d1,d2", "ddmEndPointOut": "SE1,SE2", "sourceSite": "NULL",
}


def test_a_live_dictionary_is_read_with_its_files() -> None:
    job = job_from(LIVE, "Q")
    assert (job.id, job.task_id, job.priority, job.cores, job.ram_mb, job.walltime_s) == (2, 5002, 1000, 8, 8000, 3600)
    assert job.state is JobState.FETCHED
    inputs = [file for file in job.files if file.kind is FileKind.INPUT]
    assert [(file.lfn, file.size, file.guid) for file in inputs] == [("EVNT._1.root", 10, "a"), ("EVNT._2.root", 20, "b")]
    assert all(file.state is FileState.TO_PREPARE and file.endpoint == "" for file in inputs)


def test_the_scope_of_the_log_stands_apart() -> None:
    files = {file.lfn: file for file in job_from(LIVE, "Q").files}
    assert (files["HITS.root"].kind, files["HITS.root"].scope, files["HITS.root"].endpoint) == (FileKind.OUTPUT, "out", "SE1")
    assert (files["job.log.tgz"].kind, files["job.log.tgz"].scope, files["job.log.tgz"].guid) == (FileKind.LOG, "logs", "70a8")


@pytest.mark.parametrize("nothing", ["", "NULL", None])
def test_missing_values_come_in_three_spellings(nothing: str | None) -> None:
    job = job_from({"PandaID": "7", "inFiles": nothing, "outFiles": nothing, "coreCount": nothing, "taskID": nothing}, "Q")
    assert (job.files, job.cores, job.task_id) == ((), 1, None)


@pytest.mark.parametrize("number", [None, "", "NULL", "x", 0, -1])
def test_a_dictionary_without_a_number_is_nobodys_job(number: object) -> None:
    with pytest.raises(ValueError, match="PandaID"):
        job_from({"PandaID": number}, "Q")


@pytest.mark.parametrize(("key", "value"), [("coreCount", "eight"), ("fsize", "big,20,10"), ("maxWalltime", "1e999")])
def test_an_unusable_dictionary_fails_its_job_with_the_reason(key: str, value: str) -> None:
    job = job_from({**LIVE, key: value}, "Q")
    assert job.state is JobState.FAILED
    assert key in job.why or "EVNT._1.root" in job.why


def test_a_bare_checksum_gets_its_kind_from_its_length() -> None:
    files = job_from({**LIVE, "inFiles": "a,b", "checksum": "0a1b2c3d,0123456789abcdef0123456789abcdef", "fsize": "1,2"}, "Q").files
    assert [file.checksum for file in files[:2]] == ["ad:0a1b2c3d", "md:0123456789abcdef0123456789abcdef"]


def test_short_parallel_lists_leave_the_rest_empty() -> None:
    files = job_from({"PandaID": 1, "inFiles": "a,b,c", "GUID": "x"}, "Q").files
    assert [file.guid for file in files] == ["x", "", ""]


def test_a_large_number_keeps_its_last_digit() -> None:
    assert job_from({"PandaID": "9007199254740993"}, "Q").id == 9007199254740993
