"""The embedded system as a server: as strict as the one that it stands for."""
from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from harvester_hpc.errors import ConfigurationError
from harvester_local.cli import command
from harvester_local.served.faults import FaultKind, fault_of
from harvester_local.served.server import ServedSystem

JSON = {"Accept": "application/json", "Content-Type": "application/json"}


@pytest.fixture
def served(tmp_path: Path) -> Iterator[ServedSystem]:
    with ServedSystem(tmp_path) as one:
        yield one


def _ask(served: ServedSystem, path: str, body: Any = None, headers: dict[str, str] = JSON) -> Any:
    raw = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{served.url}/api/v1/{path}", data=raw, headers=headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        text = answer.read()
    return json.loads(text) if headers.get("Accept") == "application/json" else text


@pytest.mark.parametrize(("path", "body", "said"), [
    ("pilot/acquire_jobs", {"site_name": "Q", "n_jobs": "1"}, "Type error: 'n_jobs' must be of type int, got str."),
    ("pilot/acquire_jobs", {"site_name": "Q", "nJobs": 1}, "Argument error: got an unexpected keyword argument 'nJobs'"),
    ("pilot/acquire_jobs", {"n_jobs": 1}, "Argument error: missing a required argument: 'site_name'"),
    ("pilot/acquire_jobs", {"site_name": "Q", "n_jobs": 1.0}, "Type error"), ("pilot/acquire_jobs", None, "expecting POST, received GET"),
    ("system/is_alive", {}, "expecting GET, received POST"), ("harvester/update_workers", {"harvester_id": "i", "workers": []}, "database"),
    ("harvester/heartbeat", {"harvester_id": "i", "data": {"foo": 1}}, "database"), ("job/get_status?job_ids=x", None, "Type error"),
    ("harvester/add_dialogs", {"harvester_id": "i", "dialogs": [{"diagID": "1", "diagMessage": "x" * 501}]}, "database"),
])
def test_it_says_no_as_the_server_does(served: ServedSystem, path: str, body: Any, said: str) -> None:
    answer = _ask(served, path, body)
    assert (answer["success"], answer["data"]) == (False, None)
    assert said in answer["message"]


def test_a_poisoned_report_ends_the_loop_in_the_middle(served: ServedSystem) -> None:
    numbers = served.system.local.submit_jobs([{"executable": "true"}] * 3)
    _ask(served, "pilot/acquire_jobs", {"site_name": "Q", "n_jobs": 3})
    items: list[dict[str, Any]] = [{"job_id": one, "job_status": "running", "attempt_nr": 1} for one in numbers]
    items[1]["max_rss"] = "100"
    answer = _ask(served, "pilot/update_jobs_bulk", {"job_list": items})
    assert (answer["success"], answer["data"], "AttributeError" in answer["message"]) == (False, [], True)
    assert served.system.local.summary() == {"running": 1, "sent": 2}


@pytest.mark.parametrize(("path", "status", "words"), [
    ("harvester/brew_coffee", 403, "ERROR : method brew_coffee is forbidden"), ("../../nothing", 404, "not found"),
    ("event/get_event_range_statuses?job_task_ids=x", 500, ""), ("../../server/panda/getJob", 403, "forbidden"),
])
def test_what_there_is_not_has_its_status(served: ServedSystem, path: str, status: int, words: str) -> None:
    target = f"/api/v1/{path}".replace("/api/v1/../..", "")
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{served.url}{target}", timeout=20)
    with caught.value as answer:
        assert answer.code == status
        assert words in answer.read().decode()


def test_without_the_exact_accept_the_answer_is_no_json(served: ServedSystem) -> None:
    assert _ask(served, "system/is_alive", headers={"Accept": "application/json; q=1"}).startswith(b"{'success': True")


@pytest.mark.parametrize(("text", "fault"), [
    ("503", (FaultKind.BUSY, "", 1)), ("lost_after:acquire_jobs", (FaultKind.LOST_AFTER, "acquire_jobs", 1)),
    ("truncated::7", (FaultKind.TRUNCATED, "", 7)),
])
def test_faults_are_read(text: str, fault: tuple[FaultKind, str, int]) -> None:
    assert fault_of(text) == fault


@pytest.mark.parametrize("text", ["lost", "503:x:many", ""])
def test_what_is_no_fault_is_said(text: str) -> None:
    with pytest.raises(ConfigurationError):
        fault_of(text)


def test_the_command_serves_and_is_in_the_help(tmp_path: Path) -> None:
    assert "serve" in CliRunner().invoke(command, ["--help"]).output
    words = [sys.executable, "-m", "harvester_hpc.cli", "wms", "serve", str(tmp_path / "wms"), "--port", "0"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().split(" at ")[1].split()[0]
        with urllib.request.urlopen(f"{url}/api/v1/system/is_alive", timeout=20) as answer:
            assert answer.status == 200
    finally:
        process.terminate()
        process.communicate(timeout=20)
