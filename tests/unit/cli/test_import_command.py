"""``config import``: two files are written, and nothing is overwritten."""
from __future__ import annotations

import json
from pathlib import Path

from tests.unit.cli.rows_and_answers import Command

QUEUES = {"Q": {"maxWorkers": 2, "workerMaker": {"module": "pandaharvester.harvesterworkermaker.simple_worker_maker", "name": "W"}}}


def test_a_file_and_a_report_are_written_once(tmp_path: Path, command: Command) -> None:
    (tmp_path / "queues.json").write_text(json.dumps(QUEUES))
    done = command("config", "import", str(tmp_path / "queues.json"), "--to", str(tmp_path / "new"))
    assert done.code == 0
    assert "config check" in done.out
    assert json.loads((tmp_path / "new" / "harvester.json").read_text())["queues"]["Q"]["maxWorkers"] == 2
    assert "`queues.json: Q.maxWorkers`" in (tmp_path / "new" / "import-report.md").read_text()
    again = command("config", "import", str(tmp_path / "queues.json"), "--to", str(tmp_path / "new"))
    assert again.code != 0
    assert "is there already" in again.err


def test_what_is_no_queue_file_is_said(tmp_path: Path, command: Command) -> None:
    (tmp_path / "queues.json").write_text("[1]")
    done = command("config", "import", str(tmp_path / "queues.json"), "--to", str(tmp_path / "new"))
    assert done.code != 0
    assert "has no queues" in done.err
    assert not (tmp_path / "new").exists()
