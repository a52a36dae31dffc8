"""An instance in a folder, and the command line called in process."""
from __future__ import annotations

from pathlib import Path

import pytest

from harvester_hpc.cli.frame import run
from tests.unit.cli.rows_and_answers import Command, Said, Stored


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    (folder / "state").mkdir(parents=True)
    (folder / "harvester.json").write_text('{"extends": "local", "instance": "test", "queues": {"Q": {}, "R": {"siteName": "SITE_R"}}}')
    return folder


@pytest.fixture
def stored(home: Path) -> Stored:
    return Stored(home / "state" / "store.db")


@pytest.fixture
def command(home: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    def call(*arguments: object) -> Said:
        capsys.readouterr()
        code = run(["--home", str(home), *map(str, arguments)])
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    return call


