"""The batch script, run by bash with small payloads in place of the launcher."""
from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.model.queue import Queue
from harvester_hpc.testing.contracts.batch import payload_worker, wait_until
from harvester_psij.psij_loading import load_psij
from harvester_psij.scheduler import at_scheduler
from harvester_psij.script import TEMPLATE, ScriptExtras, script_values, source_roots
from tests.psij_site import context


@dataclass
class Trial:
    """A rendered script and how to run it as Slurm would."""

    folder: Path
    access_point: Path
    script: Path
    programs: Path

    def environment(self, batch_id: str, restart: int) -> dict[str, str]:
        variables = {"PATH": f"{self.programs}:{os.environ['PATH']}", "HOME": str(self.folder), "SLURM_JOB_ID": batch_id}
        return variables | ({"SLURM_RESTART_COUNT": str(restart)} if restart else {})

    def run(self, batch_id: str = "7", restart: int = 0) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["/bin/bash", str(self.script)], env=self.environment(batch_id, restart), cwd="/", capture_output=True, text=True,
            timeout=60, check=False,
        )

    def start(self, batch_id: str = "7") -> subprocess.Popen[str]:
        return subprocess.Popen(["/bin/bash", str(self.script)], env=self.environment(batch_id, 0), cwd="/", text=True)

    def letter(self, name: str) -> dict[str, Any]:
        content = json.loads((self.access_point / name).read_text())
        assert isinstance(content, dict)
        return content

    def ran(self) -> int:
        path = self.access_point / "ran"
        return len(path.read_text().splitlines()) if path.exists() else 0

    def without_hard_links(self) -> None:
        """Let ``ln`` fail as on a file system that has none."""
        self.program("ln", "echo 'ln: Operation not permitted' >&2; exit 1")

    def program(self, name: str, text: str) -> None:
        path = self.programs / name
        path.write_text(f"#!/bin/bash\n{text}\n")
        path.chmod(0o755)


def rendered(folder: Path, values: dict[str, object]) -> Path:
    load_psij()
    from psij import Job, JobExecutorConfig
    from psij.executors.batch.script_generator import TemplatedScriptGenerator

    path = folder / "script"
    with path.open("w") as file:
        TemplatedScriptGenerator(JobExecutorConfig(), TEMPLATE).generate_submit_script(Job(), values, file)
    return path


def trial(
    folder: Path, payload: str = "echo ran >> ran", *, scheduler: str = "slurm", requeue: bool = False, prologue: tuple[str, ...] = (),
    epilogue: tuple[str, ...] = (),
) -> Trial:
    surroundings = context(folder, scheduler, requeue=requeue)
    surroundings = replace(surroundings, facility=replace(surroundings.facility, prologue=prologue, epilogue=epilogue))
    worker = payload_worker(folder, "h1-1", payload, number=5)
    programs = folder / "programs"
    programs.mkdir()
    script = rendered(folder, script_values(worker, surroundings, ScriptExtras(source_roots=source_roots()), at_scheduler(scheduler)))
    return Trial(folder, Path(worker.access_point), script, programs)


def test_the_script_claims_runs_and_leaves_the_exit_code(tmp_path: Path) -> None:
    one = trial(tmp_path, "echo ran >> ran; exit 3")
    assert one.run().returncode == 3
    claim, ended = one.letter("worker_claim.json"), one.letter("worker_exit.json")
    assert (claim["batch_id"], claim["restart"], claim["host"]) == ("7", 0, os.uname().nodename)
    assert (ended["exit_code"], one.ran()) == (3, 1)
    assert 0 <= ended["ended"] - claim["started"] < 60
    assert sorted(path.name for path in one.access_point.iterdir()) == ["payload.sh", "ran", "worker_claim.json", "worker_exit.json"]


@pytest.mark.parametrize("links", [True, False], ids=["links", "no-links"])
def test_a_second_copy_ends_at_once_with_nothing_done(tmp_path: Path, links: bool) -> None:
    one = trial(tmp_path)
    if not links:
        one.without_hard_links()
    one.run("7")
    before = (one.access_point / "worker_exit.json").read_text()
    second = one.run("8")
    assert second.returncode == 0
    assert "claimed by batch job '7'" in second.stdout
    assert (one.ran(), one.letter("worker_claim.json")["batch_id"]) == (1, "7")
    assert (one.access_point / "worker_exit.json").read_text() == before
    assert not list(one.access_point.glob("worker_claim.json.8*"))


@pytest.mark.parametrize("links", [True, False], ids=["links", "no-links"])
def test_of_many_copies_at_once_one_runs(tmp_path: Path, links: bool) -> None:
    one = trial(tmp_path, "echo ran >> ran; sleep 0.3")
    if not links:
        one.without_hard_links()
    copies = [one.start(str(number)) for number in range(12)]
    assert {copy.wait(60) for copy in copies} == {0}
    assert one.ran() == 1
    winner = one.letter("worker_claim.json")
    assert 0 <= int(winner["batch_id"]) < 12


def test_a_file_system_that_lost_its_hard_links_in_between_lets_no_second_copy_run(tmp_path: Path) -> None:
    one = trial(tmp_path)
    one.run("7")
    one.without_hard_links()
    assert one.run("8").returncode == 0
    assert one.ran() == 1


def test_a_claim_by_folder_is_respected_where_links_work_again(tmp_path: Path) -> None:
    one = trial(tmp_path)
    (one.access_point / "worker_claim.json.d").mkdir()
    assert one.run("8").returncode == 0
    assert one.ran() == 0


def test_a_link_that_nfs_made_and_called_a_failure_is_ours(tmp_path: Path) -> None:
    one = trial(tmp_path)
    one.program("ln", f'{shutil.which("ln")} "$@"; case "$2" in worker_claim.json) exit 1;; esac')
    assert one.run().returncode == 0
    assert one.ran() == 1


def test_a_restart_takes_over_where_the_site_wants_it(tmp_path: Path) -> None:
    one = trial(tmp_path, "echo ran >> ran; exit 143", requeue=True)
    one.run("7")
    again = one.run("7", restart=1)
    assert (again.returncode, one.ran()) == (143, 2)
    assert one.letter("worker_claim.json")["restart"] == 1
    assert one.run("7", restart=1).returncode == 0
    assert one.ran() == 2


def test_a_restart_of_a_run_that_has_ended_well_does_nothing(tmp_path: Path) -> None:
    one = trial(tmp_path, "echo ran >> ran", requeue=True)
    one.run("7")
    assert (one.run("7", restart=1).returncode, one.ran()) == (0, 1)
    assert one.letter("worker_exit.json")["exit_code"] == 0


def test_a_restart_removes_the_exit_code_of_the_earlier_run(tmp_path: Path) -> None:
    one = trial(tmp_path, "if [ -e once ]; then ls > listing; else touch once; exit 1; fi", requeue=True)
    one.run("7")
    one.run("7", restart=1)
    assert "worker_exit.json" not in (one.access_point / "listing").read_text().split()
    assert (one.access_point / "worker_exit.json").exists()


def test_a_restart_ends_badly_where_the_site_does_not_want_it(tmp_path: Path) -> None:
    one = trial(tmp_path)
    one.run("7")
    assert (one.run("7", restart=1).returncode, one.ran()) == (1, 1)


def test_an_access_point_that_is_not_there_is_a_failure(tmp_path: Path) -> None:
    one = trial(tmp_path)
    shutil.rmtree(one.access_point)
    assert one.run().returncode == 1


def test_the_sites_lines_stand_around_the_worker(tmp_path: Path) -> None:
    one = trial(
        tmp_path, 'echo "payload $FROM_PROLOGUE"; exit 3', prologue=("export FROM_PROLOGUE=seen", "cd /"), epilogue=("echo epilogue",)
    )
    done = one.run()
    assert done.stdout.splitlines() == ["payload seen", "epilogue"]
    assert (done.returncode, one.letter("worker_exit.json")["exit_code"]) == (3, 3)


@pytest.mark.parametrize("line", ["exit 9", "set -e; (exit 9)", "false || exit 9"])
def test_a_prologue_that_ends_the_script_leaves_an_exit_code(tmp_path: Path, line: str) -> None:
    one = trial(tmp_path, prologue=(line,))
    assert one.run().returncode == 9
    assert (one.letter("worker_exit.json")["exit_code"], one.ran()) == (9, 0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2])
def test_the_worker_is_told_to_end_and_its_exit_code_is_kept(tmp_path: Path, number: signal.Signals) -> None:
    payload = "trap 'echo told >> told; sleep 0.3; exit 5' TERM; touch up; while :; do sleep 0.05; done"
    one = trial(tmp_path, payload, epilogue=("echo epilogue >> epilogue",))
    with one.start() as process:
        wait_until((one.access_point / "up").exists, 30, "the payload runs")
        process.send_signal(number)
        assert process.wait(60) == 5
    letter = one.letter("worker_exit.json")
    assert (letter["exit_code"], letter["terminated"]) == (5, int(number is signal.SIGTERM))
    assert (one.access_point / "told").read_text() == "told\n"
    assert (one.access_point / "epilogue").exists()


def test_a_worker_told_to_end_in_the_prologue_does_not_start(tmp_path: Path) -> None:
    one = trial(tmp_path, prologue=("touch up; while [ ! -e go ]; do sleep 0.05; done",))
    with one.start() as process:
        wait_until((one.access_point / "up").exists, 30, "the prologue runs")
        process.send_signal(signal.SIGTERM)
        (one.access_point / "go").touch()
        assert process.wait(60) == 143
    assert (one.letter("worker_exit.json")["exit_code"], one.ran()) == (143, 0)


def test_the_doorbell_rings_at_the_end_if_there_is_one(tmp_path: Path) -> None:
    one = trial(tmp_path)
    (tmp_path / ".doorbell").mkdir()
    assert one.run().returncode == 0
    assert (tmp_path / ".doorbell" / "5").exists()


def test_a_local_worker_names_its_own_process(tmp_path: Path) -> None:
    one = trial(tmp_path, 'echo "$HARVESTER_BATCH_ID" > id', scheduler="local")
    with one.start() as process:
        process.wait(60)
    batch_id = one.letter("worker_claim.json")["batch_id"]
    assert batch_id.startswith(f"{process.pid}.")
    assert (one.access_point / "id").read_text().strip() == batch_id


def test_the_worker_gets_what_the_launcher_needs(tmp_path: Path) -> None:
    one = trial(tmp_path, "env > environment")
    one.run()
    told = dict(line.partition("=")[::2] for line in (one.access_point / "environment").read_text().splitlines())
    assert {name: told.get(name) for name in told if name.startswith("HARVESTER_")} == {
        "HARVESTER_ID": "tests", "HARVESTER_WORKER_ID": "5", "HARVESTER_ACCESS_POINT": str(one.access_point),
        "HARVESTER_MAPTYPE": "OneToOne", "HARVESTER_NNODE": "1", "HARVESTER_NTASKS": "1", "HARVESTER_BATCH_ID": "7",
        "HARVESTER_OUTER_PYTHONPATH": "",
    }
    assert told["PYTHONPATH"] == ":".join(source_roots())


def test_names_with_shell_in_them_are_only_names(tmp_path: Path) -> None:
    folder = tmp_path / "a $(touch gotcha) 'b' \"c\" {{d}}"
    folder.mkdir()
    instance = "x\ntouch gotcha\n$(touch gotcha)"
    surroundings = replace(context(folder, "slurm"), instance=instance, queue=Queue(name="q", access_root=str(folder)))
    worker = payload_worker(folder, "h1-1", "echo ran >> ran")
    programs = folder / "programs"
    programs.mkdir()
    script = rendered(tmp_path, script_values(worker, surroundings, ScriptExtras(), at_scheduler("slurm")))
    one = Trial(folder, Path(worker.access_point), script, programs)
    assert one.run().returncode == 0
    assert one.ran() == 1
    assert not list(tmp_path.rglob("gotcha"))


def test_our_packages_are_found_on_the_node() -> None:
    assert all(any(Path(root, name).is_dir() for root in source_roots()) for name in ("harvester_hpc", "harvester_launch"))
