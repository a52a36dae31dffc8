"""PBS and Torque: what is made of their words."""
from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from harvester_hpc.errors import Unavailable
from harvester_hpc.model.cause import Cause
from harvester_hpc.model.worker import WorkerState
from harvester_psij.pbs import Pbs
from harvester_psij.pbs_refusals import PBS_VERDICTS
from harvester_psij.pbs_rows import pbs_rows, seconds_of, shell_code
from harvester_psij.refusal import verdict
from harvester_psij.rows import Listing, Row
from harvester_psij.torque import Torque, torque_rows

RECORDED = Path(__file__).parent / "recorded"
QUEUE = (RECORDED / "qstat-openpbs-20.0.1.json").read_text()
HISTORY = (RECORDED / "qstat-x-openpbs-20.0.1.json").read_text()
TORQUE = (RECORDED / "qstat-torque-6.1.xml").read_text()
CASES = [tuple(line.split("\t", 1)) for line in (RECORDED / "qsub-errors-openpbs.txt").read_text().splitlines() if line.strip()]


def states(listing: Listing) -> dict[str, WorkerState | None]:
    return {row.name: row.meaning.state if row.meaning else None for row in listing.rows}


def by_name(listing: Listing) -> dict[str, Row]:
    return {row.name: row for row in listing.rows}


def test_a_queue_is_read_whole_and_an_array_of_others_is_no_harm() -> None:
    listing = pbs_rows(QUEUE)
    assert states(listing) == {
        "habcde-1": WorkerState.SUBMITTED, "habcde-2": WorkerState.SUBMITTED, "habcde-3": WorkerState.RUNNING, "array": WorkerState.RUNNING,
    }
    assert (listing.unread, listing.cut) == ("", False)
    running = by_name(listing)["habcde-3"]
    assert (running.batch_id, running.node, running.code) == ("103.pbs", "n1", "R")
    assert running.started == time.mktime((2021, 4, 12, 9, 5, 0, 0, 0, -1))


ENDS = {
    "done": (WorkerState.FINISHED, "", Cause.UNKNOWN),
    "bad": (WorkerState.FAILED, "", Cause.UNKNOWN),
    "deleted-running": (WorkerState.CANCELLED, "cancelled", Cause.BATCH_KILL),
    "deleted-queued": (WorkerState.CANCELLED, "cancelled", Cause.BATCH_KILL),
    "deleted-queued-old": (WorkerState.CANCELLED, "cancelled", Cause.BATCH_KILL),
    "time": (WorkerState.FAILED, "time limit reached", Cause.TIME_LIMIT),
    "time-old": (WorkerState.FAILED, "time limit reached", Cause.TIME_LIMIT),
    "memory": (WorkerState.FAILED, "out of memory", Cause.OUT_OF_MEMORY),
    "node": (WorkerState.FAILED, "its first node was lost", Cause.NODE_FAILURE),
    "no-start": (WorkerState.FAILED, "the batch system could not start it", Cause.NODE_FAILURE),
    "signal": (WorkerState.FAILED, "ended by signal 9", Cause.BATCH_KILL),
}


def test_each_end_of_the_history_is_told_apart() -> None:
    rows = by_name(pbs_rows(HISTORY, accounted=True))
    assert {
        name: (row.meaning.state, row.meaning.why, row.meaning.cause) for name, row in rows.items() if row.meaning is not None
    } == ENDS
    assert rows["no-status"].meaning is None  # it ran, and nobody says how it ended
    assert (rows["bad"].exit_code, rows["signal"].exit_code, rows["time"].exit_code) == (3, 137, None)
    assert all(row.accounted for row in rows.values())


def test_what_a_site_prints_before_the_answer_is_passed_over() -> None:
    assert states(pbs_rows(f"*** maintenance on Friday ***\n\n{QUEUE}")) == states(pbs_rows(QUEUE))


def test_a_batch_job_whose_json_is_none_costs_only_itself_at_most() -> None:
    broken = QUEUE.replace('"ODD":"{\\"job_state\\":\\"F\\"}"', '"ODD":"a "quoted" word \\x"')
    assert states(pbs_rows(broken)) == states(pbs_rows(QUEUE))


@pytest.mark.parametrize("text", [QUEUE, HISTORY], ids=["queue", "history"])
def test_of_a_cut_answer_nothing_is_taken_for_absent_and_nothing_is_made_up(text: str) -> None:
    whole = by_name(pbs_rows(text))
    for length in range(1, len(text)):
        listing = pbs_rows(text[:length])
        assert all((row.code, row.meaning) == (whole[row.name].code, whole[row.name].meaning) for row in listing.rows), length
        assert listing.cut or len(listing.rows) == len(whole), length


def test_an_answer_without_a_word_says_nothing_about_what_is_absent() -> None:
    assert pbs_rows("").cut


@pytest.mark.parametrize("letter", ["Z", "", "??", "RUNNING"])
def test_a_letter_that_is_not_known_has_no_meaning(letter: str) -> None:
    (row,) = pbs_rows(f'{{"Jobs":{{"1.pbs":{{"Job_Name":"a","job_state":"{letter}"}}}}}}').rows
    assert row.meaning is None


def test_times_in_another_language_are_not_known() -> None:
    assert seconds_of("Mo Apr 12 10:00:00 2021") is None
    assert seconds_of("1659969970") == seconds_of(1659969970) == 1659969970.0
    assert (shell_code(271), shell_code(3), shell_code(-29), shell_code(None)) == (143, 3, None, None)


@pytest.mark.parametrize(("meaning", "words"), CASES)
def test_the_words_of_qsub_decide(meaning: str, words: str) -> None:
    assert verdict(1, words, PBS_VERDICTS) == meaning


@pytest.mark.parametrize(
    ("output", "number"),
    [
        ("12.server.site\n", "12.server.site"), ("12\n", "12"), ("welcome\n12.pbs\n", "12.pbs"), ("12[].pbs\n", "12[].pbs"),
        ("", ""), ("qsub: error\n", ""), ("submitted 12.pbs\n", ""),
    ],
)
def test_the_number_is_found_among_a_sites_own_words(output: str, number: str) -> None:
    assert Pbs(1.0).batch_id(output) == number


def test_torque_is_read_from_xml() -> None:
    listing = torque_rows(TORQUE)
    assert states(listing) == {
        "habcde-1": WorkerState.FINISHED, "habcde-2": WorkerState.SUBMITTED, "deleted": WorkerState.CANCELLED,
        "time": WorkerState.FAILED, "time-old": WorkerState.FAILED, "never-ran": WorkerState.CANCELLED, "bad": WorkerState.FAILED,
    }
    whys = {row.name: row.meaning.why for row in listing.rows if row.meaning is not None}
    assert (whys["time"], whys["time-old"]) == ("time limit reached", "time limit reached")
    assert by_name(listing)["habcde-1"].node == "c0"


def test_one_broken_batch_job_of_torque_costs_only_itself() -> None:
    broken = TORQUE.replace("<Job_Name>habcde-2</Job_Name>", "<Job_Name>habcde-2</Job_Nam>")
    listing = torque_rows(broken)
    assert "habcde-2" not in states(listing)
    assert len(listing.rows) == 6
    assert listing.may_hold("74.c0")
    assert not listing.may_hold("99.c0")
    assert torque_rows(TORQUE[:1000]).cut


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


def program(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(f'#!/bin/sh\necho "$*" >> {folder}/{name}.calls\n{text}\n')
    (folder / name).chmod(0o755)


def calls(folder: Path, name: str) -> list[str]:
    return (folder / f"{name}.calls").read_text().splitlines()


def test_one_unknown_number_does_not_fail_the_list(programs: Path) -> None:
    program(programs, "qstat", f"cat {RECORDED}/qstat-openpbs-20.0.1.json; echo 'qstat: Unknown Job Id 99.pbs' >&2; exit 153")
    listing = Pbs(60).queue(["101.pbs", "99.pbs"])
    assert len(listing.rows) == 4
    assert not listing.may_hold("99.pbs")


def test_all_unknown_is_an_answer(programs: Path) -> None:
    words = "echo 'qstat: 98.pbs Job has finished, use -x or -H to obtain historical job information' >&2"
    program(programs, "qstat", f"{words}; echo 'qstat: Unknown Job Id 99.pbs' >&2; exit 153")
    assert Pbs(60).queue(["98.pbs", "99.pbs"]) == Listing()
    assert Torque(60).queue(["98.pbs", "99.pbs"]) == Listing()


@pytest.mark.parametrize("words", ["qstat: cannot connect to server pbs (errno=15010)", "Unknown Job Id 9\nConnection refused", ""])
def test_a_server_that_is_away_is_an_outage(programs: Path, words: str) -> None:
    program(programs, "qstat", f"printf '%s\\n' '{words}' >&2; exit 111")
    with pytest.raises(Unavailable):
        Pbs(60).queue(["1.pbs"])


def test_a_site_without_history_is_asked_once(programs: Path) -> None:
    program(programs, "qstat", "echo 'qstat: job_history_enable is set to false' >&2; exit 1")
    pbs = Pbs(60)
    assert pbs.accounting(["1.pbs"]) == Listing()
    assert pbs.accounting(["2.pbs"]) == Listing()
    assert len(calls(programs, "qstat")) == 1


def test_a_thousand_numbers_are_few_commands(programs: Path) -> None:
    program(programs, "qstat", f"cat {RECORDED}/qstat-openpbs-20.0.1.json")
    program(programs, "qdel", "true")
    ids = [f"{number}.pbs" for number in range(1000)]
    Pbs(60).queue(ids)
    Pbs(60).cancel(ids=ids)
    assert (len(calls(programs, "qstat")), len(calls(programs, "qdel"))) == (5, 5)


def test_a_kill_by_name_asks_for_the_numbers_and_takes_what_is_over(programs: Path) -> None:
    program(programs, "qselect", "echo 12.pbs")
    program(programs, "qdel", "echo 'qdel: Job has finished 12.pbs' >&2; exit 35")
    Pbs(60).cancel(ids=["11.pbs"], keys=["habcde-1"])
    assert calls(programs, "qdel") == ["11.pbs 12.pbs"]


def test_many_names_are_one_question_and_only_ours_are_killed(programs: Path) -> None:
    program(programs, "qselect", "echo 101.pbs; echo 102.pbs; echo 103.pbs")
    program(programs, "qstat", f"cat {RECORDED}/qstat-openpbs-20.0.1.json")
    program(programs, "qdel", "true")
    Pbs(60).cancel(keys=["habcde-1", *(f"other-{number}" for number in range(20))])
    assert len(calls(programs, "qselect")) == 1
    assert calls(programs, "qdel") == ["101.pbs"]
