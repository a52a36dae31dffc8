"""What ``explain`` answers: sentences for people, and the same facts for programs."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import click

from harvester_hpc.cli.paper import write_json
from harvester_hpc.cli.times import iso, span
from harvester_hpc.store.health import Trouble
from harvester_hpc.store.holdback import Holdback


@dataclass(slots=True)
class Account:
    """An answer.

    Attributes:
        title: one line.
        lines: sentences; what stands below another one is indented by two blanks.
        facts: the same for programs; times in UTC.
    """

    title: str
    facts: dict[str, Any]
    lines: list[str] = field(default_factory=list)

    def say(self, line: str, below: Sequence[str] = ()) -> None:
        """Add a sentence, and what stands below it."""
        self.lines += [line, *(f"  {one}" for one in below)]

    def write(self, *, as_json: bool) -> None:
        """Write it to standard output."""
        if as_json:
            write_json(self.facts)
            return
        click.echo(self.title)
        for line in self.lines:
            click.echo(f"  {line}")


def when(due: float | None, now: float) -> str:
    """Return ``in 5m10s``, ``now`` or ``never`` (None)."""
    if due is None:
        return "never"
    return f"in {span(due - now)}" if due - now >= 1.0 else "now"


def say_troubles(account: Account, troubles: Sequence[Trouble], now: float) -> None:
    """Tell what does not work, with its clock."""
    account.facts["troubles"] = [
        {"agent": one.agent, "queue": one.queue, "since": iso(one.since), "until": iso(one.until), "tries": one.count, "why": one.why}
        for one in troubles
    ]
    for one in troubles:
        tried = f"next try {when(one.until, now)}, {one.count} tries"
        account.say(f"the {one.agent} waits since {span(now - one.since)} ({tried}): {one.why}")


def say_held_back(account: Account, found: Sequence[Holdback], queue: str, now: float) -> None:
    """Tell what holds the workers of a queue back."""
    account.facts["held_back"] = next((one.why for one in found if one.queue == queue), "")
    for one in found:
        if one.queue == queue:
            account.say(f"its new workers are held back since {span(now - one.since)}: {one.why}")


