"""The plugins of docs/plugins.md, run as they stand there; and the dummies."""
from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.instance import Instance, shell, until

PAGE = (Path(__file__).parents[2] / "docs" / "plugins.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Instance]:
    """An instance with the page's submitter, monitor, sweeper and stager."""
    package = tmp_path / "my_site"
    package.mkdir()
    (package / "__init__.py").touch()
    for name, text in zip(("processes", "folder"), blocks("python"), strict=False):
        (package / f"{name}.py").write_text(text)
    _, batch, stager = (json.loads(text) for text in blocks("json"))
    stager["stager"]["folder"] = str(tmp_path / "outputs")
    queue: dict[str, Any] = {"pollInterval": 0.5, **batch, **stager}
    with Instance(tmp_path / "home", {"PYTHONPATH": str(tmp_path)}) as one:
        one.make({"extends": "local", "instance": "tests", "queues": {"Q": queue}})
        yield one


def test_the_plugins_of_the_page_run_jobs(instance: Instance, tmp_path: Path) -> None:
    instance("config", "check")
    instance.serve()
    good, bad, endless = instance.submit(
        shell("echo hello > out.txt", outputs=["out.txt"]), shell("exit 3"), shell("sleep 300"),
    )
    assert instance.wait(good) == "finished", instance.why(good)
    assert (tmp_path / "outputs" / str(good) / "out.txt").read_text() == "hello\n"
    assert instance.wait(bad) == "failed"
    instance.wait(endless, {"running"})
    instance("kill", "--yes", endless)
    assert instance.wait(endless) == "cancelled"


def test_a_worker_of_the_page_is_not_started_twice_by_a_daemon_that_was_killed(instance: Instance) -> None:
    job = instance.shell("sleep 1; echo started >> ../started")
    process = instance.start({"HARVESTER_HPC_FAULT": "submitted, not stored"})
    until(lambda: process.poll() is not None, "it dies")
    instance.serve()
    assert instance.wait(job) == "finished", instance.why(job)
    (trace,) = (instance.home / "work").rglob("started")
    assert trace.read_text() == "started\n"


def test_jobs_go_through_a_queue_of_dummies(tmp_path: Path) -> None:
    configuration = json.loads(blocks("json")[0])
    for kind in ("submitter", "monitor"):
        configuration["queues"]["Q"][kind]["runS"] = 0.2
    configuration["queues"]["Q"]["pollInterval"] = 0.5
    with Instance(tmp_path / "home") as one:
        one.make(configuration)
        one("config", "check")
        one.serve()
        until(lambda: one.query("SELECT count(*) FROM job WHERE state = 'finished'") == [(20,)], lambda: one.log[-3000:])
