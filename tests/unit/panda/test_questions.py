"""``harvester-hpc panda check``: what the server says to us, before anything depends on it."""
from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from harvester_hpc.errors import HarvesterError
from harvester_hpc.model.facility import Facility
from harvester_hpc.ports.context import Context
from harvester_local.served.faults import FaultKind
from harvester_local.served.server import ServedSystem
from harvester_panda.cli import command


@dataclass
class Instance:
    """Stands for the instance that the command line is about, and its configuration."""

    state_dir: Path
    communicator: dict[str, Any]
    instance: str = "tests"
    tag: str = "abcde"
    facility: Facility = field(default_factory=lambda: Facility(name="here", scheduler="local"))

    def configuration(self) -> Instance:
        return self

    def context(self) -> Context:
        return Context(instance=self.instance, tag=self.tag, state_dir=self.state_dir, facility=self.facility)


def _checked(folder: Path, section: dict[str, Any]) -> Result:
    return CliRunner().invoke(command, ["check"], obj=Instance(folder, section), standalone_mode=False)


def test_every_question_is_told_with_its_answer_and_nothing_is_taken_from_the_server(tmp_path: Path) -> None:
    with ServedSystem(tmp_path) as served:
        done = _checked(tmp_path, {"name": "panda", "url": served.url})
        assert (done.return_value, done.exception) == (0, None)
        lines = done.output.splitlines()
        assert len(lines) == 5
        assert all(line.startswith("ok ") for line in lines)
        assert "form of the API: v1" in done.output
        assert "SCORE" in done.output
        assert not any("acquire" in path for path in served.asked)


def test_a_question_that_fails_is_told_beside_the_others(tmp_path: Path) -> None:
    with ServedSystem(tmp_path) as served:
        served.faults.add(FaultKind.BUSY, "get_resource_types")
        done = _checked(tmp_path, {"name": "panda", "url": served.url})
        assert done.return_value == 1
        assert [line[:4] for line in done.output.splitlines()] == ["ok  ", "ok  ", "FAIL", "ok  ", "ok  "]


def test_without_a_server_one_line_says_so(tmp_path: Path) -> None:
    with ServedSystem(tmp_path) as served:
        url = served.url
    done = _checked(tmp_path, {"name": "panda", "url": url})
    assert done.return_value == 1
    assert "cannot be reached" in done.output
    assert len(done.output.splitlines()) == 1


@pytest.mark.parametrize("section", [{"name": "local"}, {"name": "panda", "url": "https://x"}, {"name": "panda", "urls": "https://x"}])
def test_an_instance_that_cannot_ask_is_told_why(tmp_path: Path, section: dict[str, Any]) -> None:
    done = _checked(tmp_path, section)
    assert isinstance(done.exception, HarvesterError)
