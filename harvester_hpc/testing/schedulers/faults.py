"""What goes wrong with commands, by setting: before they act, and with what they print."""
from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace

from harvester_hpc.testing.schedulers.behaviour import Fault
from harvester_hpc.testing.schedulers.values import Answer, Call

#: A command that hangs is killed by whoever waits for it.
FOR_EVER_S = 86400.0

KINDS: Mapping[str, str] = {
    "slow": "acts and answers after `seconds`",
    "hang": "never acts and never answers",
    "hang after": "acts, and never answers",
    "fail": "does nothing, and fails with `text` (or the words of a server that is away) and `exit_code`",
    "fail after": "acts, and fails after `seconds` with `text` (or the words of a time-out): a submitted job exists",
    "silent": "acts, prints nothing, and is content",
    "lose": "takes the job, tells its number, and knows nothing of it ever after",
    "warn": "prints `text` on standard output before its answer",
    "warn on stderr": "prints `text` on standard error before its answer",
    "truncate": "prints only the first `bytes` bytes of its answer",
    "garbage": "prints `text` in place of its answer",
    "locale": "speaks German to whoever has not said LC_ALL=C",
    "refuse": "turns a submission down: `text` is one of values.Problem",
}

GERMAN: Mapping[str, str] = {
    "Unknown Job Id": "Unbekannte Job-Id", "is not found": "wurde nicht gefunden", "Job ": "Auftrag ", "submitted": "abgesendet",
    "Mon ": "Mo ", "Tue ": "Di ", "Wed ": "Mi ", "Thu ": "Do ", "Fri ": "Fr ", "Sat ": "Sa ", "Sun ": "So ",
    "Mar ": "Mär ", "May ": "Mai ", "Oct ": "Okt ", "Dec ": "Dez ", "error": "Fehler", "Invalid": "Ungültig", "job": "Auftrag",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Struck:
    """The faults that strike one command.

    Attributes:
        kinds: {kind: fault}.
    """

    kinds: Mapping[str, Fault]

    def first(self, *kinds: str) -> Fault | None:
        """Return the fault of the first of these kinds that strikes; None if none does."""
        return next((self.kinds[kind] for kind in kinds if kind in self.kinds), None)


def striking(faults: tuple[Fault, ...], program: str, strikes: Callable[[str], int]) -> Struck:
    """Return the faults that strike a call of ``program``.

    Args:
        strikes: counts a fault, by its own words; returns how often it struck before.
    """
    found: dict[str, Fault] = {}
    for fault in faults:
        if fault.commands and program not in fault.commands:
            continue
        if fault.times and strikes(words_of(fault)) >= fault.times:
            continue
        found[fault.kind] = fault
    return Struck(kinds=found)


def words_of(fault: Fault) -> str:
    """Return what a fault is known by."""
    return json.dumps(asdict(fault), sort_keys=True)


def spoiled(answer: Answer, struck: Struck, call: Call) -> Answer:
    """Return an answer as it comes out of a command with faults."""
    if (fault := struck.first("garbage")) is not None:
        answer = replace(answer, out=fault.text)
    if struck.first("silent"):
        answer = Answer()
    if struck.first("locale") and not {call.environment.get("LC_ALL"), call.environment.get("LANG")} <= {None, "", "C", "POSIX", "C.UTF-8"}:
        answer = replace(answer, out=german(answer.out), err=german(answer.err))
    if (fault := struck.first("warn")) is not None:
        answer = replace(answer, out=f"{fault.text}\n{answer.out}")
    if (fault := struck.first("warn on stderr")) is not None:
        answer = replace(answer, err=f"{fault.text}\n{answer.err}")
    if (fault := struck.first("truncate")) is not None:
        answer = replace(answer, out=answer.out[:fault.bytes])
    return answer


def german(text: str) -> str:
    """Return words and dates of a command as with another locale."""
    for english, word in GERMAN.items():
        text = text.replace(english, word)
    return text
