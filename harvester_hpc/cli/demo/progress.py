"""What goes on, shown until all jobs have ended: drawn on a terminal, a line for each change when piped."""
from __future__ import annotations

import subprocess
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import click

from harvester_hpc.cli.asking import until
from harvester_hpc.cli.instance import Instance
from harvester_hpc.cli.paper import COLOURS, on_terminal
from harvester_hpc.errors import HarvesterError
from harvester_hpc.model.job import JOB_LIFECYCLE, Job, JobState
from harvester_hpc.store import job as jobs

LOOK_S = 0.2


def watch(
    instance: Instance, ids: Sequence[int], process: subprocess.Popen[bytes], timeout_s: float, meanwhile: Callable[[], None] = lambda: None
) -> list[Job]:
    """Show the jobs until all have ended and are told; return them. ``meanwhile`` is called at each look.

    Raises:
        HarvesterError: they have not ended within ``timeout_s`` seconds, or the instance has.
    """
    began = time.monotonic()
    found: list[Job] = []
    with _screen() as show:

        def ended() -> bool:
            found[:] = _look(instance, ids)
            show(_states(found, len(ids)), time.monotonic() - began)
            meanwhile()
            through = len(found) == len(ids) and all(JOB_LIFECYCLE.is_final(job.state) and job.due is not None for job in found)
            return through or process.poll() is not None

        in_time = until(ended, timeout_s, LOOK_S)
    if process.poll() is not None:
        raise HarvesterError(f"the instance ended with exit code {process.returncode}", remedy=f"look into {instance.state_dir / 'log'}")
    if not in_time:
        states = ", ".join(f"{number} {state}" for state, number in _states(found, len(ids)).items())
        remedy = f"harvester-hpc --home {instance.home} status, and its log in {instance.state_dir / 'log'}"
        raise HarvesterError(f"the jobs have not ended within {timeout_s:g} s: {states}", remedy=remedy)
    return found


def _look(instance: Instance, ids: Sequence[int]) -> list[Job]:
    with instance.reading() as connection:
        return list(jobs.by_ids(connection, ids).values())


def _states(found: Sequence[Job], number: int) -> dict[str, int]:
    """Return {state: jobs} in the order of life; jobs that were not fetched yet are ``waiting``."""
    counted = Counter(job.state for job in found)
    waiting = {"waiting": number - len(found)} if len(found) < number else {}
    return {**waiting, **{state.value: counted[state] for state in JobState if counted[state]}}


Show = Callable[[dict[str, int], float], None]


def _screen() -> AbstractContextManager[Show]:
    return _Live() if on_terminal() else nullcontext(_plain())


def _plain() -> Show:
    last: list[dict[str, int]] = []

    def show(states: dict[str, int], seconds: float) -> None:
        if last != [states]:
            click.echo(f"{seconds:6.1f} s  " + "  ".join(f"{state} {number}" for state, number in states.items()))
            last[:] = [states]

    return show


class _Live(AbstractContextManager[Show]):
    """A bar of the jobs by state, drawn anew in place."""

    def __init__(self) -> None:
        from rich.live import Live

        self._live: Any = Live(refresh_per_second=8)

    def __enter__(self) -> Show:
        self._live.__enter__()
        return self._show

    def __exit__(self, *error: object) -> None:
        self._live.__exit__(*error)

    def _show(self, states: dict[str, int], seconds: float) -> None:
        from rich.text import Text

        width, total = 48, max(1, sum(states.values()))
        line = Text(f"{seconds:6.1f} s  ")
        for state, number in states.items():
            line.append("█" * max(1, round(width * number / total)), style=COLOURS.get(state, "white"))
        line.append("  " + "  ".join(f"{state} {number}" for state, number in states.items()))
        self._live.update(line)
