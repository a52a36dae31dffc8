"""Documents agree with the code that they tell of."""
from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harvester_hpc.cli.frame import COMMANDS, brought
from harvester_hpc.model.facility import Facility
from harvester_hpc.model.file import File, FileId, FileKind, FileState
from harvester_hpc.model.job import Job, JobId, JobState
from harvester_hpc.ports.context import Context
from harvester_hpc.ports.staging import Preparator
from harvester_hpc.registry import Registry
from harvester_hpc.testing.contracts.staging import PreparatorContract
from tests.documents.lifecycles import PAGE, page

ROOT = Path(__file__).parents[2]
TEXTS = ("README.md", "CONTRIBUTING.md", "docs/operations.md")


def test_the_page_of_lifecycles_is_that_of_the_tables() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "write it again: python -m tests.documents.lifecycles"


@pytest.mark.parametrize("text", TEXTS)
def test_every_command_in_a_document_exists(text: str) -> None:
    content = (ROOT / text).read_text(encoding="utf-8")
    words = re.findall(r"(?:^\s*|`)harvester-hpc (?:--home \S+ |--debug )?([a-z]+)", content, re.MULTILINE)
    assert [word for word in words if word not in {*COMMANDS, *brought()}] == []
    assert words or text == "CONTRIBUTING.md"


@pytest.mark.parametrize("text", TEXTS)
def test_every_file_that_a_document_links_to_exists(text: str) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", (ROOT / text).read_text(encoding="utf-8"))
    assert [link for link in links if not (ROOT / text).parent.joinpath(link).exists()] == []


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


class TestThePluginOfTheReadme(PreparatorContract):
    """It keeps the rules of its port, and is found by the section beside it."""

    @pytest.fixture
    def job(self, tmp_path: Path) -> Job:
        names = ("a.in", "b.in")
        for name in names:
            (tmp_path / name).touch()
        files = [File(id=FileId(n), job_id=1, kind=FileKind.INPUT, lfn=name, state=FileState.TO_PREPARE) for n, name in enumerate(names, 1)]
        files.append(File(id=FileId(9), job_id=1, kind=FileKind.OUTPUT, lfn="out", state=FileState.EXPECTED))
        return Job(id=JobId(1), queue="Q", state=JobState.FETCHED, files=tuple(files))

    @pytest.fixture
    def preparator(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Preparator]:
        package = tmp_path / "my_site"
        package.mkdir()
        (package / "__init__.py").touch()
        (package / "in_place.py").write_text(_blocks("python")[0])
        monkeypatch.syspath_prepend(tmp_path)
        section = {**json.loads(_blocks("json")[-1])["preparator"], "folder": str(tmp_path)}
        context = Context(instance="i", tag="abcde", state_dir=tmp_path, facility=Facility(name="here", scheduler="local"))
        yield Registry().load("preparator", section, context, where="README.md")
        for name in ("my_site.in_place", "my_site"):
            sys.modules.pop(name, None)
