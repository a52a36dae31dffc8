"""What is printed is what was understood; schema and reference are those of the models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.config.extends import site_folders
from harvester_hpc.config.harvester_file import FacilityFile, HarvesterFile
from harvester_hpc.config.later import LATER
from harvester_hpc.config.load import load
from harvester_hpc.config.queue_file import QueueSettings
from harvester_hpc.config.reference import TABLES, reference
from harvester_hpc.config.schema import schema
from harvester_hpc.config.show import show
from harvester_hpc.config.source import read
from tests.unit.config.instance import loaded

ROOT = Path(__file__).parents[3]

RICH: dict[str, Any] = {
    "instance": "me", "agents": {"monitor": {"period": 5}, "batch": 7},
    "facility": {
        "launchTemplate": ["ibrun", "-n", "{ranks}"], "launchOptions": ["-v"], "launcherPath": "/a/b", "mpi": "pmi2", "binding": "cores",
        "prologue": ["export A=$B"], "attributes": {"exclusive": None}, "requeue": True, "account": "m1",
    },
    "queues": {
        "Q": {
            "getJobCriteria": "a=b", "maxWorkers": 4, "workerHeartbeat": 10, "workerQueueTimeLimit": 60, "keepFailed": 1,
            "resourceType": "MCORE", "resources": {"walltime": "1:00:00"}, "stager": {"name": "x", "list": [1, {"a": None}]},
        },
        "P": {},
    },
}  # fmt: skip


def test_what_is_shown_loads_to_the_same_again(tmp_path: Path) -> None:
    first = loaded(tmp_path, RICH)
    text = json.dumps({key: value for key, value in show(first).items() if key not in ("home", "tag", "files", "warnings")})
    (tmp_path / "harvester.json").write_text(text)
    again = load(tmp_path, {})
    for name in ("state_dir", "instance", "tag", "facility", "communicator", "agents"):
        assert getattr(again, name) == getattr(first, name)
    for name, queue in first.queues.items():
        assert again.queues[name].queue == queue.queue
    assert again.queues["Q"].sections["stager"] == first.queues["Q"].sections["stager"]


def test_every_field_of_the_model_is_shown_in_the_words_of_the_file(tmp_path: Path) -> None:
    shown = show(loaded(tmp_path, RICH))
    later_or_twice = {"isTemplateQueue", "templateQueueName", "pandaQueueName", "queueName", "walltimeLimit", "initEventsMultipler"}
    assert set(shown["queues"]["Q"]) == set(QueueSettings.model_fields) - later_or_twice
    assert set(shown["agents"]) == set(HarvesterFile.model_fields["agents"].get_default().__class__.model_fields)
    notes = {"extends", "defaults", "commonPartOf", "retired", "modulesThere", "sources", "checked", "facts", "notes"}
    assert set(shown["facility"]) == set(FacilityFile.model_fields) - notes


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    section = {
        "name": "x", "token": "abc", "tokenFile": "/f", "userPassword": "abc", "deep": [{"clientSecret": "abc"}], "empty_token": "",
        "privateKey": "abc", "api_key": "abc", "DbPasswd": "abc",
    }
    shown = show(loaded(tmp_path, {"communicator": section, "queues": {"Q": {"stager": section}}}))
    assert "abc" not in json.dumps(shown)
    assert shown["communicator"]["tokenFile"] == "/f"
    assert shown["communicator"]["token"] == "(not shown)"


def test_what_is_shown_is_plain_json(tmp_path: Path) -> None:
    shown = show(loaded(tmp_path, RICH))
    assert json.loads(json.dumps(shown)) == shown


def test_the_reference_in_docs_is_what_the_models_say() -> None:
    written = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert written == reference(), "write it anew: python -m harvester_hpc.config.reference"


def test_every_key_has_a_meaning() -> None:
    for _, _, model in (*TABLES, ("", "", FacilityFile)):
        assert [name for name, field in model.model_fields.items() if not field.description] == []


def test_the_reference_names_every_attribute_that_comes_later() -> None:
    text = reference()
    assert [name for name in LATER if f"| `{name}` |" not in text] == []


@pytest.mark.parametrize("kind", ["harvester", "facility"])
def test_the_schema_knows_every_key_and_no_other(kind: Any) -> None:
    described = schema(kind)
    model = HarvesterFile if kind == "harvester" else FacilityFile
    assert set(described["properties"]) == {*model.model_fields, "$schema"}
    assert described["additionalProperties"] is False
    queue = described["$defs"]["QueueSettings"]
    assert set(queue["properties"]) == {*QueueSettings.model_fields, *LATER}
    assert queue["properties"]["siteFamily"]["enum"] == ["", None]
    assert queue["additionalProperties"] is False
    assert set(queue["patternProperties"]) == {"^____comment", "^//"}
    assert json.loads(json.dumps(described)) == described


def test_the_settings_of_a_plugin_are_open_in_the_schema() -> None:
    assert schema("harvester")["$defs"]["SectionSettings"]["additionalProperties"] is True


def test_the_schema_is_named_by_files_without_a_problem(tmp_path: Path) -> None:
    assert loaded(tmp_path, {"$schema": "harvester.schema.json"}).warnings == ()


def test_each_facility_that_comes_along_has_its_line_in_the_readme() -> None:
    folder = ROOT / "site_configs"
    assert folder in site_folders(ROOT / "nowhere")
    readme = (folder / "README.md").read_text(encoding="utf-8")
    names = sorted(file.name for file in folder.glob("*.json"))
    assert names
    for name in names:
        assert f"| `{name}` |" in readme
        assert read(folder / name).problems == ()
        assert read(folder / name).values.get("name", Path(name).stem) == Path(name).stem


def test_the_values_of_the_model_are_frozen() -> None:
    for _, _, model in TABLES:
        assert model.model_config.get("frozen"), model
