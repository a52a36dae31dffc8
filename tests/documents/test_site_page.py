"""The page on site files says what is true: its examples are files that can be used."""
from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.config.load import load
from harvester_hpc.config.site_file import site_named

PAGE = (Path(__file__).parents[2] / "docs" / "sites.md").read_text()
BLOCKS = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
#: Rows of tables with one example: a batch queue, or members of a facility.
QUEUES = re.findall(r"^\| [^|]* \| `(\{\"name\".*?\})` \|$", PAGE, re.MULTILINE)
MEMBERS = re.findall(r"`(\"(?:node|attributes|chunk|required|modules|environment|network|login|accountRequired)\": .*?)`", PAGE)
FILE_SYSTEMS = re.findall(r"`(\{\"path\".*?\})`", PAGE)


def use(home: Path, site: dict[str, Any], user: dict[str, Any]) -> None:
    (home / "site_configs").mkdir()
    (home / "site_configs" / "mycluster.json").write_text(json.dumps(site))
    (home / "harvester.json").write_text(json.dumps({"extends": "mycluster", **user}))
    assert not site_named("mycluster", home, {}).problems
    load(home, {"HOME": "/home/me"})


def test_the_first_example_is_a_configuration(tmp_path: Path) -> None:
    (tmp_path / "harvester.json").write_text(BLOCKS[0])
    configuration = load(tmp_path, {})
    assert configuration.queues["MY_QUEUE"].queue.resources.nodes == 2
    assert not configuration.warnings


def test_the_second_example_is_a_site_file(tmp_path: Path) -> None:
    (tmp_path / "site_configs").mkdir()
    (tmp_path / "site_configs" / "mycluster.json").write_text(BLOCKS[1])
    (tmp_path / "harvester.json").write_text('{"extends": "mycluster", "facility": {"account": "a"}, "queues": {"Q": {}}}')
    assert not site_named("mycluster", tmp_path, {}).problems
    assert load(tmp_path, {}).facility.node.cores == 64


@pytest.mark.parametrize("text", QUEUES)
def test_an_example_of_a_batch_queue_can_be_used(text: str, tmp_path: Path) -> None:
    use(tmp_path, {"extends": "batch-system", "scheduler": "slurm", "queues": [json.loads(text)]}, {"queues": {"Q": {}}})


@pytest.mark.parametrize("text", MEMBERS)
def test_an_example_of_other_members_can_be_used(text: str, tmp_path: Path) -> None:
    site = {"extends": "batch-system", "scheduler": "slurm", "queues": [{"name": "a"}], **json.loads(f"{{{text}}}".replace("[...]", "[]"))}
    own = {"account": "m_g", "attributes": {"l.filesystems": "home"}}
    use(tmp_path, site, {"facility": own, "queues": {"Q": {}}})


@pytest.mark.parametrize("text", FILE_SYSTEMS)
def test_an_example_of_a_file_system_can_be_used(text: str, tmp_path: Path) -> None:
    site = {"extends": "batch-system", "scheduler": "slurm", "queues": [{"name": "a"}], "fileSystems": [json.loads(text)]}
    use(tmp_path, site, {"facility": {"workDir": "/else"}, "queues": {"Q": {}}})


def test_examples_were_found() -> None:
    assert (len(BLOCKS), len(QUEUES) >= 3, len(MEMBERS) >= 12, len(FILE_SYSTEMS) >= 2) == (2, True, True, True)
