"""What a credential wants: to be left alone, to be renewed, or a person."""
from __future__ import annotations

from dataclasses import dataclass, replace

from harvester_hpc.model.credential import Credential, CredentialState
from harvester_hpc.model.dialog import Level
from harvester_hpc.policy.backoff import pause_s
from harvester_hpc.ports.credential import Standing

DAY_S = 86400.0
#: Pauses when only a person can mend it: what a server has said once may have been its own fault. A change of the source is seen at once.
FINAL_S = 3600.0
LONGEST_FINAL_S = 1.25 * FINAL_S
#: Seconds without a usable credential, while renewals are tried, after which a person is told.
LONG_S = 3600.0
#: A credential is renewed when at most this part of its time is left, however early the user wants it: else short ones are renewed all
#: the time.
LAST_PART = 1 / 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the user wants of one credential.

    Attributes:
        renews: it can be renewed without a person.
        renew_before_s, warn_before_s: seconds before its end.
    """

    renews: bool
    renew_before_s: float
    warn_before_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """What a person is told. ``of``: the cause, the same as long as it is the same."""

    of: str
    level: Level
    words: str


def seen(known: Credential | None, name: str, standing: Standing, now: float) -> Credential:
    """Return what is known of a credential after a look at it."""
    if known is None:
        known = Credential(name=name, state=CredentialState.MISSING, since=now, changed=now)
    if known.mark != standing.mark:
        known = replace(known, mark=standing.mark, changed=now)
        known = _fresh(known) if standing.mark else known
    if known.source_mark != standing.source_mark:
        known = _fresh(replace(known, source_mark=standing.source_mark))
    known = replace(
        known, begins=standing.begins, until=standing.until, source_until=standing.source_until, about=standing.about,
    )
    state = _state(known, standing, now)
    if state is not known.state:
        known = replace(known, state=state, since=now)
    why, remedy = _reason(known, standing)
    return replace(known, why=why, remedy=remedy)


def _fresh(known: Credential) -> Credential:
    """Return it without what became of renewals so far."""
    return replace(known, tries=0, due=None, final=False, failed="")


def _state(known: Credential, standing: Standing, now: float) -> CredentialState:
    if standing.why or not standing.mark:
        return CredentialState.MISSING
    # That an ended one is refused is no news.
    if standing.until is not None and standing.until <= now:
        return CredentialState.EXPIRED
    return CredentialState.REFUSED if known.refused == standing.mark else CredentialState.GOOD


def _reason(known: Credential, standing: Standing) -> tuple[str, str]:
    match known.state:
        case CredentialState.GOOD:
            return "", ""
        case CredentialState.MISSING:
            return standing.why, standing.remedy
        case CredentialState.EXPIRED:
            return "its time is over", standing.remedy
        case CredentialState.REFUSED:
            return known.refused_why, standing.remedy or "renew it, and see that its user may do this"


def renewal_reason(known: Credential, rules: Rules, now: float) -> str:
    """Return why a credential is to be renewed now; "" if it is not."""
    # A time further away than any pause of ours: the clock was set back.
    if not rules.renews or (known.due is not None and 0.0 < known.due - now <= LONGEST_FINAL_S):
        return ""
    match known.state:
        case CredentialState.MISSING:
            return "there is none"
        case CredentialState.EXPIRED:
            return "its time is over"
        case CredentialState.REFUSED:
            return "" if needs_person(known, rules) else "it was refused"
        case CredentialState.GOOD:
            return "it ends soon" if known.until is not None and now >= known.until - early_s(known, rules) else ""


def needs_person(known: Credential, rules: Rules) -> bool:
    """Tell whether nothing goes on before a person has acted, as far as can be told."""
    if known.state is CredentialState.GOOD:
        return False
    return not rules.renews or known.final or (known.state is CredentialState.REFUSED and known.made == known.mark)


def early_s(known: Credential, rules: Rules) -> float:
    """Return how long before its end it is renewed, in seconds."""
    if known.until is None:
        return 0.0
    begins = known.changed if known.begins is None else max(known.begins, 0.0)
    return max(0.0, min(rules.renew_before_s, (known.until - begins) * LAST_PART))


def next_renewal(known: Credential, rules: Rules) -> float | None:
    """Return when it is renewed next if nothing happens, seconds since 1970; None: not by itself."""
    if not rules.renews or (known.state is CredentialState.REFUSED and known.made == known.mark):
        return None
    if known.state is not CredentialState.GOOD:
        return known.due or 0.0
    if known.until is None:
        return None
    return max(known.until - early_s(known, rules), known.due or 0.0)


def renewed(known: Credential, reason: str, before: Credential, rules: Rules, now: float, spread: float) -> Credential:
    """Return what is known after a renewal that went well.

    Args:
        known: as it was seen afterwards.
        reason: why it was made.
        before: as it was when it was decided to renew it.
    """
    if reason == "it was refused":
        known = replace(known, made=known.mark)
    known = replace(known, renewed=now)
    if not renewal_reason(replace(known, due=None), rules, now):
        return known
    # It has brought nothing: the source ends, or a clock is wrong.
    tries = before.tries + 1
    return replace(known, tries=tries, due=now + pause_s(tries, spread), failed="a renewal brought nothing better")


def not_renewed(known: Credential, failed: str, *, final: bool, now: float, spread: float) -> Credential:
    """Return what is known after a renewal that did not work."""
    tries = known.tries + 1
    pause = pause_s(tries, spread, first_s=FINAL_S, longest_s=FINAL_S) if final else pause_s(tries, spread)
    return replace(known, tries=tries, due=now + pause, final=final, failed=failed)


def alarm(known: Credential, rules: Rules, now: float) -> Alarm | None:
    """Return what a person is to be told; None: nothing, or it was told within a day."""
    found = concern(known, rules, now)
    if found is None or (found.of == known.warned_of and known.warned is not None and 0.0 <= now - known.warned < DAY_S):
        return None
    return found


def concern(known: Credential, rules: Rules, now: float) -> Alarm | None:
    """Return what is a person's concern, whether it was told or not; None: nothing."""
    if known.state is not CredentialState.GOOD:
        if needs_person(known, rules) or now - known.since >= LONG_S:
            return Alarm(of=f"{known.state}", level=Level.ERROR, words=f"it is {known.state}: {known.said}")
        return None
    if known.final:
        return Alarm(of="renewal", level=Level.ERROR, words=f"it cannot be renewed: {known.failed}")
    # Those that renew themselves are late only when half of the time for that has passed.
    early = min(rules.warn_before_s, early_s(known, rules) / 2) if rules.renews else rules.warn_before_s
    is_late = bool(known.tries) or not rules.renews
    if known.until is not None and known.until - now < early and is_late:
        return Alarm(of="end", level=Level.WARNING, words=f"it ends in {_left(known.until - now)}; {known.said or 'renew it'}")
    if known.source_until is not None and known.source_until - now < rules.warn_before_s:
        words = f"what it is renewed from ends in {_left(known.source_until - now)}; renew that"
        return Alarm(of="source", level=Level.WARNING, words=words)
    return None


def _left(seconds: float) -> str:
    if seconds <= 0.0:
        return "no time (it has ended)"
    if seconds < 2 * 3600.0:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / DAY_S:.1f} days" if seconds >= 2 * DAY_S else f"{seconds / 3600:.1f} hours"
