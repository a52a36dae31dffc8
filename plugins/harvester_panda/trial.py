"""A server is tried: does it do what every system does for a communicator? ``harvester-hpc panda conformance``."""
from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harvester_hpc.errors import ConfigurationError, HarvesterError
from harvester_hpc.model.facility import Facility
from harvester_hpc.ports.context import Context
from harvester_hpc.testing.contracts.conformance import CHECKS, Bench, Check, NotSo
from harvester_panda.communicator import PandaCommunicator
from harvester_panda.settings import PandaSettings

#: Name of an instance, as the server has it in a column.
NAME = re.compile(r"[A-Za-z0-9_.\-]{1,50}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What is tried, on which server.

    Attributes:
        instance: the name under which everything is told; not one that works there.
        queue: queue whose jobs may be taken, and whose numbers of workers may be told; "" for none.
        jobs: how many of its jobs may be taken; they will have failed.
        label: prodSourceLabel of the jobs.
    """

    settings: PandaSettings
    instance: str
    queue: str = ""
    jobs: int = 0
    label: str = "managed"

    def chosen(self) -> Sequence[Check]:
        """Return the checks for which there are jobs enough, in their order."""
        left, found = self.jobs if self.queue else 0, []
        for check in CHECKS:
            if check.jobs <= left:
                left -= check.jobs
                found.append(check)
        return found

    def writes(self) -> Sequence[str]:
        """Return what it will leave on the server, a line each."""
        used = sum(check.jobs for check in self.chosen())
        lines = [check.writes for check in self.chosen() if check.writes]
        return [*lines, f"{used} jobs of {self.queue} ({self.label}), which are taken and FAIL"] if used else lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one check. ``said``: what was wrong; "" if nothing."""

    rule: str
    said: str


def settings_from(values: Mapping[str, Any]) -> PandaSettings:
    """Return settings; files are named from where we stand.

    Raises:
        ConfigurationError: they cannot be used; with every problem.
    """
    given: dict[str, Any] = {
        name: str(Path(value).expanduser().absolute()) if name.endswith("_file") else value for name, value in values.items() if value
    }
    settings = PandaSettings(**given)
    problems = settings.problems()
    if problems:
        raise ConfigurationError("the server cannot be asked", tuple(f"--{one.replace('_', '-')}" for one in problems))
    return settings


def tried(trial: Trial) -> Iterator[Outcome]:
    """Yield the outcome of each check.

    Raises:
        ConfigurationError: the instance's name is none.
        Unavailable: the server does not answer at all.
    """
    if not NAME.fullmatch(trial.instance):
        raise ConfigurationError(f"--instance: {trial.instance!r} is no name of an instance")
    context = Context(instance=trial.instance, tag="trial", state_dir=Path(), facility=Facility(name="trial", scheduler="local"))
    panda = PandaCommunicator(trial.settings, context)
    try:
        panda.dialect()
        bench = Bench(
            communicator=panda, first_worker=(panda.current_worker_id() or 0) + 1, queue=trial.queue, take=_taker(panda, trial),
        )
        for check in trial.chosen():
            yield Outcome(rule=check.rule, said=_said(check, bench))
    finally:
        panda.close()


def _taker(panda: PandaCommunicator, trial: Trial) -> Callable[[int], Sequence[Mapping[str, Any]]]:
    return lambda number: panda.get_jobs(trial.queue, "conformance", trial.label, "conformance", number, {})


def _said(check: Check, bench: Bench) -> str:
    try:
        check.run(bench)
    except (NotSo, HarvesterError) as error:
        return str(error) or type(error).__name__
    return ""
