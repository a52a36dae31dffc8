"""The check program: what is a problem, what is said of it, and what a process finds out about itself."""
from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harvester_launch.check_facts import facts, gpus_in, launch_in, listed, numbers_of, rank_in
from harvester_launch.check_table import Expected, problems_in, remarks_in, table


def report(rank: int, host: str = "n1", **more: Any) -> dict[str, Any]:
    return {
        "rank": rank, "host": host, "pid": 1, "cores": "0-3", "coresOfNode": 8, "gpus": 0, "gpuVariables": {}, "python": "3.11.7 /p",
        "mpi": "MPICH 5", "harvester": {"HARVESTER_ID": "x"}, "worldSize": 4, "sees": True, "seesAfter": 0.1, "shown": True,
        "shownAfter": 0.1, **more,
    }


GOOD = [report(0), report(1), report(2, "n2"), report(3, "n2")]
EXPECTED = Expected(ranks=4, nodes=2, cores_per_node=4)


def test_nothing_is_wrong_where_all_is_as_expected() -> None:
    assert list(problems_in(GOOD, EXPECTED)) == [] and list(remarks_in(GOOD)) == []
    assert list(problems_in(GOOD, Expected())) == []
    assert table(GOOD, [], []).splitlines()[-1] == "all is well"


@pytest.mark.parametrize(("reports", "words"), [
    (GOOD[:3], "1 of 4 ranks have not reported: 3"),
    ([report(rank, host="n1") for rank in range(4)], "the ranks are on 1 nodes (n1), and 2 were asked for"),
    ([one | {"worldSize": 1} for one in GOOD], "MPI made one world of each rank"),
    ([one | {"worldSize": 0, "mpi": "none: no module"} for one in GOOD], "no MPI on 4 ranks: none: no module"),
    ([*GOOD[:2], report(2, "n2", cores="0"), report(3, "n2", cores="1")], "the ranks of n2 may use 2 cores, and 4 were asked for"),
    ([*GOOD[:3], report(3, "n2", sees=False, seesAfter=None)], "ranks 3 do not see a file that rank 0 has written"),
    ([*GOOD[:3], report(3, "n2", shown=False, shownAfter=None)], "ranks 3 have written a file that rank 0 does not see"),
    ([*GOOD[:3], report(3, "n2", python="3.12.0 /q")], "the ranks have different Pythons: 3.11.7 /p; 3.12.0 /q"),
    ([*GOOD[:3], report(3, "n2", mpi="Open MPI 5")], "the ranks have different MPI libraries"),
    ([*GOOD[:3], report(3, "n2", harvester={})], "ranks 3 have no HARVESTER_ID: the launcher does not pass the environment on"),
])
def test_each_thing_that_keeps_workers_from_working_is_one_problem(reports: list[dict[str, Any]], words: str) -> None:
    (found,) = problems_in(reports, EXPECTED)
    assert found.startswith(words)
    assert f"problem: {words}" in table(reports, [found], [])


def test_a_late_file_system_and_uneven_ranks_are_only_remarked() -> None:
    reports = [*GOOD[:3], report(3, "n1", seesAfter=31.5)]
    assert list(problems_in(reports, EXPECTED)) == []
    assert list(remarks_in(reports)) == [
        "not the same number of ranks on each node: n1 3, n2 1", "the file system shows new files up to 31.5 s late",
    ]


def test_numbers_are_listed_as_ranges_and_read_again() -> None:
    assert listed({0, 1, 2, 5, 7, 8}) == "0-2,5,7-8" and listed([]) == ""
    assert numbers_of("0-2,5,7-8") == {0, 1, 2, 5, 7, 8} and numbers_of("") == set()


@pytest.mark.parametrize(("environ", "found"), [
    ({}, (None, None)),
    ({"PMI_RANK": "3", "PMI_SIZE": "8", "SLURM_PROCID": "0"}, (3, 8)),
    ({"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2", "PMIX_RANK": "1"}, (1, 2)),
    ({"SLURM_PROCID": "5", "SLURM_STEP_NUM_TASKS": "6"}, (5, 6)),
    ({"PALS_RANKID": "4"}, (4, None)),
])
def test_a_rank_is_known_by_its_launcher(environ: dict[str, str], found: tuple[int | None, int | None]) -> None:
    assert rank_in(environ) == found


def test_a_launch_has_a_name_that_is_a_file_name() -> None:
    assert launch_in({}) == "alone"
    assert launch_in({"HARVESTER_BATCH_ID": "1.2@h", "SLURM_JOB_ID": "7", "SLURM_STEP_ID": "0"}) == "1.2_h-7-0"


def test_gpus_are_counted_by_their_devices(tmp_path: Path) -> None:
    (tmp_path / "dri").mkdir()
    for name in ("nvidia0", "nvidia1", "nvidiactl", "dri/renderD128", "null"):
        (tmp_path / name).touch()
    assert gpus_in(tmp_path) == 2
    own = facts(0, {"CUDA_VISIBLE_DEVICES": "1", "HARVESTER_ID": "x", "SECRET": "y"}, "m", tmp_path)
    assert (own["gpus"], own["gpuVariables"], own["harvester"]) == (2, {"CUDA_VISIBLE_DEVICES": "1"}, {"HARVESTER_ID": "x"})


def by_files(folder: Path, rank: int, *options: str) -> subprocess.Popen[str]:
    """Start a rank where there is no mpi4py."""
    without = folder / "without"
    without.mkdir(exist_ok=True)
    (without / "mpi4py.py").write_text("raise ImportError('not here')")
    path = os.pathsep.join([str(without), *filter(None, sys.path)])
    return subprocess.Popen(
        [sys.executable, "-m", "harvester_launch", "check", "--access-point", str(folder), *options],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": path, "PMI_RANK": str(rank)}, stdout=subprocess.PIPE, text=True,
    )


def test_without_mpi_ranks_report_by_files(tmp_path: Path) -> None:
    ranks = [by_files(tmp_path, rank, "--ranks", "3") for rank in (2, 0, 1)]
    printed = [rank.communicate(timeout=120)[0] for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 86, 0]
    said = json.loads((tmp_path / "check.json").read_text())
    assert [(one["rank"], one["sees"], one["shown"]) for one in said["reports"]] == [(0, True, True), (1, True, True), (2, True, True)]
    assert said["problems"] == ["no MPI on 3 ranks: none: not here"]
    assert printed[1].count("\n") == 5 and not printed[0] and not printed[2]


def test_a_rank_that_never_reports_is_named(tmp_path: Path) -> None:
    lonely = by_files(tmp_path, 0, "--ranks", "2", "--patience", "0.2")
    assert "problem: 1 of 2 ranks have not reported: 1\n" in lonely.communicate(timeout=120)[0]
