"""The whole program on disks that are full or read-only: jobs wait, nothing is lost, and it says what is wrong."""
from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.integration.disk import OwnDisk
from tests.integration.instance import Instance, gated, until
from tests.mounts import read_only, tiny

LOCAL = {"extends": "local", "instance": "tests", "queues": {"Q": {"pollInterval": 0.5}}}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The folder of an instance that was made and never ran."""
    made = Instance(tmp_path / "home")
    made.make(LOCAL)
    (made.home / "work").mkdir(exist_ok=True)
    return made.home


@pytest.fixture
def work(home: Path, unshare: list[str]) -> Iterator[OwnDisk]:
    """A disk of two megabytes in place of the folder of the access points."""
    with OwnDisk(unshare, home / "work", tiny(home / "work", "2m")) as disk:
        yield disk


@pytest.fixture
def state(home: Path, unshare: list[str]) -> Iterator[OwnDisk]:
    """A disk of four megabytes in place of the state folder."""
    with OwnDisk(unshare, home / "state", tiny(home / "state", "4m")) as disk:
        yield disk


def job_of(instance: Instance, job: int) -> Mapping[str, Any]:
    """Return what ``jobs show`` tells of a job; nothing while it is not known."""
    shown = instance("jobs", "show", job, "--json", code=None).stdout
    facts: Mapping[str, Any] = json.loads(shown) if shown else {"state": ""}
    return facts


def test_jobs_wait_for_space_for_their_folders(home: Path, work: OwnDisk) -> None:
    with Instance(home, prefix=work.enter) as instance:
        instance.serve()
        assert instance.wait(instance.shell("true")) == "finished"
        work.fill()
        job = instance.shell("true")
        until(lambda: instance.query("SELECT 1 FROM trouble") != [], lambda: f"the trouble is told\n{instance.log}")
        (trouble,) = instance.json("status", code=5)["troubles"]
        assert (trouble["agent"], trouble["queue"]) == ("submitter", "Q")
        assert f"{home}/work/Q/" in trouble["why"]
        assert "No space left on device" in trouble["why"]
        assert instance.state(job) == "submitted"
        work.free()
        assert instance.wait(job) == "finished"
        assert instance.json("jobs", "show", job)["submissions"] == 1
        until(lambda: instance.query("SELECT 1 FROM trouble") == [], lambda: f"the trouble ends\n{instance.log}")
        assert instance.stop() == 0


def test_a_full_state_folder_stops_everything_and_loses_nothing(home: Path, tmp_path: Path, state: OwnDisk) -> None:
    with Instance(home, prefix=state.enter) as instance:
        instance.serve()
        job = instance.shell(gated(tmp_path))
        until(lambda: job_of(instance, job)["state"] == "running", "the job runs")
        state.fill()
        (tmp_path / "go").touch()
        log = state.inside("log", "daemon.log")
        console = home / "console.log"
        until(lambda: "cannot grow: its file system is full" in console.read_text(), lambda: f"a round fails\n{log.read_text()}")
        assert job_of(instance, job)["state"] == "running"
        # Reading needs no space, and nothing is handed in by halves.
        (trouble,) = (one for one in instance.json("status", code=5)["troubles"] if one["agent"] == "store")
        assert "is full" in trouble["why"]
        refused = instance("submit", "--exec", "/bin/true", code=75)
        assert f"{home}/state/" in refused.stderr
        state.free()
        until(lambda: job_of(instance, job)["state"] == "finished", lambda: f"the job ends\n{log.read_text()}")
        second = instance.shell("true")
        assert second == job + 1
        until(lambda: job_of(instance, second)["state"] == "finished", lambda: f"the second job ends\n{log.read_text()}")
        assert len(instance.json("workers", "list", "-a")["workers"]) == 2
        assert instance.stop() == 0


@pytest.mark.parametrize("words", [("run",), ("run", "--once", "--quiet")], ids=" ".join)
def test_a_read_only_store_is_named_with_the_remedy_and_can_be_read(home: Path, unshare: list[str], words: tuple[str, ...]) -> None:
    with Instance(home) as instance:
        instance.shell("true")
        instance("run", "--once", "--quiet")
    with OwnDisk(unshare, home / "state", read_only(instance.store)) as disk:
        there = Instance(home, prefix=disk.enter)
        refused = there(*words, code=75)
        assert f"error: the store {instance.store} cannot be written\n" in refused.stderr
        assert "what to do: give yourself write permission" in refused.stderr
        assert there.json("jobs", "list", "-a")["matched"] == 1
        there("status", code=4)
        assert "NOT usable" in there("store", "check", code=1).stdout


@pytest.mark.parametrize("words", [("run",), ("start",), ("kill", "1", "--yes"), ("submit", "--exec", "/bin/true")], ids=" ".join)
def test_a_read_only_state_folder_is_named_with_the_remedy(home: Path, unshare: list[str], words: tuple[str, ...]) -> None:
    with Instance(home) as instance:
        instance.shell("true")
        instance("run", "--once", "--quiet")
    with OwnDisk(unshare, home / "state", read_only(home / "state")) as disk:
        refused = Instance(home, prefix=disk.enter)(*words, code=None)
        assert refused.returncode in (1, 75)
        assert f"{home}/state/" in refused.stderr
        assert "what to do: " in refused.stderr
        assert "Traceback" not in refused.stderr
