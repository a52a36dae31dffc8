"""The demo's parts: its folder, its histograms, what it asks of Slurm."""
from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from harvester_hpc.cli.demo import folder, jumbo, performance
from harvester_hpc.cli.demo.folder import MARK, OURS, prepare
from harvester_hpc.cli.demo.histogram import merged
from harvester_hpc.cli.demo.performance import path_of
from harvester_hpc.cli.demo.progress import watch
from harvester_hpc.cli.instance import Instance
from harvester_hpc.config.load import load
from harvester_hpc.errors import HarvesterError, Unavailable
from harvester_hpc.model.job import JobState
from harvester_hpc.registry import Registry
from harvester_hpc.store import job as jobs
from tests.unit.cli.rows_and_answers import Stored


def written(path: Path, events: int, counts: dict[str, int]) -> Path:
    path.write_text(json.dumps({"generator": "G", "collision": "pp", "observable": "n", "events": events, "counts": counts}))
    return path


def test_histograms_add_up(tmp_path: Path) -> None:
    files = [written(tmp_path / "a", 3, {"0": 1, "10": 2}), written(tmp_path / "b", 2, {"10": 1, "40": 1})]
    whole = merged(files)
    assert dict(whole.counts) == {0: 1, 10: 3, 40: 1}
    assert (whole.events, whole.mean, whole.title) == (5, 14.0, "G, pp: n")


def test_events_that_are_missing_are_noticed(tmp_path: Path) -> None:
    with pytest.raises(HarvesterError, match="holds 2 events and says that it has 3"):
        merged([written(tmp_path / "a", 3, {"1": 2})])


@pytest.mark.parametrize("text", [
    "", "[]", '{"counts": {}}', '{"generator": "", "collision": "", "observable": "", "events": 1, "counts": {"x": 1}}',
])
def test_what_is_no_histogram_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "a").write_text(text)
    with pytest.raises(HarvesterError, match="is no histogram"):
        merged([tmp_path / "a"])


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "harvester.json").write_text("mine")
    with pytest.raises(HarvesterError, match="something else"):
        prepare(tmp_path, "local")
    assert [path.name for path in tmp_path.iterdir()] == ["harvester.json"]


def test_its_own_folder_is_cleaned_and_nothing_besides(tmp_path: Path) -> None:
    place, precious = tmp_path / "demo", tmp_path / "precious"
    precious.mkdir()
    (precious / "file").touch()
    prepare(place, "local")
    (place / "outputs").mkdir()
    (place / "outputs" / "old").touch()
    (place / "work").symlink_to(precious)
    (place / "notes.txt").touch()
    prepare(place, "local")
    assert {path.name for path in place.iterdir()} == {MARK, "harvester.json", "state", "notes.txt"}
    assert (precious / "file").exists()


def test_its_configuration_can_be_read_and_keeps_all_in_the_folder(tmp_path: Path) -> None:
    place = tmp_path / "demo"
    prepare(place, "local")
    configuration = load(place)
    queue = configuration.queues["DEMO"]
    assert Path(queue.queue.access_root).is_relative_to(place)
    assert Path(str(queue.sections["stager"]["destination"])).is_relative_to(place)
    assert configuration.state_dir.is_relative_to(place)
    assert {"work", "outputs", "state"} < set(OURS)


@pytest.mark.parametrize(("text", "name", "cores"), [
    ("a|up|4\nb*|up|8\n", "b", 8), ("a|down|4\nb|up|16+\nc|up|1\n", "b", 16), ("b*|down|8\nc|up|2", "c", 2),
])
def test_the_default_partition_is_taken_or_the_first_that_is_up(text: str, name: str, cores: int) -> None:
    assert folder._default_partition(text) == {"name": name, "cores": cores}


@pytest.mark.parametrize("text", ["", "a|down|4", "nonsense"])
def test_no_partition_that_is_up_is_said(text: str) -> None:
    with pytest.raises(Unavailable):
        folder._default_partition(text)


def _commands(monkeypatch: pytest.MonkeyPatch, place: Path, sinfo: str) -> None:
    place.mkdir()
    for name, text in (("sbatch", "exit 0"), ("sinfo", sinfo)):
        (place / name).write_text(f"#!/bin/sh\n{text}\n")
        (place / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{place}:{os.defpath}")


def test_slurm_tells_the_partition_and_the_shape_of_a_node(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _commands(monkeypatch, tmp_path / "bin", 'echo "debug*|up|2"')
    prepare(tmp_path / "demo", "slurm")
    configuration = load(tmp_path / "demo")
    facility = configuration.facility
    assert (facility.scheduler, facility.queues[0].name, facility.node.cores) == ("slurm", "debug", 2)
    assert set(Registry().plugins_of(configuration)) == set(configuration.queues)


def test_the_plugins_of_the_demo_on_this_machine_can_be_made(tmp_path: Path) -> None:
    prepare(tmp_path / "demo", "local")
    configuration = load(tmp_path / "demo")
    assert set(Registry().plugins_of(configuration)) == set(configuration.queues)


def test_a_slurm_that_does_not_answer_is_said_in_its_own_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _commands(monkeypatch, tmp_path / "bin", 'echo "slurm_load_partitions: Unable to contact slurm controller" >&2; exit 1')
    with pytest.raises(Unavailable) as caught:
        prepare(tmp_path / "demo", "slurm")
    assert "Unable to contact slurm controller" in caught.value.why
    assert "harvester_hpc.testing.slurm up" in caught.value.remedy
    assert not (tmp_path / "demo").exists()


def test_no_slurm_at_all_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match="no Slurm here"):
        prepare(tmp_path / "demo", "slurm")


def test_a_job_that_has_failed_makes_the_demo_fail_with_its_reason(
    home: Path, stored: Stored, capsys: pytest.CaptureFixture[str]
) -> None:
    stored.add_job(1, JobState.FINISHED)
    stored.add_job(2, JobState.FAILED, why="exit code 7: no events today")
    instance = Instance(home_option=str(home), environ={})
    with instance.reading() as connection:
        ended = list(jobs.by_ids(connection, [1, 2]).values())
    with pytest.raises(HarvesterError, match="1 of 2 jobs have not finished; exit code 7: no events today"):
        performance._end(instance, ended, 1.0)
    assert "job 2 failed: exit code 7: no events today" in capsys.readouterr().err


def test_an_instance_that_ends_early_makes_the_demo_fail(home: Path, stored: Stored, capsys: pytest.CaptureFixture[str]) -> None:
    stored.add_job(1)
    process = subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"])
    with pytest.raises(HarvesterError, match="ended with exit code 3"):
        watch(Instance(home_option=str(home), environ={}), [1, 2], process, 60.0)
    assert "waiting 1  running 1" in capsys.readouterr().out


def test_jobs_that_do_not_end_make_the_demo_fail(home: Path, stored: Stored) -> None:
    stored.add_job(1)
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        with pytest.raises(HarvesterError, match=r"have not ended within 0\.1 s: 1 running"):
            watch(Instance(home_option=str(home), environ={}), [1], process, 0.1)
    finally:
        process.communicate(b"\n")


def test_a_url_is_read_back_into_its_path() -> None:
    path = Path("/a folder/with %41 and ünicode")
    assert path_of(path.as_uri()) == path


def _zip(path: Path, *ranges: str, events: int = 2) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for number, name in enumerate(ranges):
            content = {"generator": "G", "collision": "pp", "observable": "n", "range": name, "events": events, "counts": {"3": 2}}
            archive.writestr(f"{number:05d}.{name}.json", json.dumps(content))
    return path


def test_every_range_of_a_jumbo_job_is_counted_once(tmp_path: Path) -> None:
    zips = [_zip(tmp_path / "a.zip", "1", "2"), _zip(tmp_path / "b.zip", "3")]
    assert jumbo.counted(zips, 3).events == 6


@pytest.mark.parametrize(("second", "expected"), [(("2", "3"), 3), (("3",), 4), (("3", "3"), 3)])
def test_a_range_that_is_missing_or_counted_twice_is_an_error(tmp_path: Path, second: tuple[str, ...], expected: int) -> None:
    zips = [_zip(tmp_path / "a.zip", "1", "2"), _zip(tmp_path / "b.zip", *second)]
    with pytest.raises(HarvesterError, match="ranges were brought away"):
        jumbo.counted(zips, expected)


def test_a_range_with_another_number_of_events_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(HarvesterError, match="holds 2 events and says that it has 5"):
        jumbo.counted([_zip(tmp_path / "a.zip", "1", events=5)], 1)
