"""What is sent of a job."""
from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from harvester_hpc.model.file import File, FileKind, FileState
from harvester_hpc.model.job import JobId
from harvester_hpc.ports.communicator import JobReport
from harvester_local.served.items import NUMBERS, TEXTS, WHOLES
from harvester_panda.cleaning import CUT, number_of, plain_time, short, whole
from harvester_panda.job_reports import KEYS, OLD_NAMES, in_old_form, item_of, reply_words

REPORT = JobReport(job_id=JobId(7), attempt=2, status="running", site="SITE")


def _item(**changes: Any) -> dict[str, Any]:
    return item_of(replace(REPORT, **changes))


def test_every_key_is_one_that_the_server_has_and_of_its_type() -> None:
    names = {key.name for key in KEYS.values()}
    assert names <= TEXTS | WHOLES | NUMBERS
    assert names | {"job_id", "job_status", "attempt_nr", "timeout"} >= TEXTS | WHOLES | NUMBERS
    for key in KEYS.values():
        read = key.read("12")
        assert (key.name in TEXTS) == (read is None or isinstance(read, str)), key.name


def test_every_item_has_an_old_form() -> None:
    everything = dict.fromkeys(KEYS, "1")
    item = _item(status="failed", attributes=everything, batch_id="123", sub_status="killed")
    assert set(in_old_form(item)) == {OLD_NAMES[name] for name in item}
    assert {"jobId", "state", "attemptNr", "xml"} <= set(in_old_form(item))


@pytest.mark.parametrize(("told", "sent"), [
    ({"nEvents": "12"}, {"n_events": 12}), ({"nEvents": 12.9}, {"n_events": 12}), ({"nEvents": "many"}, {}), ({"nEvents": True}, {}),
    ({"nEvents": 10**30}, {}), ({"maxRSS": "1.5"}, {"max_rss": 1.5}), ({"maxRSS": float("inf")}, {}), ({"maxRSS": [1]}, {}),
    ({"foo": 1}, {}), ({"node": None}, {}), ({"node": 12}, {"node": "12"}), ({"metaData": {"a": 1}}, {"meta_data": '{"a": 1}'}),
    ({"startTime": "2026-11-21T10:00:00+01:00"}, {"start_time": "2026-11-21 09:00:00"}), ({"startTime": "soon"}, {}),
    ({"jobMetrics": {"dbTime": 10.5, "nEvents": 7}}, {"job_metrics": "dbTime=10.5 nEvents=7"}),
    ({"jobMetrics": "a=1 " + "b=" + "x" * 600}, {"job_metrics": "a=1"}), ({"jobMetrics": "x" * 600}, {}),
    ({"corruptedFiles": ["a", "b"]}, {"corrupted_files": "a,b"}), ({"corruptedFiles": "a,b"}, {"corrupted_files": "a,b"}),
    ({"metaData": "x" * (5 << 20)}, {}), ({"batchID": "pilot's"}, {}), ({"siteName": "elsewhere"}, {}),
])
def test_types_are_those_of_the_server_and_what_cannot_be_read_is_left_out(told: dict[str, Any], sent: dict[str, Any]) -> None:
    bare = _item()
    assert _item(attributes=told) == bare | sent


@pytest.mark.parametrize(("batch_id", "sent"), [("123", "123"), ("123.server", "123"), ("7", None), ("host.1.0", None), ("", None)])
def test_a_batch_id_is_told_only_in_a_form_that_may_change(batch_id: str, sent: str | None) -> None:
    assert _item(batch_id=batch_id).get("batch_id") == sent


def test_the_end_of_a_job_has_what_the_catalogue_wants_of_each_file() -> None:
    outputs = tuple(
        File(job_id=7, kind=FileKind.OUTPUT, lfn=lfn, state=FileState.FINISHED, size=3, checksum=checksum, guid=guid, endpoint="RSE")
        for lfn, checksum, guid in (("a", "ad:0a1b2c3d", "G"), ("b", "md:" + "1" * 32, ""))
    )
    first, second = (json.loads(_item(status="finished", outputs=outputs)["job_output_report"]) for _ in range(2))
    assert first == second, "a report that is told twice must name the same files"
    assert first["a"] == {"guid": "G", "fsize": 3, "adler32": "0a1b2c3d", "endpoint": "RSE"}
    assert first["b"]["md5sum"] == "1" * 32
    assert len(first["b"]["guid"]) == 36
    assert "job_output_report" not in _item()
    assert _item(status="finished")["job_output_report"] == "{}"


def test_what_a_pilot_has_said_of_its_files_is_kept() -> None:
    told = {"xml": json.dumps({"own.root": {"guid": "X", "fsize": 1}})}
    assert "own.root" in json.loads(_item(status="finished", attributes=told)["job_output_report"])
    for nonsense in ("{", "[1]", 7, None):
        assert _item(status="finished", attributes={"xml": nonsense})["job_output_report"] == "{}"


def test_a_failed_job_has_a_code_and_words() -> None:
    assert _item(status="failed", why="node died") | {} == {
        **_item(status="failed"), "pilot_error_code": 1008, "pilot_error_diag": "node died"}
    assert _item(status="failed", sub_status="killed")["pilot_error_code"] == 1144
    said = _item(status="failed", why="ours", attributes={"transExitCode": 65, "pilotErrorDiag": "its own"})
    assert (said["trans_exit_code"], said["pilot_error_diag"], "pilot_error_code" in said) == (65, "its own", False)


def test_an_end_that_the_server_has_no_word_for_is_a_failure_with_a_sub_status() -> None:
    for status in ("cancelled", "missed"):
        item = _item(status=status)
        assert (item["job_status"], item["job_sub_status"]) == ("failed", status)


@pytest.mark.parametrize("text", ["x" * 501, "é" * 400, "\ud800" * 600, "a\0b" * 500, "😀" * 300])
def test_a_text_that_is_too_long_visibly_lacks_its_middle(text: str) -> None:
    cut = short(text, 500)
    assert len(cut.encode()) <= 500
    assert CUT in cut
    assert "\0" not in cut
    assert short("short", 500) == "short"
    assert len(short(text, 8).encode()) <= 8


def test_numbers_and_times_are_read_without_a_crash() -> None:
    for odd in ("nan", "inf", "1e999", "9" * 5000, "", " ", None, [], {}, b"1", True, object()):
        assert number_of(odd) is None
        assert whole(odd) is None
    for odd in (float("nan"), 1e300, "never", None, [], True):
        assert plain_time(odd) is None
    assert (number_of("1.5"), whole("7"), whole(7.9)) == (1.5, 7, 7)


@pytest.mark.parametrize(("said", "words"), [
    ("NULL", []), (None, []), ("", []), ("tobekilled", ["tobekilled"]), ("debug,tobekilled", ["debug", "tobekilled"]),
    (" debug , NULL ,", ["debug"]), ("badattemptnr", ["tobekilled"]),
])
def test_commands_are_split_and_null_is_none(said: str | None, words: list[str]) -> None:
    assert list(reply_words({"StatusCode": 0, "command": said})) == words
    assert list(reply_words(None)) == []
