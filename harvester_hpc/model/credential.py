"""A credential as the store remembers it: what was seen of it, who refused it, and what became of its renewals."""
from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class CredentialState(StrEnum):
    """How it stands. It has no lifecycle: files come and go, and any state may follow any other."""

    GOOD = "good"
    EXPIRED = "expired"
    MISSING = "missing"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """One credential. Times are seconds since 1970; None: not known, or never.

    Attributes:
        since: of this state.
        mark: of the content that was seen last; "" if there is none that could be used.
        changed: when this content was seen first.
        begins, until, source_until, source_mark, about: as in ``ports.credential.Standing``.
        why, remedy: why it is not good, and what to do.
        failed: why the last renewal brought nothing, and what to do about that; "" if there was none such.
        refused, refused_why: mark of the content that was refused last, and in which words.
        made: mark of the content that was made because the one before it was refused: it is not replaced for that reason once more.
        renewed: when it was renewed last.
        tries: renewals in a row that brought nothing.
        due: when the next one may be tried; None: at once.
        final: the last one said that a person is needed.
        warned, warned_of: when a person was warned last, and of what.
    """

    name: str
    state: CredentialState
    since: float
    mark: str = ""
    changed: float = 0.0
    begins: float | None = None
    until: float | None = None
    source_until: float | None = None
    source_mark: str = ""
    about: str = ""
    why: str = ""
    remedy: str = ""
    failed: str = ""
    refused: str = ""
    refused_why: str = ""
    made: str = ""
    renewed: float | None = None
    tries: int = 0
    due: float | None = None
    final: bool = False
    warned: float | None = None
    warned_of: str = ""

    @property
    def said(self) -> str:
        """All that is wrong with it, in one line; "" if nothing."""
        failed = f"not renewed: {self.failed}" if self.failed else ""
        return "; ".join(part for part in (self.why, self.remedy, failed) if part)
