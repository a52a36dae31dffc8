"""The credential manager: looks at credentials, renews them in good time, and tells a person what only a person can mend."""
from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from harvester_hpc.agents.base import Agent, Surroundings
from harvester_hpc.clock import as_text
from harvester_hpc.model.credential import Credential, CredentialState
from harvester_hpc.model.dialog import Level
from harvester_hpc.model.turn import AGENTS, CRED_MANAGER
from harvester_hpc.policy import credential as policy
from harvester_hpc.ports.credential import CredentialManager, NotRenewed, Renewal, Renewed, Standing
from harvester_hpc.store import credential as credentials
from harvester_hpc.store import dialog as dialogs
from harvester_hpc.store import health
from harvester_hpc.store.database import Write

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """A credential that is to be renewed, and why."""

    known: Credential
    reason: str


class CredManager(Agent):
    """Looks at every credential in each round; what is outside is asked only when one is to be renewed."""

    name = CRED_MANAGER

    def __init__(self, house: Surroundings, period_s: float) -> None:
        super().__init__(house, period_s)
        self._kept = house.credentials
        self._is_new = True
        self._told: dict[str, str] = {}

    def run_once(self) -> int:
        """Look, and renew what is due; return how many contents have changed."""
        if self._is_new:
            with self.database.write() as write:
                credentials.forget_others(write, self._kept)
            self._is_new = False
        if not self._kept:
            return 0
        with self.database.read() as connection:
            before = credentials.known(connection)
        now = self.clock.now()
        after = {name: policy.seen(before.get(name), name, checked_standing(kept.manager), now) for name, kept in self._kept.items()}
        changed = self._store(before, after)
        wishes = [
            _Wish(known=one, reason=reason) for name, one in after.items()
            if (reason := policy.renewal_reason(one, self._kept[name].rules, now))
        ]
        for results in self.in_parallel(wishes, self._renewed):
            changed += self._store(after, {one.name: one for one in results})
        return changed

    def next_due(self) -> float | None:
        """Return when the next credential is to be renewed."""
        with self.database.read() as connection:
            there = credentials.known(connection)
        times = [policy.next_renewal(one, self._kept[name].rules) for name, one in there.items() if name in self._kept]
        return min((time for time in times if time is not None), default=None)

    # -- renewing ------------------------------------------------------------------------------------

    def _renewed(self, wishes: Sequence[_Wish]) -> list[Credential]:
        return [self._renewed_one(wish) for wish in wishes]

    def _renewed_one(self, wish: _Wish) -> Credential:
        name, known = wish.known.name, wish.known
        kept = self._kept[name]
        answer = renewal(kept.manager, known.mark)
        self.house.reached("credential renewed, not stored")
        now = self.clock.now()
        match answer:
            case Renewed():
                after = policy.seen(known, name, checked_standing(kept.manager), now)
                after = policy.renewed(after, wish.reason, known, kept.rules, now, self.house.draw())
                log.info(
                    "renewed credential=%s because=%r until=%s", name, wish.reason, "-" if after.until is None else as_text(after.until),
                )
                return after
            case NotRenewed():
                failed = "; ".join(part for part in (answer.why, answer.remedy) if part)
                after = policy.not_renewed(known, failed, final=answer.final, now=now, spread=self.house.draw())
                log.log(
                    logging.WARNING if after.tries == 1 else logging.INFO, "not renewed credential=%s try=%d seconds=%.0f why=%s",
                    name, after.tries, (after.due or now) - now, answer.why,
                )
                return after

    # -- storing, and telling people -------------------------------------------------------------------

    def _store(self, before: dict[str, Credential], after: dict[str, Credential]) -> int:
        """Keep what has changed, and say what is wrong; return how many contents have changed."""
        alarms = {name: policy.alarm(one, self._kept[name].rules, self.clock.now()) for name, one in after.items()}
        news = [name for name, one in after.items() if before.get(name) != one or alarms[name] or self._is_untold(one)]
        if not news:
            return 0
        changed = [name for name in news if _has_other_content(before.get(name), after[name])]
        with self.database.write() as write:
            for name in changed:
                health.credential_changed(write, name)
                self._told.pop(name, None)
            for name in news:
                self._keep(write, after[name], alarms[name])
            if changed:
                for agent in AGENTS:
                    write.ring(agent)
        return len(changed)

    def _keep(self, write: Write, one: Credential, alarm: policy.Alarm | None) -> None:
        cause = f"credential {one.name}"
        if alarm is not None:
            one = replace(one, warned=write.now, warned_of=alarm.of)
            level = logging.ERROR if alarm.level is Level.ERROR else logging.WARNING
            log.log(level, "credential=%s %s", one.name, alarm.words)
            dialogs.add(write, self.name, cause, alarm.level, f"{cause}: {alarm.words}")
        elif policy.concern(one, self._kept[one.name].rules, write.now) is None:
            dialogs.over(write, self.name, cause)
        credentials.keep(write, one)
        trouble = _trouble(one)
        if not trouble:
            health.no_trouble(write, self.name, one.name)
            self._told.pop(one.name, None)
        elif self._is_untold(one):
            until = policy.next_renewal(one, self._kept[one.name].rules)
            health.trouble(write, self.name, one.name, max(until or 0.0, write.now + self.period_s), trouble, one.name)
            self._told[one.name] = trouble

    def _is_untold(self, one: Credential) -> bool:
        return self._told.get(one.name, "") != _trouble(one)


def _has_other_content(before: Credential | None, after: Credential) -> bool:
    return bool(after.mark) and (before is None or before.mark != after.mark)


def _trouble(one: Credential) -> str:
    """Return what ``status`` says is wrong; "" if nothing."""
    return one.said if one.state is CredentialState.GOOD else f"{one.state}: {one.said}"


def checked_standing(manager: CredentialManager) -> Standing:
    """Return how a credential stands; a defect of the plugin is said as what it is."""
    try:
        return manager.check_credential()
    except Exception as error:  # other people's code
        log.exception("defect in a plugin path=%s", manager.path)
        return Standing(why=f"it cannot be looked at: {type(error).__name__}", remedy="report it; the log has the trace")


def renewal(manager: CredentialManager, mark: str) -> Renewal:
    """Renew a credential; a defect of the plugin is said as what it is, without its words: they might hold a secret."""
    try:
        return manager.renew_credential(mark)
    except Exception as error:  # other people's code
        log.error("defect in a plugin path=%s error=%s", manager.path, type(error).__name__)
        return NotRenewed(why=f"{type(error).__name__} in its plugin", remedy="report it")
