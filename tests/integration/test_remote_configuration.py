"""An instance whose queues are configured elsewhere: what changes while it runs, what stays, and what a crash leaves."""
from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.instance import Instance, gated, times_begun, until
from tests.web_files import WebFiles, web_files

QUICK: dict[str, Any] = {"pollInterval": 0.5}


@pytest.fixture
def web() -> Iterator[WebFiles]:
    with web_files() as served:
        publish(served, {"Q": QUICK})
        yield served


@pytest.fixture
def instance(tmp_path: Path, web: WebFiles) -> Iterator[Instance]:
    environment = {"HARVESTER_QUEUE_CONFIG_URL": f"{web.url}/q"}
    with Instance(tmp_path / "home", environment) as one:
        one.make({"extends": "local", "instance": "tests", "agents": {"cacher": {"period": 0.3}}})
        yield one


def publish(web: WebFiles, queues: dict[str, Any]) -> None:
    web.text["/q"] = json.dumps(queues)


def troubles(instance: Instance) -> list[tuple[Any, ...]]:
    return instance.query("SELECT why FROM trouble WHERE agent = 'cacher'")


def version(instance: Instance, job: int) -> int:
    ((number,),) = instance.query("SELECT worker.version FROM worker JOIN bond USING (worker_id) WHERE job_id = ?", job)
    return int(number)


def is_changed(instance: Instance, words: str) -> None:
    until(lambda: words in instance.log, lambda: f"{words!r} is told\n{instance.log[-4000:]}")
    until(lambda: bool(instance.query("SELECT 1 FROM configuration WHERE how = 'changed'")), "it is in use")


def test_a_new_queue_is_served_and_a_worker_under_way_keeps_what_it_was_made_with(
    instance: Instance, web: WebFiles, tmp_path: Path
) -> None:
    instance.serve()
    first = instance.shell(gated(tmp_path))
    until(lambda: times_begun(tmp_path, "go") == [1], lambda: f"the payload begins\n{instance.log}")
    before = instance.query("SELECT access_point FROM worker")[0][0]
    other = {**QUICK, "maxWorkers": 3, "messenger": {"accessPoint": "${workDir}/elsewhere/${queueName}/${workerID}"}}
    publish(web, {"Q": other, "NEW": QUICK})
    is_changed(instance, "queues.Q.messenger.accessPoint")
    assert "queues.Q.maxWorkers: 0 -> 3 (at once)" in instance.log
    second, third = instance.shell("true", queue="Q"), instance.shell("true", queue="NEW")
    assert instance.wait(second) == instance.wait(third) == "finished"
    assert "/elsewhere/Q/" in instance.worker(second)["access_point"]
    (tmp_path / "go").touch()
    assert instance.wait(first) == "finished"
    assert version(instance, first) != version(instance, second)
    assert instance.worker(first)["access_point"] == before
    assert times_begun(tmp_path, "go") == [1]


def test_a_queue_that_is_removed_finishes_its_workers_also_after_a_crash(instance: Instance, web: WebFiles, tmp_path: Path) -> None:
    instance.serve()
    job = instance.shell(gated(tmp_path))
    until(lambda: times_begun(tmp_path, "go") == [1], lambda: f"the payload begins\n{instance.log}")
    publish(web, {"OTHER": QUICK})
    is_changed(instance, "not configured any more, what is under way goes on to its end queue=Q")
    instance.kill()
    instance.serve()
    (tmp_path / "go").touch()
    assert instance.wait(job) == "finished"
    until(lambda: instance.is_told(job), lambda: f"it is told\n{instance.log[-3000:]}")
    assert times_begun(tmp_path, "go") == [1]


@pytest.mark.parametrize("fault", ["half", "wrong"])
def test_a_file_that_cannot_be_had_or_used_is_one_trouble_with_a_clock_and_work_goes_on(
    instance: Instance, web: WebFiles, fault: str
) -> None:
    instance.serve()
    until(lambda: len(web.asked) > 1, "it is read again")
    if fault == "wrong":
        publish(web, {"Q": {**QUICK, "stager": {"name": "no such stager"}}})
    else:
        web.fault = fault
    until(lambda: bool(troubles(instance)), lambda: f"it is told\n{instance.log[-3000:]}")
    assert instance.wait(instance.shell("true")) == "finished"
    told = instance.json("status", code=5)
    assert [one["agent"] for one in told["troubles"]] == ["cacher"]
    instance.stop()
    instance.serve()  # the copy from before is there
    assert instance.wait(instance.shell("true")) == "finished"
    web.fault = ""
    publish(web, {"Q": {**QUICK, "maxWorkers": 7}})
    until(lambda: not troubles(instance) and "maxWorkers: 0 -> 7" in instance.log, lambda: f"it works again\n{instance.log[-3000:]}")
    assert instance.log.count(" WARNING ") + instance.log.count(" ERROR ") <= 4, instance.log


def test_a_crash_between_keeping_and_using_a_configuration_loses_nothing(instance: Instance, web: WebFiles, tmp_path: Path) -> None:
    process = instance.start({"HARVESTER_HPC_FAULT": "configuration kept, not used:2"})
    job = instance.shell(gated(tmp_path))
    publish(web, {"Q": {**QUICK, "maxWorkers": 4}, "NEW": QUICK})
    until(lambda: process.poll() is not None, lambda: f"it dies\n{instance.log}")
    (tmp_path / "go").touch()
    web.fault = "500"
    instance.serve()
    assert instance.wait(job) == "finished"
    assert instance.wait(instance.shell("true", queue="NEW")) == "finished"
    assert times_begun(tmp_path, "go") == [1]


def test_what_is_different_is_told_with_when_it_counts(instance: Instance, web: WebFiles) -> None:
    instance("config", "diff", code=1)
    instance("run", "--once")
    assert "nothing is different" in instance("config", "diff").stdout
    publish(web, {"Q": {**QUICK, "maxWorkers": 4, "mapType": "ManyToOne"}, "NEW": QUICK})
    told = instance.json("config", "diff", code=1)["differences"]
    effects = {one["path"]: one["effect"] for one in told}
    assert effects["queues.Q.maxWorkers"] == "at once"
    assert effects["queues.Q.mapType"] == "at restart"
    assert effects["queues.NEW"] == "at once"
    lines = instance("config", "show", "--resolved", "--origins").stdout.splitlines()
    assert f'queues.Q.pollInterval = 0.5  # {web.url}/q: Q.pollInterval' in lines, "the copy counts, not what nobody has used yet"
    assert "queues.Q.maxWorkers = 0  # default" in lines
