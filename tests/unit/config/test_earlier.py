"""Queues as they were configured before, and what is different now."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.config.differences import Effect, differences
from harvester_hpc.config.earlier import earlier_queue, retired
from harvester_hpc.config.show import show
from harvester_hpc.errors import ConfigurationError
from harvester_hpc.policy.fetching import jobs_to_fetch
from tests.unit.config.instance import ENVIRON, loaded

RICH: dict[str, Any] = {
    "maxWorkers": 3, "siteName": "a$b$$HOME", "stager": {"name": "x", "where": "${workDir}/$HOME", "list": ["$$", {"k": "$SCRATCH"}]},
    "messenger": {"accessPoint": "$SCRATCH/${queueName}/${workerID}"}, "templateQueueName": "T_TEMPLATE",
}


def test_a_queue_that_was_kept_is_the_same_again_in_another_environment(tmp_path: Path) -> None:
    environ = {**ENVIRON, "b": "B"}
    found = loaded(tmp_path, {"queues": {"Q": RICH, "T_TEMPLATE": {"common": {"c": "$HOME"}}}}, environ=environ)
    before = found.queues["Q"]
    again = earlier_queue("Q", 3, before.text, found, {})
    assert (again.queue, again.sections, again.common, again.text) == (before.queue, before.sections, before.common, before.text)


def test_what_cannot_be_used_any_more_says_which_version(tmp_path: Path) -> None:
    found = loaded(tmp_path, {})
    text = json.dumps({**json.loads(found.queues["Q"].text), "maxWorkers": -1})
    with pytest.raises(ConfigurationError, match=r"version 3 in the store: Q\.maxWorkers"):
        earlier_queue("Q", 3, text, found, ENVIRON)


@pytest.mark.parametrize("queue", [{}, {"nQueueLimitJob": 5}, {"nQueueLimitJobRatio": 50, "nQueueLimitJobMin": 5}, {"mapType": "NoJob"}])
def test_a_retired_queue_fetches_nothing(tmp_path: Path, queue: dict[str, Any]) -> None:
    before = loaded(tmp_path, {"queues": {"Q": queue}}).queues["Q"].queue
    assert jobs_to_fetch(retired(before), [], 100).number == 0
    assert retired(before).status.makes_workers == (queue.get("mapType") != "NoJob")


def test_each_difference_says_when_it_counts(tmp_path: Path) -> None:
    before = show(loaded(tmp_path, {"queues": {"a.b": {}, "GONE": {}}}))
    after = show(loaded(tmp_path, {"queues": {
        "a.b": {"maxWorkers": 2, "stager": {"name": "x"}, "mapType": "ManyToOne", "resources": {"nodes": 3}}, "NEW": {},
    }, "agents": {"batch": 7}}))
    effects = {one.keys: one.effect for one in differences(before, after)}
    assert effects[("queues", "a.b", "maxWorkers")] is Effect.AT_ONCE
    assert effects[("queues", "a.b", "stager", "name")] is Effect.NEW_WORKERS
    assert effects[("queues", "a.b", "resources", "nodes")] is Effect.NEW_WORKERS
    assert effects[("queues", "a.b", "mapType")] is Effect.AT_RESTART
    assert effects[("agents", "batch")] is Effect.AT_RESTART
    assert effects[("queues", "NEW")] is effects[("queues", "GONE")] is Effect.AT_ONCE
    assert differences(after, after) == []
