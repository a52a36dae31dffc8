"""Templates, common settings, and which queues are served."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harvester_hpc.config.layers import Layer
from harvester_hpc.config.problems import Place
from harvester_hpc.config.templates import Queues, assembled
from tests.unit.config.instance import loaded, problems

AT = Place(file="f", keys=("queueList",))


def test_a_queue_says_otherwise_than_its_template_and_the_template_otherwise_than_the_facility(tmp_path: Path) -> None:
    queues = {
        "T_TEMPLATE": {"maxWorkers": 3, "maxSubmissionAttempts": 5, "resources": {"nodes": 4, "walltime": 600}, "monitor": {"name": "t"}},
        "Q": {"templateQueueName": "T_TEMPLATE", "maxWorkers": 7, "resources": {"walltime": 900}},
    }
    found = loaded(tmp_path, {"queues": queues}).queues
    assert list(found) == ["Q"]
    queue = found["Q"].queue
    assert (queue.max_workers, queue.max_submissions, queue.resources.nodes, queue.resources.walltime_s) == (7, 5, 4, 900)
    assert (found["Q"].sections["monitor"]["name"], found["Q"].sections["stager"]["name"]) == ("t", "some")
    assert found["Q"].where["monitor"].endswith("harvester.json: queues.T_TEMPLATE.monitor")


def test_settings_of_another_plugin_do_not_come_down_from_a_template(tmp_path: Path) -> None:
    queues = {
        "T": {"isTemplateQueue": True, "stager": {"name": "one", "where": "x"}},
        "Q": {"templateQueueName": "T", "stager": {"name": "two"}},
        "R": {"templateQueueName": "T", "stager": {"more": 1}},
    }
    found = loaded(tmp_path, {"queues": queues}).queues
    assert dict(found["Q"].sections["stager"]) == {"name": "two"}
    assert dict(found["R"].sections["stager"]) == {"name": "one", "where": "x", "more": 1}


@pytest.mark.parametrize(("queues", "line"), [
    ({"Q": {"templateQueueName": "MIST"}, "MIS": {"isTemplateQueue": True}}, "queues.Q.templateQueueName: there is no template MIST"),
    (
        {"A": {"isTemplateQueue": True, "templateQueueName": "B"}, "B": {"isTemplateQueue": True}, "Q": {"templateQueueName": "A"}},
        "queues.A.templateQueueName: a template cannot stand on another one",
    ),
    ({"T_TEMPLATE": {}}, "queues: names no queue"),
    ({"T_TEMPLATE": {"maxWorker": 1}, "Q": {"templateQueueName": "T_TEMPLATE"}}, "queues.T_TEMPLATE.maxWorker: unknown key"),
])
def test_a_template_that_cannot_be_used_is_named(tmp_path: Path, queues: dict[str, object], line: str) -> None:
    (found,) = problems(tmp_path, {"queues": queues})
    assert found.startswith(f"harvester.json: {line}")


def test_only_listed_queues_are_served_and_checked(tmp_path: Path) -> None:
    queues = {"A": {}, "B": {"nonsense": 1}, "C": {}}
    assert list(loaded(tmp_path, {"queues": queues, "queueList": ["C", "A"]}).queues) == ["C", "A"]
    assert list(loaded(tmp_path, {"queues": {"A": {}, "C": {}}, "queueList": "ALL"}).queues) == ["A", "C"]


@pytest.mark.parametrize(("listed", "words"), [
    (["ALPA"], "there is no queue ALPA (did you mean 'ALPHA'?)"),
    (["DYNAMIC"], '"DYNAMIC" asks an information system'),
    (["X_TEMPLATE"], "X_TEMPLATE is a template, and no queue"),
    ({"A": 1}, "must be a list of names"),
])
def test_a_list_of_queues_that_cannot_be_served_is_refused(tmp_path: Path, listed: object, words: str) -> None:
    (line,) = problems(tmp_path, {"queues": {"ALPHA": {}, "X_TEMPLATE": {}}, "queueList": listed})
    assert line.startswith("harvester.json: queueList: ")
    assert words in line


def test_common_settings_are_kept_apart_from_those_of_each_plugin(tmp_path: Path) -> None:
    queues = {"T_TEMPLATE": {"common": {"a": 1, "b": 2}}, "Q": {"templateQueueName": "T_TEMPLATE", "common": {"b": 3}}}
    assert json.loads(json.dumps(dict(loaded(tmp_path, {"queues": queues}).queues["Q"].common))) == {"a": 1, "b": 3}


def test_the_users_own_template_replaces_a_remote_one_as_a_whole_and_his_queue_lies_over_its_namesake() -> None:
    remote = Queues(place=Place(file="r"), values={
        "T_TEMPLATE": {"x": 1, "y": 1}, "Q": {"templateQueueName": "T_TEMPLATE", "z": 1}, "R": {"templateQueueName": "T_TEMPLATE"},
    })
    own = Queues(place=Place(file="o"), values={"T_TEMPLATE": {"x": 2}, "Q": {"z": 2}})
    found = assembled([remote, own], None, AT)
    assert found.problems == []
    assert [layer.place.file for layer in found.layers["Q"]] == ["o", "r", "o"]
    assert found.layers["Q"][0] == Layer(place=Place(file="o", keys=("T_TEMPLATE",)), values={"x": 2})
    assert [layer.place.file for layer in found.layers["R"]] == ["o", "r"]
