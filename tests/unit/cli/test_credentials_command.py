"""``credentials``: what is wrong is found before anything starts, the time left is shown, and nothing secret is."""
from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.cli.exits import Exit
from tests.unit.cli.rows_and_answers import Command, Stored
from tests.unit.creds.made import put, token


def configure(home: Path, credentials: Mapping[str, Any], **communicator: Any) -> None:
    """Write harvester.json."""
    given: dict[str, Any] = {"extends": "local", "instance": "test", "queues": {"Q": {}}, "credentials": credentials}
    if communicator:
        given["communicator"] = {"name": "panda", "url": "https://panda.example.org:25443", **communicator}
    (home / "harvester.json").write_text(json.dumps(given))


@pytest.fixture
def refreshed(home: Path, tmp_path: Path) -> Path:
    """An instance with one token and a command that makes it, which is returned."""
    program = put(tmp_path / "refresh", f"#!/bin/sh\necho {token(90_000)}\n", 0o755)
    configure(home, {
        "panda": {"name": "oidc", "file": str(tmp_path / "token"), "command": [str(program)]},
        "password": {"name": "plain", "file": str(tmp_path / "password")},
    })
    return program


@pytest.mark.parametrize(("section", "words"), [
    ({"name": "oidc", "file": "/s/token", "command": ["/no/such/program"]}, "command: there is no program '/no/such/program'"),
    ({"name": "oidc", "file": "/s/token", "tokenEndpont": "https://iam"}, "unknown key (did you mean 'tokenEndpoint'?)"),
    ({"name": "vmos", "file": "/s/token"}, "there is: oidc, plain, voms (did you mean 'voms'?)"),
    ({"name": "plain", "file": "/s/token", "renewBeforeHours": -1}, "credentials.panda.renewBeforeHours: must be at least 0"),
    ({"name": "plain"}, "credentials.panda.file: is missing"),
    ({"name": "plain", "file": "/s/token"}, "communicator.credential: 'panda' holds neither a token nor a proxy"),
    ({"name": "oidc", "file": "/s/token"}, "communicator.origin: is missing"),
])
def test_what_cannot_work_is_found_before_anything_starts(
    home: Path, command: Command, section: Mapping[str, Any], words: str
) -> None:
    configure(home, {"panda": section}, credential="panda")
    said = command("config", "check")
    assert (said.code, words in said.err) == (Exit.ERROR, True), said.err


def test_two_credentials_that_would_write_one_file_and_a_name_that_is_wrong_are_found(home: Path, command: Command) -> None:
    configure(home, {name: {"name": "plain", "file": "/s/token"} for name in ("one", "two")})
    assert "credentials.two: its file is that of credential 'one'" in command("config", "check").err
    configure(home, {"one": {"name": "oidc", "file": "/s/token"}}, credential="two", origin="vo")
    assert "there is no 'two' in the section credentials of harvester.json; there is: one" in command("config", "check").err
    configure(home, {"one": {"name": "oidc", "file": "/s/token"}}, credential="one", tokenFile="/s/token", origin="vo")
    assert "only one of credential, proxyFile" in command("config", "check").err
    configure(home, {"one": {"name": "oidc", "file": "/s/token"}}, credential="one", origin="vo")
    assert command("config", "check").code == Exit.DONE
    shown = json.loads(command("config", "show", "--resolved").out)
    assert shown["credentials"] == {"one": {"name": "oidc", "file": "/s/token", "renewBeforeHours": 6.0, "warnBeforeHours": 168.0}}


def test_they_are_listed_and_renewed_without_an_instance(command: Command, tmp_path: Path, refreshed: Path) -> None:
    said = command("credentials", "--json")
    assert said.code == Exit.DEGRADED
    assert {one["credential"]: (one["state"], one["renews"]) for one in said.json["credentials"]} == {
        "panda": ("missing", True), "password": ("missing", False)}
    assert command("credentials", "renew").out.startswith("panda: renewed, until 20")
    put(tmp_path / "password", "secret")
    said = command("credentials")
    assert said.code == Exit.DONE
    assert "1d00h" in said.out
    assert "secret" not in said.out
    assert (tmp_path / "token").read_text().strip() not in said.out + command("credentials", "--json").out


def test_one_that_is_not_renewed_says_why(command: Command, tmp_path: Path, refreshed: Path) -> None:
    said = command("credentials", "renew", "pandda")
    assert (said.code, "did you mean 'panda'?" in said.err) == (Exit.ERROR, True)
    refreshed.write_text("#!/bin/sh\necho no luck >&2; exit 3\n")
    said = command("credentials", "renew", "panda", "password")
    assert said.code == Exit.ERROR
    assert "panda: not renewed: refresh ended with 3: no luck" in said.err
    assert "password: not renewed: nobody told us how" in said.err


def test_without_any_that_is_said(home: Path, command: Command) -> None:
    assert command("credentials").code == Exit.NOTHING


def test_status_shows_the_time_that_is_left_and_what_has_ended_since(command: Command, stored: Stored) -> None:
    now = stored.clock.now()
    stored.sql("INSERT INTO credential (name, state, since, mark, until) VALUES ('a', 'good', ?, 'm', ?)", now, now + 49 * 3600 + 30)
    stored.sql("INSERT INTO credential (name, state, since, mark, until) VALUES ('b', 'good', ?, 'm', ?)", now - 9, now - 5)
    stored.sql("INSERT INTO credential (name, state, since, why, remedy) VALUES ('c', 'missing', ?, 'not there', 'put it')", now)
    rows = {line.split()[0]: line for line in command("status").out.splitlines() if line}
    assert "2d01h" in rows["a"]
    assert "expired" in rows["b"]
    assert "not there; put it" in rows["c"]
    facts = {one["credential"]: one for one in command("status", "--json").json["credentials"]}
    assert (facts["a"]["state"], facts["a"]["hours_left"]) == ("good", pytest.approx(49.0, abs=0.1))
    assert (facts["b"]["state"], facts["b"]["hours_left"], facts["c"]["hours_left"]) == ("expired", 0.0, None)
