"""``harvester-hpc panda conformance``: any server, and what it does otherwise than others."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from harvester_hpc.errors import ConfigurationError
from harvester_hpc.testing.contracts.conformance import CHECKS
from harvester_local.served.faults import FaultKind
from harvester_local.served.server import ServedSystem, Service
from harvester_panda.cli import command


def _run(url: str, *words: str, answer: str | None = None) -> Result:
    return CliRunner().invoke(command, ["conformance", "--url", url, *words], input=answer, standalone_mode=False)


@pytest.mark.parametrize("service", [Service(), Service(v1=False, old=True)], ids=["v1", "old"])
def test_a_served_system_is_as_it_should_be(tmp_path: Path, service: Service) -> None:
    with ServedSystem(tmp_path, service) as served:
        served.system.local.submit_jobs([{"executable": "/bin/true", "queue": "TEST"}] * 4)
        served.system.local.submit_jobs([{"executable": "/bin/true", "queue": "TEST", "events": 5, "priority": -5}])
        done = _run(served.url, "--site", "TEST", "--jobs", "5", "--yes")
        assert (done.return_value, done.exception) == (0, None), done.output
        assert f"{len(CHECKS)} of {len(CHECKS)} are as they should be" in done.output
        assert "5 jobs of TEST (managed), which are taken and FAIL" in done.output
        assert served.system.local.summary() == {"failed": 5}
        again = _run(served.url, "--yes")
        assert again.return_value == 0, "its own traces do it no harm"


def test_a_token_is_named_from_where_one_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text("secret\n")
    (tmp_path / "token").chmod(0o600)
    monkeypatch.chdir(tmp_path)
    with ServedSystem(tmp_path, Service(token="secret")) as served:
        assert _run(served.url, "--yes", "--token-file", "token", "--origin", "vo.production").return_value == 0
        refused = _run(served.url, "--yes")
        assert "403" in f"{refused.exception}"


def test_without_leave_nothing_is_written_or_taken(tmp_path: Path) -> None:
    with ServedSystem(tmp_path) as served:
        served.system.local.submit_jobs([{"executable": "/bin/true", "queue": "TEST"}] * 5)
        refused = _run(served.url, "--site", "TEST", "--jobs", "5", answer="n\n")
        assert (refused.return_value, served.asked) == (1, [])
        done = _run(served.url, "--site", "TEST", "--yes")
        assert done.return_value == 0
        assert "FAIL" not in done.output
        assert served.system.local.summary() == {"activated": 5}


def test_what_a_server_does_otherwise_is_told_beside_the_rest(tmp_path: Path) -> None:
    with ServedSystem(tmp_path) as served:
        served.faults.add(FaultKind.BUSY, "add_dialogs", 5)
        served.system.local.put_command("SYNC_WORKERS_KILL", [3])
        done = _run(served.url, "--yes")
        assert done.return_value == 1
        wrong = [line for line in done.output.splitlines() if line.startswith("FAIL")]
        assert [("messages" in line, "503" in line) for line in wrong] == [(True, True), (False, False)]
        assert "commands for an instance that there was not" in wrong[1]


@pytest.mark.parametrize(("words", "said"), [
    ({"url": "http://elsewhere"}, "url: must be https"), ({"url": "https://elsewhere"}, "nothing says who we are"),
    ({"url": "http://127.0.0.1:1", "instance": "a b"}, "no name"),
])
def test_a_server_that_cannot_be_asked_is_told_by_its_options(words: dict[str, Any], said: str) -> None:
    options = [word for name, value in words.items() if name != "url" for word in (f"--{name}", value)]
    done = _run(words["url"], *options, "--yes")
    assert isinstance(done.exception, ConfigurationError)
    assert said in f"{done.exception}"
