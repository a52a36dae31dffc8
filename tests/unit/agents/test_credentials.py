"""A refused credential is renewed once and then waits for a person; the server is not hammered meanwhile, and nothing is lost."""
from __future__ import annotations

import dataclasses
import logging
from pathlib import Path

import pytest

from harvester_hpc.agents.base import Kept
from harvester_hpc.errors import CredentialRefused
from harvester_hpc.model.credential import Credential, CredentialState
from harvester_hpc.model.job import JobState
from harvester_hpc.policy.credential import Rules
from harvester_hpc.ports.context import Context
from harvester_hpc.ports.credential import NotRenewed, Standing
from harvester_hpc.store import credential as credentials
from harvester_hpc.store import dialog as dialogs
from harvester_hpc.testing.fake_communicator import FakeCommunicator
from harvester_hpc.testing.fake_credential import FakeCredential
from tests.unit.agents.world import make_world

HOUR, DAY = 3600.0, 86400.0


class Gated(FakeCommunicator):
    """A system that takes only some contents of a credential, and counts who comes with others.

    Attributes:
        good: marks that it takes.
        refusals: how often it has refused somebody.
    """

    def __init__(self, settings: FakeCommunicator.Settings, context: Context, credential: FakeCredential) -> None:
        super().__init__(settings, context)
        self.credential = credential
        self.good: set[str] = set()
        self.refusals = 0
        self.faults.check = self._check  # type: ignore[method-assign]

    def _check(self, method: str) -> None:
        mark = self.credential.mark
        if mark in self.good:
            return
        self.refusals += bool(mark)
        raise CredentialRefused(f"403 to {method}" if mark else "there is no token", credential="panda", mark=mark, remedy="renew it")


class Secured:
    """A world with one credential, which the workload management system wants to see."""

    def __init__(self, folder: Path, *, renews: bool = True, lasts_s: float = DAY, there: bool = True) -> None:
        self.world = make_world(folder)
        self.credential = FakeCredential(
            FakeCredential.Settings(renews=renews, lasts_s=lasts_s), self.world.communicator.context, self.world.clock)
        self.panda = Gated(FakeCommunicator.Settings(), self.world.communicator.context, self.credential)
        rules = Rules(renews=renews, renew_before_s=6 * HOUR, warn_before_s=7 * DAY)
        kept = {"panda": Kept(manager=self.credential, rules=rules)}
        self.world.house = dataclasses.replace(self.world.house, communicator=self.panda, credentials=kept)
        if there:
            self.credential.put()
            self.panda.good.add(self.credential.mark)
        self.world.restart()

    def later(self, seconds: float) -> None:
        """Let time pass. What rings a bell in one pass is heard in the next."""
        for part in (seconds, 0.0, 5.0, 0.0):
            self.world.later(part)

    def known(self) -> Credential:
        with self.world.database.read() as connection:
            return credentials.known(connection)["panda"]

    def messages(self) -> list[str]:
        with self.world.database.read() as connection:
            return [one.message for one in dialogs.newest(connection, 100) if "credential" in one.identifier]


@pytest.fixture
def secured(tmp_path: Path) -> Secured:
    return Secured(tmp_path)


def test_a_refused_credential_is_renewed_once_and_everything_goes_on_at_once(secured: Secured) -> None:
    secured.world.settle()
    (job,) = secured.panda.add_jobs(1)
    secured.panda.good = {"2"}
    secured.later(40.0)
    secured.later(30.0)
    assert secured.credential.asked == ["1"]
    assert secured.known().state is CredentialState.GOOD
    assert secured.world.job(job).state is JobState.FINISHED
    assert secured.panda.states[job] == "finished"
    assert secured.world.troubles() == []
    assert secured.messages() == []


def test_one_that_is_refused_again_waits_for_a_person_and_the_server_is_not_hammered(secured: Secured) -> None:
    secured.world.settle()
    secured.panda.good = {"7"}
    for _ in range(120):
        secured.later(30.0)
    assert secured.credential.asked == ["1"], "renewed once"
    found = secured.known()
    assert found.state is CredentialState.REFUSED
    assert 3000.0 < secured.world.clock.now() - found.since < 4300.0
    # An idle instance has four things to say to it: each is tried all ten minutes, and twice at the beginning.
    assert secured.panda.refusals <= 4 * (2 + 7)
    (why,) = [why for agent, _, why in secured.world.troubles() if agent == "cred_manager"]
    assert why.startswith("refused: 403 to ")
    (message,) = secured.messages()
    assert "refused" in message
    # A person puts another one there.
    secured.credential.content = 6
    secured.credential.put()
    (job,) = secured.panda.add_jobs(1)
    secured.later(31.0)
    assert secured.panda.states[job] == "finished"
    assert secured.world.troubles() == []
    assert secured.known().state is CredentialState.GOOD


def test_a_server_that_takes_the_refused_one_again_is_found_without_a_person(secured: Secured) -> None:
    secured.world.settle()
    secured.panda.good = set()
    secured.later(60.0)
    secured.later(60.0)
    assert secured.known().state is CredentialState.REFUSED
    secured.panda.good = {"2"}
    for _ in range(30):
        secured.later(30.0)
    assert secured.known().state is CredentialState.GOOD
    assert secured.world.troubles() == []


def test_a_daemon_without_a_credential_keeps_running_and_says_what_is_missing(tmp_path: Path) -> None:
    secured = Secured(tmp_path, renews=False, there=False)
    secured.panda.good = {"1"}
    secured.world.settle()
    assert secured.known().state is CredentialState.MISSING
    assert ("cred_manager", "panda", "missing: it is not there; put it there") in secured.world.troubles()
    assert secured.panda.refusals == 0
    (job,) = secured.panda.add_jobs(1)
    secured.credential.put()
    secured.later(31.0)
    assert secured.panda.states[job] == "finished"
    assert secured.world.troubles() == []


def test_one_that_is_missing_is_made_before_anybody_is_asked(tmp_path: Path) -> None:
    secured = Secured(tmp_path, there=False)
    secured.panda.good = {"1"}
    (job,) = secured.panda.add_jobs(1)
    secured.later(0.0)
    assert secured.credential.asked == [""]
    assert secured.panda.states[job] == "finished"


def test_it_is_renewed_in_good_time_and_once(secured: Secured) -> None:
    secured.panda.good = {"1", "2", "3"}
    secured.world.settle()
    end = secured.credential.until or 0.0
    secured.world.clock.set(end - 6 * HOUR - 60.0)
    secured.world.settle()
    assert secured.credential.asked == []
    assert secured.world.agents["cred_manager"].next_due() == end - 6 * HOUR
    for _ in range(5):
        secured.later(60.0)
    assert secured.credential.asked == ["1"]


@pytest.mark.parametrize("lasts_s", [60.0, 600.0])
def test_a_short_one_is_not_renewed_all_the_time_and_never_ends(tmp_path: Path, lasts_s: float) -> None:
    secured = Secured(tmp_path, lasts_s=lasts_s)
    secured.panda.good = {str(number) for number in range(1, 100)}
    for _ in range(100):
        secured.world.later(lasts_s / 10)
        assert secured.known().state is CredentialState.GOOD
    assert 12 <= len(secured.credential.asked) <= 16


def test_renewals_that_fail_are_tried_ever_more_rarely_and_people_are_warned_once_a_day(
    secured: Secured, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    secured.world.settle()
    secured.credential.answers.extend([NotRenewed(why="the server is away")] * 10_000)
    end = secured.credential.until or 0.0
    secured.world.clock.set(end - 5 * HOUR)
    while secured.world.clock.now() < end + 2 * DAY:
        secured.world.later(900.0)
    tries = len(secured.credential.asked)
    assert 53 * 3 < tries < 53 * 5
    assert sum(line.message.startswith("not renewed") and line.levelno == logging.WARNING for line in caplog.records) == 1
    assert 2 <= len(secured.messages()) <= 3
    assert any("the server is away" in message for message in secured.messages())
    secured.credential.answers.clear()
    secured.panda.good = {"2"}
    secured.later(800.0)
    assert secured.known().state is CredentialState.GOOD
    assert secured.world.troubles() == []


def test_what_only_a_person_can_mend_is_tried_each_hour_and_at_once_when_the_source_changes(secured: Secured) -> None:
    secured.world.settle()
    secured.credential.answers.extend([NotRenewed(why="the refresh token is revoked", remedy="log in", final=True)] * 1000)
    secured.world.clock.set((secured.credential.until or 0.0) - 5 * HOUR)
    for _ in range(120):
        secured.later(60.0)
    assert 2 <= len(secured.credential.asked) <= 4
    secured.credential.answers.clear()
    secured.panda.good.add("2")
    secured.credential.source = "2"
    asked = len(secured.credential.asked)
    secured.later(31.0)
    assert len(secured.credential.asked) == asked + 1
    assert secured.world.troubles() == []
    assert secured.messages() == ["credential panda: it cannot be renewed: the refresh token is revoked; log in"]


@pytest.mark.parametrize("jump_s", [-30 * DAY, 30 * DAY])
def test_a_clock_that_moves_back_or_forth_does_no_harm(secured: Secured, jump_s: float) -> None:
    secured.panda.good = {str(number) for number in range(1, 100)}
    secured.world.settle()
    began = secured.world.clock.now()
    # While the clock is wrong the token server, whose clock is right, gives tokens that end a day after its own time.
    put = secured.credential.put

    def put_by_another_clock() -> None:
        put()
        secured.credential.begins, secured.credential.until = began, began + DAY

    secured.credential.put = put_by_another_clock  # type: ignore[method-assign]
    secured.world.clock.advance(jump_s)
    for _ in range(60):
        secured.later(60.0)
    assert len(secured.credential.asked) <= 15, "with growing pauses"
    secured.world.clock.advance(-jump_s)
    secured.credential.put = put  # type: ignore[method-assign]
    (job,) = secured.panda.add_jobs(1)
    secured.later(60.0)
    secured.later(60.0)
    assert secured.known().state is CredentialState.GOOD
    assert secured.panda.states[job] == "finished"


def test_the_end_of_what_it_is_renewed_from_is_told_once_a_day(secured: Secured) -> None:
    secured.credential.source_until = secured.world.clock.now() + 3 * DAY
    secured.panda.good = {str(number) for number in range(1, 100)}
    for _ in range(30):
        secured.later(HOUR)
    newer, older = secured.messages()
    assert "what it is renewed from ends in 3.0 days; renew that" in older
    assert "hours; renew that" in newer


def test_what_nobody_renews_is_warned_of_a_week_before(tmp_path: Path) -> None:
    secured = Secured(tmp_path, renews=False, lasts_s=30 * DAY)
    secured.world.settle()
    secured.later(22 * DAY)
    assert secured.messages() == []
    secured.later(1.5 * DAY)
    secured.later(60.0)
    (message,) = secured.messages()
    assert "ends in 6.5 days" in message
    assert secured.world.troubles() == []


def test_a_restart_remembers_that_a_refused_one_was_renewed(secured: Secured) -> None:
    secured.world.settle()
    secured.panda.good = set()
    secured.later(60.0)
    secured.later(60.0)
    assert secured.credential.asked == ["1"]
    for _ in range(3):
        secured.world.restart()
        secured.later(60.0)
    assert secured.credential.asked == ["1"]
    assert len(secured.messages()) == 1


def test_a_credential_that_is_not_configured_any_more_is_forgotten(secured: Secured) -> None:
    secured.world.settle()
    secured.world.house = dataclasses.replace(secured.world.house, credentials={})
    secured.world.restart()
    secured.world.settle()
    with secured.world.database.read() as connection:
        assert credentials.known(connection) == {}


def test_a_defect_of_a_plugin_is_a_trouble_that_shows_no_secret(secured: Secured, caplog: pytest.LogCaptureFixture) -> None:
    def broken(mark: str) -> None:
        raise RuntimeError("token=abcdef")

    secured.credential.renew_credential = broken  # type: ignore[method-assign,assignment]
    secured.world.clock.set((secured.credential.until or 0.0) + 1.0)
    secured.world.settle()
    assert any("RuntimeError in its plugin" in why for _, _, why in secured.world.troubles())
    assert "abcdef" not in caplog.text


def test_a_look_that_breaks_is_a_missing_credential(secured: Secured) -> None:
    def broken() -> Standing:
        raise RuntimeError("no luck")

    secured.credential.check_credential = broken  # type: ignore[method-assign]
    secured.world.settle()
    assert secured.known().state is CredentialState.MISSING


def test_a_refusal_of_a_content_that_was_replaced_meanwhile_is_no_refusal_of_the_new_one(secured: Secured) -> None:
    secured.world.settle()
    secured.credential.put()
    secured.panda.good = {"2"}
    with secured.world.database.write() as write:
        credentials.refused(write, "panda", "1", "403, said late")
    secured.world.settle()
    assert secured.credential.asked == []
    assert secured.known().state is CredentialState.GOOD


