"""The parsers, on what Slurm 22.05.8 printed, and on what no Slurm should."""
from __future__ import annotations

from pathlib import Path

import pytest

from harvester_psij.rows import Index, Listing, Row
from harvester_psij.slurm_rows import sacct_command, slurm_id, squeue_command
from harvester_psij.slurm_rows import sacct_rows as sacct_listing
from harvester_psij.slurm_rows import squeue_rows as squeue_listing
from harvester_psij.slurm_states import SLURM_STATES

RECORDED = Path(__file__).parent / "recorded"


def recorded(name: str) -> str:
    return (RECORDED / name).read_text()


def squeue_rows(output: str) -> list[Row]:
    return list(squeue_listing(output).rows)


def sacct_rows(output: str) -> list[Row]:
    return list(sacct_listing(output).rows)


def test_a_recorded_queue_is_read_whole() -> None:
    rows = squeue_rows(recorded("squeue-22.05.8.txt"))
    assert {row.name: row.code for row in rows} == {
        "ca": "CA", "ok": "CD", "dep": "CD", "bad": "F", "sig": "F", "nf": "NF", "resv": "PD", "rq": "PD", "drained": "PD", "held": "PD",
        "susp": "S", "tl": "TO",
    }


def test_a_reason_may_hold_blanks_and_commas() -> None:
    (row,) = [row for row in squeue_rows(recorded("squeue-22.05.8.txt")) if row.name == "drained"]
    assert row == Row(
        batch_id="21", code="PD", meaning=SLURM_STATES["PD"], name="drained", submitted=1795270253.0,
        reason="ReqNodeNotAvail, UnavailableNodes:n4",
    )


def test_times_are_seconds_and_a_node_is_named() -> None:
    (row,) = [row for row in squeue_rows(recorded("squeue-22.05.8.txt")) if row.name == "tl"]
    assert row == Row(
        batch_id="13", code="TO", meaning=SLURM_STATES["TO"], name="tl", submitted=1795270253.0, started=1795270253.0,
        ended=1795270258.0, node="n1", reason="TimeLimit",
    )


def test_a_recorded_accounting_is_read_whole() -> None:
    rows = sacct_rows(recorded("sacct-22.05.8.txt"))
    assert {row.name: (row.code, row.exit_code, row.by) for row in rows} == {
        "ok": ("COMPLETED", 0, ""), "bad": ("FAILED", 3, ""), "oddname": ("RUNNING", 0, ""), "tl": ("TIMEOUT", 0, ""),
        "nf": ("NODE_FAIL", 0, ""), "cr": ("CANCELLED", 0, "uid 0"), "sig": ("FAILED", 137, ""), "two": ("COMPLETED", 0, ""),
    }
    assert all(row.accounted for row in rows)


@pytest.mark.parametrize(
    "line",
    [
        "", "|", "7", "7|R", "slurm_load_jobs error: Invalid job id specified", "CLUSTER: foo", "JOBID|ST|NAME|A|B|C|D|E",
        "x|R|name|1|1|1|n1|None", "|R|name|1|1|1|n1|None", "\x00", "é|é|é|é|é|é|é|é",
    ],
)
def test_an_odd_line_costs_only_itself(line: str) -> None:
    good = "12|R|mine|1|2|3|n1|None"
    assert [row.batch_id for row in squeue_rows(f"{line}\n{good}\n{line}")] == ["12"]
    accounted = "12|RUNNING|mine|1|2|3|n1|0:0|None"
    assert [row.batch_id for row in sacct_rows(f"{line}\n{accounted}\n{line}")] == ["12"]


@pytest.mark.parametrize("time", ["N/A", "Unknown", "None", "", "nan", "inf", "-5", "0", "2026-11-21T10:00:00"])
def test_a_time_that_is_none_is_not_known(time: str) -> None:
    (row,) = squeue_rows(f"1|PD|a|{time}|{time}|{time}|n/a|Priority")
    assert (row.submitted, row.started, row.ended) == (None, None, None)


def test_a_state_that_is_not_known_is_kept_as_it_is() -> None:
    (row,) = squeue_rows("1|ZZ|a|1|2|3|n1|None")
    assert row.code == "ZZ"
    assert row.meaning is None
    assert not row.has_ended


@pytest.mark.parametrize(
    ("output", "batch_id", "may_hold"),
    [
        ("12|R|a|1|1|1|n1|None\n", "13", False),
        ("12|R|a|1|1|1|n1|None\n", "12", False),  # it has a row
        ("13|R|a|1\n12|R|a|1|1|1|n1|None\n", "13", True),
        ("note: 13 nodes are down\n", "13", True),  # rather too careful than wrong
        ("note: 131 nodes are down\n", "13", False),
        ("12|R|a|1|1|1|n1|None\n13|R", "99", True),  # who knows what would have followed
        ("", "13", False),
    ],
)
def test_what_could_not_be_read_is_not_absent(output: str, batch_id: str, may_hold: bool) -> None:
    assert squeue_listing(output).may_hold(batch_id) == may_hold


def test_a_batch_job_is_found_with_and_without_its_servers_name() -> None:
    full, array = Row(batch_id="12.server.site", code="R"), Row(batch_id="12[].server.site", code="B")
    index = Index([array, full])
    assert index.get("12.server") == index.get("12") == index.get("12.server.site") == full
    assert index.get("13.server") is None
    assert Listing(unread="qstat: garbled 12.server").may_hold("12.server.site")


@pytest.mark.parametrize(
    ("output", "number"),
    [
        ("12\n", "12"),
        ("12;cluster\n", "12"),
        ("Welcome to the machine\n--> 4 checks passed\n12\n", "12"),
        ("Submitted batch job 12\n", "12"),
        ("Submitted batch job 12 on cluster foo\n", "12"),
        ("12\nnote: your allocation ends soon\n", "12"),
        ("", ""), ("sbatch: error\n", ""), ("job\n", ""), ("Submitted batch job foo\n", ""), ("1٣\n", ""),
    ],
)
def test_the_number_is_found_among_a_sites_own_words(output: str, number: str) -> None:
    assert slurm_id(output) == number


def test_one_command_asks_for_all() -> None:
    assert squeue_command() == ["squeue", "--me", "--noheader", "--states=all", "--format=%i|%t|%j|%V|%S|%e|%B|%r"]
    assert "--name=a,b" in squeue_command(["a", "b"])
    assert "--jobs=1,2" in sacct_command(ids=["1", "2"])
    assert {"--name=a", "--starttime=now-7days"} <= set(sacct_command(keys=["a"]))
