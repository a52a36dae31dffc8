"""When the allocation ends, and which command a job is."""
from __future__ import annotations

from pathlib import Path

import pytest

from harvester_launch.assignment import Assignment, Unusable
from harvester_launch.command import command_of
from harvester_launch.walltime import end_of, remaining_s


@pytest.mark.parametrize(("environ", "walltime_s", "end"), [
    ({}, None, None),
    ({}, 100, 1100.0),
    ({"SLURM_JOB_END_TIME": "1090"}, 100, 1090.0),
    ({"SLURM_JOB_END_TIME": "2000"}, 100, 1100.0),
    ({"SLURM_JOB_END_TIME": "2000"}, None, 2000.0),
    ({"PBS_WALLTIME": "50"}, 100, 1050.0),
    ({"COBALT_ENDTIME": "1010.5", "PBS_WALLTIME": "50"}, None, 1010.5),
    ({"SLURM_JOB_END_TIME": "UNLIMITED", "PBS_WALLTIME": "", "COBALT_ENDTIME": "nan"}, None, None),
    ({"SLURM_JOB_END_TIME": "-5", "PBS_WALLTIME": "inf", "COBALT_ENDTIME": "0"}, 7, 1007.0),
])
def test_the_earliest_known_end_counts(environ: dict[str, str], walltime_s: int | None, end: float | None) -> None:
    assert end_of(environ, 1000.0, walltime_s) == end


@pytest.mark.parametrize(("end", "left"), [(None, None), (1500.0, 500.0), (1000.0, 0.0), (900.0, 0.0)])
def test_what_is_left_is_never_negative(end: float | None, left: float | None) -> None:
    assert remaining_s(end, 1000.0) == left


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for place, name in (("path", "both"), ("path", "on_path"), ("job", "both"), ("job", "beside")):
        (tmp_path / place).mkdir(exist_ok=True)
        (tmp_path / place / name).touch(mode=0o755)
    return tmp_path / "job"


@pytest.mark.parametrize(("program", "found"), [
    ("on_path", "path/on_path"), ("both", "path/both"), ("beside", "job/beside"), ("./both", "job/both"), ("sub/x", "job/sub/x"),
])
def test_a_program_is_looked_for_on_the_path_and_in_the_folder(folder: Path, program: str, found: str) -> None:
    job = Assignment(job_id=1, folder=folder, job={"transformation": program, "jobPars": "-a 'b c' \"d\" e\\ f"})
    assert command_of(job, {"PATH": str(folder.parent / "path")}) == [str(folder.parent / found), "-a", "b c", "d", "e f"]


def test_an_absolute_or_unknown_program_stays_as_it_is(folder: Path) -> None:
    for program in ("/usr/bin/env", "nowhere", "with a blank"):
        assert command_of(Assignment(job_id=1, folder=folder, job={"transformation": program}), {"PATH": ""}) == [program]


@pytest.mark.parametrize("job", [{}, {"transformation": ""}, {"transformation": "NULL"}, {"transformation": "a\0b"},
                                 {"transformation": "a", "jobPars": "'"}, {"transformation": "a", "jobPars": "a\0"}], ids=str)
def test_a_job_without_a_usable_command_is_refused(folder: Path, job: dict[str, str]) -> None:
    with pytest.raises(Unusable):
        command_of(Assignment(job_id=1, folder=folder, job=job), {})
