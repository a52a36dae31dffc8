"""The section of a queue: what is wrong is found before anything starts."""
from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from harvester_globus.carrier import GlobusCarrier, GlobusStager
from harvester_globus.settings import GlobusSettings
from harvester_hpc.errors import ConfigurationError
from harvester_hpc.model.facility import Facility
from harvester_hpc.ports.context import Context
from harvester_hpc.registry import Registry
from harvester_hpc.settings import key_of

A, B = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa", "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb"
GOOD = {"name": "globus", "clientId": A, "localCollection": A, "remoteCollection": B, "layout": "rucio"}


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(instance="i", tag="abcde", state_dir=tmp_path, facility=Facility(name="here", scheduler="local"))


def problems(kind: str, section: Mapping[str, Any], context: Context) -> str:
    with pytest.raises(ConfigurationError) as caught:
        Registry().load(kind, section, context, where="here")
    return "\n".join(caught.value.problems)


def test_a_good_section_makes_a_carrier_of_each_kind(context: Context) -> None:
    registry = Registry()
    assert isinstance(registry.load("stager", GOOD, context, where=""), GlobusStager)
    made = registry.load("preparator", {**GOOD, "localPaths": {"/scratch": "/s"}, "filesPerBatch": 77}, context, where="")
    assert type(made) is GlobusCarrier
    assert made.limits().files == 77


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"clientId": "me"}, "here.clientId: must be a UUID"), ({"remoteCollection": "x"}, "here.remoteCollection: must be a UUID"),
        ({"layout": "hash"}, "here.layout"), ({"remotePath": "data"}, "here.remotePath: must be an absolute path"),
        ({"localPaths": {"scratch": "/s"}}, "here.localPaths: must map"), ({"localPaths": {"/a/..": "/s"}}, "here.localPaths: must map"),
        ({"filesPerBatch": 0}, "here.filesPerBatch: must be from 1"), ({"deadlineHours": 0}, "here.deadlineHours: must be from"),
        ({"callsPerSecond": 20}, "here.callsPerSecond: must be from 0.1 to 9"), ({"viaPath": "/x"}, "here.viaPath: viaCollection"),
        ({"secretFile": "secret"}, "here.secretFile: must be an absolute path"), ({"secretFile": "/not/there"}, "No such file"),
        ({"clientID": A}, "did you mean 'clientId'?"), ({"secret": "x"}, "did you mean 'secretFile'?"),
    ],
)
def test_what_is_wrong_is_named_with_its_key(changes: Mapping[str, Any], says: str, context: Context) -> None:
    assert says in problems("stager", {**GOOD, **changes}, context)


def test_a_layout_goes_with_the_remote_collection(context: Context) -> None:
    section = {key: value for key, value in GOOD.items() if key != "layout"}
    assert "here.layout: is missing" in problems("preparator", section, context)


def test_a_stager_must_know_where_outputs_go_and_a_preparator_need_not(context: Context) -> None:
    section = {"name": "globus", "clientId": A, "localCollection": A}
    assert "here.remoteCollection: is missing" in problems("stager", section, context)
    Registry().load("preparator", section, context, where="")


def test_a_secret_that_others_may_read_is_refused(context: Context, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    secret.chmod(0o640)
    assert "chmod 600" in problems("stager", {**GOOD, "secretFile": str(secret)}, context)
    secret.chmod(0o600)
    Registry().load("stager", {**GOOD, "secretFile": str(secret)}, context, where="")
    secret.write_text("")
    assert "no file with a secret" in problems("stager", {**GOOD, "secretFile": str(secret)}, context)


def test_queues_with_the_same_section_share_a_session(context: Context) -> None:
    registry = Registry()
    assert registry.load("stager", GOOD, context, where="") is registry.load("stager", GOOD, context, where="")


def test_the_page_names_every_key_and_its_example_can_be_used(context: Context) -> None:
    page = (Path(__file__).parents[3] / "docs" / "globus.md").read_text(encoding="utf-8")
    example = json.loads(re.findall(r"```json\n(.*?)```", page, re.DOTALL)[0])
    Registry().load("stager", example["stager"], context, where="docs/globus.md")
    rows = re.findall(r"^\| (`[^|]*) \|", page, re.MULTILINE)
    named = {key for row in rows for key in re.findall(r"`([a-zA-Z]+)`", row)}
    assert {key_of(field) for field in dataclasses.fields(GlobusSettings)} == named
