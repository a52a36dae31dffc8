"""Dialogs: an operator far away hears what needs a person, once."""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harvester_hpc.model.dialog import Level
from harvester_hpc.model.worker import MapType
from harvester_hpc.store import dialog as dialogs
from tests.unit.agents.test_pipeline import Worlds
from tests.unit.agents.world import World


@pytest.fixture
def worlds(tmp_path: Path) -> Iterator[Worlds]:
    made = Worlds(tmp_path)
    yield made
    made.close()


def tell(world: World, identifier: str = "queue Q") -> None:
    with world.database.write() as write:
        dialogs.add(write, "stager", identifier, Level.ERROR, "no space left; free some")


def test_a_message_is_sent_once_with_the_keys_of_the_published_interface(worlds: Worlds) -> None:
    world = worlds()
    tell(world)
    world.later(1.0)
    world.later(100_000.0)
    (letter,) = world.communicator.dialogs
    assert letter == {
        "diagID": "1", "moduleName": "stager", "identifier": "queue Q", "messageLevel": "ERROR", "diagMessage": "no space left; free some",
        "creationTime": letter["creationTime"],
    }
    assert letter["creationTime"].endswith("Z")


def test_a_message_that_is_not_taken_is_sent_again_and_holds_up_no_report(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=3)
    world.communicator.faults.fail("send_dialog_messages", 3, "busy")
    tell(world)
    world.settle()
    world.later(2.0)
    assert world.communicator.dialogs == []
    assert world.communicator.counts()["finished"] == 3
    for _ in range(5):
        world.later(60.0)
    assert len(world.communicator.dialogs) == 1
    assert world.troubles() == []


def test_a_trouble_of_an_hour_is_told_once_and_one_of_minutes_is_not(worlds: Worlds) -> None:
    world = worlds(instant=False, jobs_waiting=1)
    world.batch.faults.fail("check_workers", 10_000, "squeue does not answer")
    world.settle()
    for _ in range(5):
        world.later(600.0)
    assert world.communicator.dialogs == []
    for _ in range(20):
        world.later(600.0)
    (letter,) = world.communicator.dialogs
    assert letter["moduleName"] == "monitor"
    assert letter["messageLevel"] == "WARNING"
    assert "squeue does not answer" in letter["diagMessage"]


def test_a_silent_system_is_not_told_of_its_own_silence_when_it_speaks_again(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=1)
    world.communicator.faults.fail("update_jobs", 10_000, "no route")
    for _ in range(12):
        world.later(600.0)
    world.communicator.faults.clear()
    for _ in range(3):
        world.later(1000.0)
    assert world.communicator.counts()["finished"] == 1
    assert world.communicator.dialogs == []


def test_a_queue_whose_workers_fail_one_after_the_other_is_told_once(worlds: Worlds) -> None:
    pull = {"map_type": MapType.NO_JOB, "limit_jobs": None, "limit_queued_workers": 1, "max_workers": 1}
    world = worlds(queue=pull, instant=False, finishes=False)
    world.settle()
    for number in range(1, 7):
        world.batch.start(world.worker(number).key)
        world.later(2.0)
        world.batch.end(world.worker(number).key, 1)
        world.later(2.0)
        assert len(world.communicator.dialogs) == (number >= 3)
        world.later(1000.0)
    assert world.communicator.dialogs[0]["identifier"] == "queue Q rests"
