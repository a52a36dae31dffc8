"""``submit --dry-run``: scripts and commands are shown, and nothing is touched."""
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.cli.exits import Exit
from harvester_hpc.cli.frame import run
from tests.unit.cli.rows_and_answers import Said

FACILITY = {"scheduler": "slurm", "queues": [{"name": "fast", "maxNodes": 4, "maxWalltime": "01:00:00"}], "node": {"cores": 8}}
PILOT = {"name": "psij", "pilot": ["/opt/pilot"]}
QUEUES: dict[str, Any] = {
    "ONE": {"siteName": "SITE_ONE"}, "MANY": {"mapType": "ManyToOne", "workerMaker": {"name": "multi_job", "nJobsPerWorker": 4}},
    "PULL": {"mapType": "NoJob", "submitter": PILOT, "resources": {"nodes": 2, "walltime": 600}},
}
JOB = {"executable": "/bin/true", "cores": 2, "walltime": 300}


class DryRun:
    """An instance at a Slurm that there is not."""

    def __init__(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.home, self.capsys = home, capsys
        home.mkdir()
        values = {"extends": "slurm-generic", "instance": "t", "facility": FACILITY, "queues": QUEUES}
        (home / "harvester.json").write_text(json.dumps(values))

    def __call__(self, *words: object, jobs: object = None) -> Said:
        file = self.home.parent / "jobs.json"
        file.write_text(json.dumps(jobs))
        before = self.files()
        self.capsys.readouterr()
        code = run(["--home", str(self.home), "submit", "--dry-run", *map(str, words), *([str(file)] if jobs is not None else [])])
        said = self.capsys.readouterr()
        assert self.files() == before, "a dry run touches nothing"
        return Said(code, said.out, said.err)

    def files(self) -> dict[str, int]:
        return {str(path): path.stat().st_mtime_ns for path in self.home.rglob("*")}

    def shown(self, *words: object, jobs: object = None) -> list[dict[str, Any]]:
        shown: list[dict[str, Any]] = json.loads(self(*words, "--json", jobs=jobs).out)
        return shown


@pytest.fixture
def dry(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> DryRun:
    return DryRun(tmp_path / "home", capsys)


def test_what_is_printed_is_a_batch_script_with_the_command_as_a_remark(dry: DryRun) -> None:
    said = dry(jobs=JOB)
    assert said.code == Exit.DONE, said.err
    lines = said.out.splitlines()
    assert lines[0] == "#!/bin/bash" and "#SBATCH --partition=fast" in lines and "#SBATCH --time=5" in lines
    assert lines[-1].startswith("# submitted with: sbatch --parsable /")


def test_a_program_with_options_is_shown_like_a_job_file(dry: DryRun) -> None:
    (shown,) = dry.shown("--exec", "/bin/true", "--walltime", 120)
    assert (shown["queue"], shown["nodes"], shown["walltime_s"], shown["jobs"]) == ("ONE", 1, 120, [1])
    assert not Path(shown["access_point"]).exists()


def test_jobs_share_workers_as_they_will(dry: DryRun) -> None:
    shown = dry.shown("--queue", "MANY", jobs=[JOB] * 6)
    assert [one["jobs"] for one in shown] == [[1, 2, 3, 4], [5, 6]]
    assert len(dry.shown("--queue", "ONE", "--count", 3, jobs=JOB)) == 3
    two = dry.shown(jobs=[JOB, {**JOB, "queue": "MANY"}, JOB])
    assert [(one["queue"], one["jobs"]) for one in two] == [("ONE", [1]), ("ONE", [3]), ("MANY", [2])]


def test_a_pull_queue_needs_no_job(dry: DryRun) -> None:
    (shown,) = dry.shown("--queue", "PULL")
    assert (shown["nodes"], shown["walltime_s"], shown["jobs"]) == (2, 600, [])
    assert "/opt/pilot" in shown["script"]
    assert dry("--queue", "PULL", jobs=JOB).code == Exit.ERROR
    said = dry("--queue", "ONE")
    assert said.code == Exit.ERROR and "name a job file" in said.err


def test_a_job_that_gets_no_worker_says_why_and_the_others_are_shown(dry: DryRun) -> None:
    said = dry(jobs=[JOB, {**JOB, "cores": 99}])
    assert said.code == Exit.ERROR
    assert "# no worker for job 2 of queue ONE: job 2: 99 cores asked" in said.out and "# submitted with:" in said.out


def test_a_queue_may_be_named_as_the_workload_management_system_does(dry: DryRun) -> None:
    assert dry.shown(jobs={**JOB, "queue": "SITE_ONE"})[0]["queue"] == "ONE"
    said = dry(jobs={**JOB, "queue": "ONNE"})
    assert said.code == Exit.ERROR and "did you mean 'ONE'?" in said.err


def test_a_job_dictionary_is_taken_as_it_is(dry: DryRun) -> None:
    (shown,) = dry.shown(jobs={"PandaID": 4711, "coreCount": 3, "maxWalltime": 60})
    assert shown["jobs"] == [4711]


def test_a_description_that_is_none_is_refused(dry: DryRun) -> None:
    said = dry(jobs={"executabel": "x"})
    assert said.code == Exit.ERROR and "executabel" in said.err


def test_nothing_is_handed_in(dry: DryRun, tmp_path: Path) -> None:
    dry(jobs=JOB)
    assert sorted(path.name for path in dry.home.iterdir()) == ["harvester.json"]
