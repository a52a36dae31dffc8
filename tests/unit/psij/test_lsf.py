"""LSF: what is made of its words."""
from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from harvester_hpc.errors import Unavailable
from harvester_hpc.model.cause import Cause
from harvester_hpc.model.worker import WorkerState
from harvester_psij.lsf import Lsf
from harvester_psij.lsf_refusals import LSF_VERDICTS
from harvester_psij.lsf_rows import bhist_rows, bjobs_rows, lsf_id, seconds_of
from harvester_psij.lsf_states import LSF_REASONS, LSF_STATES, lsf_meaning
from harvester_psij.refusal import verdict
from harvester_psij.rows import Listing

RECORDED = Path(__file__).parent / "recorded"
BJOBS = (RECORDED / "bjobs-10.1.json").read_text()
BHIST = (RECORDED / "bhist-l-10.1.txt").read_text()
CASES = [tuple(line.split("\t", 1)) for line in (RECORDED / "bsub-errors-10.1.txt").read_text().splitlines() if line.strip()]
NOW = time.mktime((2026, 11, 21, 13, 0, 0, 0, 0, -1))


def states(listing: Listing) -> dict[str, WorkerState | None]:
    return {row.name: row.meaning.state if row.meaning else None for row in listing.rows}


def test_a_list_is_read_whole_and_an_unknown_number_is_no_row() -> None:
    listing = bjobs_rows(BJOBS, NOW)
    assert states(listing) == {
        "habcde-1": WorkerState.SUBMITTED, "habcde-2": WorkerState.RUNNING, "done": WorkerState.FINISHED, "bad": WorkerState.FAILED,
        "time": WorkerState.FAILED, "killed": WorkerState.CANCELLED, "array[4]": WorkerState.SUBMITTED,
    }
    rows = {row.name: row for row in listing.rows}
    assert (rows["habcde-1"].reason, rows["habcde-2"].node, rows["array[4]"].batch_id) == (
        "New job is waiting for scheduling;", "batch1", "307[4]",
    )
    assert (rows["bad"].exit_code, rows["done"].exit_code, rows["habcde-2"].ended) == (3, 0, None)
    meaning = rows["time"].meaning
    assert meaning is not None
    assert (meaning.why, meaning.cause) == ("time limit reached", Cause.TIME_LIMIT)
    assert not listing.may_hold("99")


@pytest.mark.parametrize("length", range(1, len(BJOBS) - 2, 53))
def test_of_a_cut_answer_nothing_is_taken_for_absent_and_nothing_is_made_up(length: int) -> None:
    listing, whole = bjobs_rows(BJOBS[:length], NOW), states(bjobs_rows(BJOBS, NOW))
    assert states(listing).items() <= whole.items()
    if len(listing.rows) < len(whole):
        assert listing.cut or listing.may_hold("302")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("Nov 21 12:21", (2026, 11, 21, 12, 21, 0)), ("Dec 31 23:59", (2025, 12, 31, 23, 59, 0)),
        ("Nov 21 12:21 L", (2026, 11, 21, 12, 21, 0)), ("Nov 21 12:21:07 2024", (2024, 11, 21, 12, 21, 7)),
        ("Sat Nov 21 12:21:11", (2026, 11, 21, 12, 21, 11)), ("Feb 29 10:00", (2024, 2, 29, 10, 0, 0)),
    ],
)
def test_a_time_without_a_year_is_the_last_that_was(said: str, expected: tuple[int, ...]) -> None:
    year, month, day, hour, minute, second = expected
    assert seconds_of(said, NOW) == time.mktime((year, month, day, hour, minute, second, 0, 0, -1))


@pytest.mark.parametrize("said", ["", "-", "21. Nov 12:21", "Mär 3 10:00", "x"])
def test_what_is_no_time_is_not_known(said: str) -> None:
    assert seconds_of(said, NOW) is None


def test_the_history_tells_the_end_of_what_has_been_forgotten_and_of_nothing_else() -> None:
    rows = {row.name: row for row in bhist_rows(BHIST, NOW).rows}
    assert states(bhist_rows(BHIST, NOW)) == {
        "habcde-1": WorkerState.FAILED, "habcde-2": WorkerState.FINISHED, "habcde-3": WorkerState.FAILED,
    }
    assert (rows["habcde-1"].reason, rows["habcde-2"].exit_code, rows["habcde-3"].exit_code) == ("TERM_RUNLIMIT", 0, 3)
    assert rows["habcde-1"].ended == time.mktime((2026, 11, 21, 12, 41, 2, 0, 0, -1))


@pytest.mark.parametrize("word", sorted(LSF_REASONS))
def test_each_reason_is_found_in_the_words_around_it(word: str) -> None:
    meaning = lsf_meaning("EXIT", f"{word}: job killed for some reason")
    assert meaning is not None
    assert (meaning.state, meaning.why, meaning.cause) == LSF_REASONS[word]


@pytest.mark.parametrize("state", sorted(set(LSF_STATES) - {"EXIT"}))
def test_a_reason_changes_no_state_but_a_bad_end(state: str) -> None:
    assert lsf_meaning(state, "TERM_OWNER: job killed by owner") == LSF_STATES[state]
    assert lsf_meaning("WHAT", "") is None


@pytest.mark.parametrize(("meaning", "words"), CASES)
def test_the_words_of_bsub_decide(meaning: str, words: str) -> None:
    assert verdict(255, words, LSF_VERDICTS) == meaning


@pytest.mark.parametrize(
    ("output", "number"),
    [
        ("Job <12> is submitted to queue <batch>.\n", "12"), ("Job <12> is submitted to default queue <normal>.\n", "12"),
        ("Your job requests 12 slots.\nJob <4242> is submitted to queue <gpu>.\n", "4242"),
        ("", ""), ("Request aborted by esub. Job not submitted.\n", ""),
    ],
)
def test_the_number_is_found_among_a_sites_own_words(output: str, number: str) -> None:
    assert lsf_id(output) == number


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


def program(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


def test_no_job_at_all_is_an_answer_though_bjobs_fails(programs: Path) -> None:
    program(programs, "bjobs", "echo 'No job found' >&2; exit 255")
    assert Lsf(60).queue(["1"]) == Listing()


def test_a_silent_mbatchd_is_an_outage(programs: Path) -> None:
    program(programs, "bjobs", "echo 'LSF is down. Please wait ...' >&2; exit 255")
    program(programs, "bkill", "echo 'Failed in an LSF library call' >&2; exit 255")
    program(programs, "bhist", "echo 'Failed in an LSF library call' >&2; exit 255")
    lsf = Lsf(60)
    with pytest.raises(Unavailable, match="LSF is down"):
        lsf.queue(["1"])
    with pytest.raises(Unavailable):
        lsf.cancel(ids=["1"])
    with pytest.raises(Unavailable):
        lsf.accounting(["1"])


def test_what_is_over_is_cancelled(programs: Path) -> None:
    program(programs, "bkill", "echo 'Job <1> is being terminated'; echo 'Job <2>: Job has already finished' >&2; exit 255")
    Lsf(60).cancel(ids=["1", "2"])


def test_names_are_found_among_all_of_ours(programs: Path) -> None:
    program(programs, "bjobs", f"cat {RECORDED}/bjobs-10.1.json")
    assert [row.batch_id for row in Lsf(60).named(["habcde-2", "nobody"]).rows] == ["302"]
