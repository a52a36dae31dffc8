"""Options, launch lines, commands, settings: the small parts."""
from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from harvester_hpc.errors import Unavailable
from harvester_hpc.messenger.values import Claim
from harvester_hpc.model.facility import BatchQueue, Facility
from harvester_hpc.model.worker import MapType, Worker, WorkerId, WorkerPlan, WorkerState
from harvester_hpc.ports.context import Context
from harvester_psij.command import OURS, ask, ask_clearly, environment, need
from harvester_psij.launch_line import cores_per_node
from harvester_psij.lookup import chosen, recent
from harvester_psij.monitor import MonitorSettings, PsijMonitor
from harvester_psij.pbs_rows import seconds_of
from harvester_psij.processes import Process, end, process_of, stat_of
from harvester_psij.rows import Listing, Row
from harvester_psij.slurm import Slurm
from harvester_psij.slurm_options import quoted, slurm_directives
from harvester_psij.slurm_options import slurm_options as options_of
from harvester_psij.slurm_states import meaning_of
from harvester_psij.submitter import PsijSubmitter, SubmitterSettings
from harvester_psij.sweeper import PsijSweeper, SweeperSettings
from harvester_psij.wanted import wanted_by

WORKER = Worker(
    id=WorkerId(1), queue="q", map_type=MapType.ONE_TO_ONE, state=WorkerState.PLANNED, key="h1-1", access_point="/a/100%/b",
    plan=WorkerPlan(nodes=2, cores=7, walltime_s=61),
)
FACILITY = Facility(name="f", scheduler="slurm", queues=(BatchQueue(name="first", qos="low"), BatchQueue(name="second")))


def slurm_options(worker: Worker, facility: Facility, extra: dict[str, str | None]) -> dict[str, str | None]:
    return options_of(wanted_by(worker, facility, extra))


def test_time_is_in_minutes_and_cores_are_per_node_both_rounded_up() -> None:
    options = slurm_options(WORKER, FACILITY, {})
    assert (options["time"], options["cpus-per-task"], options["nodes"]) == ("2", "4", "2")


@pytest.mark.parametrize(("seconds", "minutes"), [(0, "1"), (1, "1"), (60, "1"), (61, "2"), (3600, "60")])
def test_a_worker_never_gets_less_time_than_it_wants(seconds: int, minutes: str) -> None:
    assert slurm_options(replace(WORKER, plan=replace(WORKER.plan, walltime_s=seconds)), FACILITY, {})["time"] == minutes


def test_the_first_queue_is_the_default_and_brings_its_quality_of_service() -> None:
    options = slurm_options(WORKER, FACILITY, {})
    assert (options["partition"], options["qos"]) == ("first", "low")
    other = slurm_options(replace(WORKER, batch_queue="second"), FACILITY, {})
    assert other["partition"] == "second"
    assert "qos" not in other
    assert slurm_options(replace(WORKER, batch_queue="unlisted"), FACILITY, {})["partition"] == "unlisted"
    assert "partition" not in slurm_options(WORKER, replace(FACILITY, queues=()), {})


def test_the_queues_options_go_before_the_facilitys_and_those_before_ours() -> None:
    facility = replace(FACILITY, attributes={"export": "ALL", "constraint": "cpu", "exclusive": None})
    options = slurm_options(WORKER, facility, {"constraint": "gpu"})
    assert (options["export"], options["constraint"], options["exclusive"]) == ("ALL", "gpu", None)


@pytest.mark.parametrize(("requeue", "option", "other"), [(False, "no-requeue", "requeue"), (True, "requeue", "no-requeue")])
def test_slurm_runs_a_worker_again_only_where_the_site_wants_it(requeue: bool, option: str, other: str) -> None:
    options = slurm_options(WORKER, replace(FACILITY, requeue=requeue), {})
    assert option in options
    assert other not in options


def test_a_percent_sign_in_the_log_is_no_pattern() -> None:
    assert slurm_options(WORKER, FACILITY, {})["output"] == "/a/100%%/b/batch.log"


def test_options_are_written_as_sbatch_reads_them() -> None:
    lines = slurm_directives({"C": "cpu", "exclusive": None, "X": None, "comment": 'a "b" \\ #c'})
    assert lines == ["#SBATCH -C cpu", "#SBATCH --exclusive", "#SBATCH -X", '#SBATCH --comment="a \\"b\\" \\\\ #c"']
    assert quoted("n[1-2],gpu:2") == "n[1-2],gpu:2"
    assert quoted("") == '""'


@pytest.mark.parametrize(("nodes", "cores", "per_node"), [(1, 1, 1), (1, 8, 8), (2, 8, 4), (2, 7, 4), (3, 1, 1), (2, 0, 1)])
def test_cores_of_a_node_are_rounded_up(nodes: int, cores: int, per_node: int) -> None:
    assert cores_per_node(WorkerPlan(nodes=nodes, cores=cores, walltime_s=1)) == per_node


def test_commands_do_not_inherit_options_meant_for_others() -> None:
    outer = {
        "PATH": "/bin", "SLURM_CONF": "/etc/slurm.conf", "SLURM_JOB_ID": "1", "SBATCH_PARTITION": "x", "SQUEUE_FORMAT": "%i",
        "SACCT_FORMAT": "x", "SCANCEL_BATCH": "1", "LC_ALL": "de_DE.UTF-8", "LC_TIME": "C",
        "PBS_O_QUEUE": "x", "PBS_JOBID": "1", "PBS_SERVER": "s", "BSUB_QUIET": "1", "LSB_DEFAULTQUEUE": "x", "LSF_ENVDIR": "/etc",
    }
    assert environment(outer) == {
        "PATH": "/bin", "SLURM_CONF": "/etc/slurm.conf", "LC_TIME": "C", "PBS_SERVER": "s", "LSF_ENVDIR": "/etc", **OURS,
    }


def test_a_command_that_hangs_is_an_outage() -> None:
    with pytest.raises(Unavailable, match=r"no end after 0\.2 s"):
        ask(["/bin/sh", "-c", "exec sleep 60"], 0.2)


def test_a_command_that_fails_is_an_outage_in_its_own_words() -> None:
    with pytest.raises(Unavailable, match="controller is out"):
        ask_clearly(["/bin/sh", "-c", "echo controller is out >&2; exit 1"], 60)


def test_a_command_that_does_not_exist_is_an_outage() -> None:
    with pytest.raises(Unavailable, match="no-such-command"):
        ask(["no-such-command"], 60)
    with pytest.raises(Unavailable, match="no-such-command"):
        need("no-such-command")


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


def program(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\necho run >> {folder}/{name}.runs\n{text}\n")
    (folder / name).chmod(0o755)


def runs(folder: Path, name: str) -> int:
    path = folder / f"{name}.runs"
    return len(path.read_text().splitlines()) if path.exists() else 0


def test_a_site_without_accounting_is_asked_once(programs: Path) -> None:
    program(programs, "sacct", "echo 'Slurm accounting storage is disabled' >&2; exit 1")
    slurm = Slurm(60)
    assert slurm.accounting(["1"]) == Listing()
    assert slurm.accounting(["2"]) == Listing()
    assert runs(programs, "sacct") == 1


def test_an_accounting_that_is_out_is_an_outage_and_asked_again(programs: Path) -> None:
    program(programs, "sacct", "echo 'sacct: error: slurm_persist_conn_open: Connection refused' >&2; exit 1")
    slurm = Slurm(60)
    for _ in range(2):
        with pytest.raises(Unavailable, match="Connection refused"):
            slurm.accounting(["1"])
    assert runs(programs, "sacct") == 2


def test_a_thousand_names_are_few_commands(programs: Path) -> None:
    program(programs, "squeue", "echo '1|R|a|1|1|1|n1|None'")
    program(programs, "sacct", "true")
    assert len(Slurm(60).named([f"h1-{number}" for number in range(1000)]).rows) == 2
    assert runs(programs, "squeue") == 2


@pytest.mark.parametrize("words", ["Invalid job id specified", "scancel: error: Invalid job id 99"])
def test_what_is_gone_is_cancelled(programs: Path, words: str) -> None:
    program(programs, "scancel", f"echo '{words}' >&2; exit 1")
    Slurm(60).cancel(ids=["99"])


def test_a_silent_slurm_cancels_nothing(programs: Path) -> None:
    program(programs, "scancel", "echo 'Unable to contact slurm controller' >&2; exit 1")
    with pytest.raises(Unavailable, match="Unable to contact"):
        Slurm(60).cancel(keys=["h1-1"])


def row(number: int, code: str, submitted: float | None = 1000.0) -> Row:
    return Row(batch_id=str(number), code=code, meaning=meaning_of(code), name="h1-1", submitted=submitted)


def test_of_copies_the_claimed_one_is_kept_else_the_oldest_that_lives_else_the_oldest() -> None:
    rows = [row(9, "CD"), row(10, "R"), row(11, "PD")]
    assert chosen(rows, Claim(batch_id="11")).batch_id == "11"
    assert chosen(rows, Claim(batch_id="99")).batch_id == "10"
    assert chosen(rows, None).batch_id == "10"
    assert chosen([row(10, "CA"), row(9, "CD")], None).batch_id == "9"


def test_a_batch_job_of_another_life_is_not_ours() -> None:
    old, new, untold = row(1, "CD", 100.0), row(2, "R", 5000.0), row(3, "R", None)
    assert recent([old, new, untold], began=5000.0) == [new, untold]


def test_a_batch_job_of_the_hour_that_is_on_the_clock_twice_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        second = 1_792_891_800.0  # 2026-10-25 01:30 UTC, 02:30 for the second time
        said = time.strftime("%a %b %d %H:%M:%S %Y", time.localtime(second))
        assert said == "Sun Oct 25 02:30:00 2026"
        for submitted in (seconds_of(said), second - 3600.0):
            assert recent([row(1, "Q", submitted)], began=second) == [row(1, "Q", submitted)]
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("text", ["", "7", "7.8", "x.8@h", "7.8@", "7@h", "-7.8@h", "7.8@h i"])
def test_what_names_no_process_names_none(text: str) -> None:
    assert process_of(text) is None


def test_a_process_is_known_by_its_start() -> None:
    stat = stat_of(os.getpid())
    assert stat is not None
    ours = Process(pid=os.getpid(), start=stat.start, host=os.uname().nodename)
    assert process_of(f"{ours.pid}.{ours.start}@{ours.host}\n") == ours
    assert ours.is_here
    assert ours.is_alive
    reused = replace(ours, start=str(int(ours.start) + 1))
    assert not reused.is_alive
    # Nothing is signalled: this very process lives on.
    assert end(reused, 0.0)


def context(facility: Facility) -> Context:
    return Context(instance="i", tag="abcde", state_dir=Path("/nowhere"), facility=facility)


@pytest.mark.parametrize(
    ("facility", "settings", "problem"),
    [
        (Facility(name="f", scheduler="slrum"), SubmitterSettings(), "slrum"),
        (Facility(name="f", scheduler="slurm", launcher="ibrun"), SubmitterSettings(), "ibrun"),
        (FACILITY, SubmitterSettings(command_timeout_s=0), "command_timeout_s"),
        (FACILITY, SubmitterSettings(parallel=0), "parallel"),
        (FACILITY, SubmitterSettings(grace_s=-1), "grace_s"),
        (FACILITY, SubmitterSettings(lock_wait_s=-1), "lock_wait_s"),
        (FACILITY, SubmitterSettings(attributes={"--qos": "x"}), "--qos"),
        (FACILITY, SubmitterSettings(attributes={"qos": "x\n#SBATCH --uid=0"}), "line break"),
        (replace(FACILITY, attributes={"a b": None}), SubmitterSettings(), "a b"),
    ],
)
def test_what_is_impossible_is_told(facility: Facility, settings: SubmitterSettings, problem: str) -> None:
    (found,) = PsijSubmitter.problems(settings, context(facility))
    assert problem in found


def test_defaults_are_possible() -> None:
    surroundings = context(FACILITY)
    assert PsijSubmitter.problems(SubmitterSettings(), surroundings) == ()
    assert PsijMonitor.problems(MonitorSettings(), surroundings) == ()
    assert PsijSweeper.problems(SweeperSettings(), surroundings) == ()
    assert PsijSweeper.problems(SweeperSettings(kill_wait_s=0), surroundings) != ()
