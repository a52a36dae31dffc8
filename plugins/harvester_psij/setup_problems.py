"""What is impossible in a facility or in settings, as far as types cannot tell."""
from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Protocol

from harvester_hpc.errors import did_you_mean
from harvester_hpc.ports.context import Context
from harvester_psij.batch_template import BadTemplate
from harvester_psij.launch_line import LAUNCHERS
from harvester_psij.programs import ASKING, OF_RANKS, PULL, SINGLE, WAYS, YODA, way_of
from harvester_psij.scheduler import SCHEDULERS
from harvester_psij.template_script import usable
from harvester_psij.yoda_settings import YodaSettings

OPTION_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*(\.[A-Za-z][A-Za-z0-9_]*)?")


class Timed(Protocol):
    """Settings of any of the three plugins."""

    @property
    def command_timeout_s(self) -> float:
        """Seconds for one command."""
        ...


class Launching(Protocol):
    """Settings of what is started."""

    @property
    def launch(self) -> str:
        """A way, or "" for the queue's own."""
        ...

    @property
    def pilot(self) -> tuple[str, ...]:
        """Argv of a pilot wrapper."""
        ...

    @property
    def yoda(self) -> YodaSettings:
        """How event ranges are run."""
        ...

    @property
    def container(self) -> tuple[str, ...]:
        """Argv put before the interpreter."""
        ...

    @property
    def template_file(self) -> str:
        """Batch script of the user's own; "" for none."""
        ...

    @property
    def template_values(self) -> Mapping[str, str]:
        """Placeholders of the user's own."""
        ...


def launch_problems(settings: Launching, context: Context) -> tuple[str, ...]:
    """Return why what the queue wants to start cannot be started, one line each."""
    found = [f"yoda.{problem}" for problem in settings.yoda.problems()]
    queue, facility = context.queue, context.facility
    if settings.template_file:
        return (*found, *_template_problems(settings, context))
    if settings.template_values:
        found.append("template_values: there is no template_file for them")
    if queue is None:
        return tuple(found)
    ways = WAYS[queue.map_type]
    way = way_of(queue.map_type, settings.launch, settings.pilot)
    if way not in ways:
        found.append(f"launch: no way '{way}' for {queue.map_type}; there is: {', '.join(ways)}{did_you_mean(way, ways)}")
        return tuple(found)
    if way == PULL and not settings.pilot:
        found.append("pilot: mapType NoJob wants a pilot, which fetches the jobs; it is empty")
    if queue.late and way not in ASKING:
        found.append(f"launch: '{way}' does not ask for jobs (useJobLateBinding); there is: {', '.join(sorted(ASKING))}")
    if way in OF_RANKS and facility.launcher == SINGLE and not facility.launch_template:
        others = ", ".join(name for name in LAUNCHERS if name != SINGLE)
        found.append(f"launch: '{way}' is started by MPI, and facility.launcher is 'single'; there is: {others}; or say another way")
    if way == YODA and settings.pilot:
        found.append("pilot: 'yoda' runs the command of the job itself; for a pilot that takes event ranges say launch 'single'")
    walltime_s = queue.resources.walltime_s
    if way == YODA and walltime_s and walltime_s <= settings.yoda.margin_s + settings.yoda.grace_s:
        found.append(f"yoda.margin_s: with grace_s it leaves nothing of the walltime, {walltime_s} s")
    return tuple(found)


def _template_problems(settings: Launching, context: Context) -> list[str]:
    found = [
        f"{name}: a queue with a template_file starts what that says; leave one of them out"
        for name in ("pilot", "launch", "container") if getattr(settings, name)
    ]
    try:
        usable(settings.template_file, settings.template_values, context)
    except BadTemplate as error:
        found.append(f"template_file: {error}")
    return found


def setup_problems(settings: Timed, context: Context) -> tuple[str, ...]:
    """Return the problems, one line each; one of a setting starts with its name and a colon."""
    facility = context.facility
    found: list[str] = []
    if facility.scheduler not in SCHEDULERS:
        found.append(f"no scheduler '{facility.scheduler}'; there is: {', '.join(SCHEDULERS)}")
    if facility.launcher not in LAUNCHERS and not facility.launch_template:
        found.append(f"no launcher '{facility.launcher}'; there is: {', '.join(LAUNCHERS)}")
    for name in ("command_timeout_s", "parallel", "kill_wait_s"):
        if getattr(settings, name, 1) <= 0:
            found.append(f"{name}: is {getattr(settings, name)}; it must be above 0")
    for name in ("grace_s", "lock_wait_s"):
        if getattr(settings, name, 0) < 0:
            found.append(f"{name}: is {getattr(settings, name)}; it must not be below 0")
    options = dict(facility.attributes) | dict(getattr(settings, "attributes", {}))
    for option, value in options.items():
        if not OPTION_NAME.fullmatch(option):
            found.append(f"attributes: '{option}' is no name of an option (without its leading dashes)")
        if value is not None and "\n" in value:
            found.append(f"attributes: '{option}' has a line break in its value")
    return tuple(found)
