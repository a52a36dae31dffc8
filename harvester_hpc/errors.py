"""The errors of the house, as a tree.

    HarvesterError                   something of ours; str() says what, which, and what to do
    ├── ConfigurationError           the user's files: every problem at once
    ├── PluginMissing                no such entry point, module or class
    ├── StoreError                   the store file
    │   ├── StoreMissing             there is none here
    │   ├── StoreTooNew              written by a newer program
    │   ├── StoreCorrupt             not a store, or damaged
    │   └── StoreUnusable            read-only, full, locked or out of reach
    ├── LeaseHeld                    another process owns the store
    ├── LeaseLost                    another process took the store over; this one may not write
    ├── ForbiddenMove                a step that the lifecycle does not have (a defect of the caller)
    ├── FifoLost                     a queue beside the store is not the one that was opened
    └── Unavailable                  the outside gave no answer: nothing is known, nothing changes
        ├── AnswerLost               it was asked for what it gives once, and may have given it
        └── CredentialRefused        it does not want our credential, or there is none to show

An error about one job, worker or file is no exception; it is a value (see ``ports.outcome``).
"""
from __future__ import annotations

from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return the hint that ends a message about an unknown word: `` (did you mean 'psij'?)``, or "" if nothing is near.

    Args:
        known: the words that there are; case does not count.
    """
    from difflib import get_close_matches  # only when something is wrong already

    spelt = {candidate.lower(): candidate for candidate in known}
    near = get_close_matches(word.lower(), spelt, n=1)
    return f" (did you mean {spelt[near[0]]!r}?)" if near else ""


class HarvesterError(Exception):
    """Base of all errors that this program raises on purpose.

    Args:
        what: one line: what went wrong, with which thing.
        why: one line: the cause, in the words of the one who said it (the scheduler, the system).
        remedy: one line: what to do.
    """

    def __init__(self, what: str, *, why: str = "", remedy: str = "") -> None:
        super().__init__("; ".join(part for part in (what, why, remedy) if part))
        self.what = what
        self.why = why
        self.remedy = remedy


class ConfigurationError(HarvesterError):
    """The configuration cannot be used; all its problems are listed in ``problems``, one line each."""

    def __init__(self, what: str, problems: tuple[str, ...] = (), *, why: str = "", remedy: str = "") -> None:
        super().__init__(what, why=why or "; ".join(problems), remedy=remedy)
        self.problems = problems


class PluginMissing(HarvesterError):
    """A configured plugin is not installed or not importable."""


class StoreError(HarvesterError):
    """The store file cannot be used."""


class StoreMissing(StoreError):
    """There is no store where the configuration says."""


class StoreTooNew(StoreError):
    """The store was written by a newer program than this one."""


class StoreCorrupt(StoreError):
    """The file is not one of our stores, or it is damaged."""


class StoreUnusable(StoreError):
    """The store is read-only, its disk is full, or it stays locked."""


class LeaseHeld(HarvesterError):
    """Another living process owns the store."""


class LeaseLost(HarvesterError):
    """Another process has taken the store over; nothing was written."""


class ForbiddenMove(HarvesterError):
    """A change of state that the lifecycle does not allow."""


class FifoLost(HarvesterError):
    """A queue beside the store has begun a new life, and is to be filled anew. Raised once; the next call works on the new one."""


class Unavailable(HarvesterError):
    """An outside service gave no usable answer: nothing is known, so nothing changes.

    Args:
        of: name of the service, if several queues ask the same one: it is one trouble, not one for each queue.
    """

    def __init__(self, what: str, *, why: str = "", remedy: str = "", of: str = "") -> None:
        super().__init__(what, why=why, remedy=remedy)
        self.of = of


class AnswerLost(Unavailable):
    """The outside was asked for what it gives once; what it gave, if it did, cannot be asked for again."""


class CredentialRefused(Unavailable):
    """The outside does not take our credential, or there is none that could be shown. Nothing of it is in the message.

    Args:
        credential: its name in the section ``credentials``; "" if it does not stand there: then nobody renews it.
        mark: which content was refused (``secret_file.mark_of``); "" if there was none to be read.
    """

    def __init__(self, what: str, *, credential: str = "", mark: str = "", why: str = "", remedy: str = "") -> None:
        super().__init__(what, why=why, remedy=remedy)
        self.credential = credential
        self.mark = mark
