"""The whole program with tokens that end in mid run: renewed, refused, revoked, killed; and nothing is lost."""
from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from harvester_local.served.server import ServedSystem, Service
from tests.integration.instance import Instance, gated, shell, until
from tests.integration.test_panda_pipeline import rows, told
from tests.token_server import TokenServer
from tests.unit.creds.made import put

LASTS_S = 4.0


class Secured:
    """A served system that takes the tokens of a token server, and an instance that has a refresh token."""

    def __init__(self, folder: Path, tokens: TokenServer, served: ServedSystem, instance: Instance) -> None:
        self.folder = folder
        self.tokens = tokens
        self.served = served
        self.instance = instance
        put(folder / "refresh", tokens.refresh)
        tokens.on_token = self.take
        instance.make({
            "extends": "local", "instance": "tests",
            "communicator": {"name": "panda", "url": served.url, "readS": 20.0, "credential": "panda", "origin": "vo.production"},
            "credentials": {"panda": {
                "name": "oidc", "file": str(folder / "secrets" / "token"), "tokenEndpoint": f"{tokens.url}/token", "clientId": "us",
                "refreshTokenFile": str(folder / "refresh"),
            }},
            "facility": {"workDir": str(folder / "work"), "python": sys.executable},
            "agents": {"job_fetcher": {"period": 1.0}, "messenger": {"period": 0.3}, "cred_manager": {"period": 0.5}},
            "queues": {"Q": {"pollInterval": 0.5}},
        })

    def take(self, token: str) -> None:
        """Let the served system take a token."""
        with (self.folder / "taken").open("a") as stream:
            stream.write(f"{token}\n")

    def credential(self) -> dict[str, Any]:
        """Return what ``status`` says of the credential."""
        facts: dict[str, Any] = self.instance.json("status", code=None)
        return dict(facts["credentials"][0]) if facts["credentials"] else {}

    def submit(self, *descriptions: dict[str, Any]) -> list[int]:
        """Give jobs to the served system."""
        return [int(one) for one in self.served.system.local.submit_jobs(list(descriptions))]


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[Secured]:
    with _secured(tmp_path) as made:
        yield made


@contextmanager
def _secured(folder: Path) -> Iterator[Secured]:
    (folder / "taken").touch()
    service = Service(token_file=folder / "taken")
    with TokenServer(None, lasts_s=LASTS_S) as tokens, ServedSystem(folder / "wms", service) as served:
        with Instance(folder / "home") as instance:
            yield Secured(folder, tokens, served, instance)


@pytest.mark.slow
def test_tokens_end_in_mid_run_are_renewed_and_every_job_is_told(secured: Secured, tmp_path: Path) -> None:
    instance = secured.instance
    first = secured.submit(shell(gated(tmp_path, then="echo x > out"), outputs=["out"]), shell("exit 3"))
    instance.serve()
    instance.wait(first[0], {"running"})
    until(lambda: len(secured.tokens.given) >= 3, "two tokens have ended while a job runs")
    # The token server is away until the token has ended.
    secured.tokens.faults.extend(["500"] * 1000)
    until(lambda: secured.credential().get("state") == "expired", lambda: f"the token has ended: {secured.credential()}")
    others = secured.submit(shell("echo y > out", outputs=["out"]))
    (tmp_path / "go").touch()
    instance.wait(first[0], {"finished"})
    assert "cred_manager" in {one["agent"] for one in instance.json("status", code=5)["troubles"]}
    secured.tokens.faults.clear()
    until(lambda: told(instance, 3), lambda: f"every end is told\n{instance.log[-4000:]}")
    states = {number: (secured.served.system.local.job(number) or {})["state"] for number in (*first, *others)}
    assert states == {first[0]: "finished", first[1]: "failed", others[0]: "finished"}
    assert rows(tmp_path / "wms", "SELECT count(*) FROM job") == [(3,)]
    assert instance.stop() == 0
    assert "defect" not in instance.log
    for secret in (*secured.tokens.given, *(form["refresh_token"] for form in secured.tokens.forms)):
        assert secret not in instance.log
        assert secret.encode() not in instance.store.read_bytes()


@pytest.mark.slow
def test_a_revoked_token_is_renewed_once_and_then_a_person_is_waited_for(secured: Secured, tmp_path: Path) -> None:
    secured.tokens.lasts_s = 3600.0
    instance = secured.instance
    (before,) = secured.submit(shell("true"))
    instance.serve()
    until(lambda: told(instance, 1), lambda: f"the first job is told\n{instance.log[-4000:]}")
    assert len(secured.tokens.given) == 1
    (tmp_path / "taken").write_text("")
    (after,) = secured.submit(shell("true"))
    until(lambda: told(instance, 2), lambda: f"the second job is told\n{instance.log[-4000:]}")
    assert len(secured.tokens.given) == 2
    # Now nobody's tokens are taken any more.
    secured.tokens.on_token = lambda given: None
    instance("credentials", "renew", "panda")
    # What the person has made is refused, and so renewed once.
    until(lambda: len(secured.tokens.given) == 4, lambda: f"it is renewed once: {secured.credential()}\n{instance.log[-3000:]}")
    asked = len(secured.served.asked)
    until(lambda: secured.credential()["state"] == "refused", "it is refused again")
    assert len(secured.tokens.given) == 4
    assert len(secured.served.asked) - asked < 10
    assert "renew" in secured.credential()["remedy"] + secured.credential()["why"]
    secured.tokens.on_token = secured.take
    (last,) = secured.submit(shell("true"))
    instance("credentials", "renew", "panda")
    until(lambda: told(instance, 3), lambda: f"the last job is told\n{instance.log[-4000:]}")
    until(lambda: secured.credential()["state"] == "good", "all is well")
    ends = [(secured.served.system.local.job(number) or {})["state"] for number in (before, after, last)]
    assert ends == ["finished"] * 3
    assert instance.stop() == 0


@pytest.mark.slow
def test_a_daemon_killed_at_a_renewal_goes_on_with_it(secured: Secured) -> None:
    (job,) = secured.submit(shell("true"))
    instance = secured.instance
    process = instance.start({"HARVESTER_HPC_FAULT": "credential renewed, not stored"})
    assert process.wait(90) == -9
    assert len(secured.tokens.given) == 1
    secured.tokens.lasts_s = 3600.0
    instance.serve()
    until(lambda: told(instance, 1), lambda: f"the job is told\n{instance.log[-4000:]}")
    listed = json.loads(instance("credentials", "list", "--json").stdout)["credentials"]
    assert [(one["credential"], one["state"], one["renews"]) for one in listed] == [("panda", "good", True)]
    assert (secured.served.system.local.job(job) or {})["state"] == "finished"
