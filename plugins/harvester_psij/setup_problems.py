"""What is impossible in a facility or in settings, as far as types cannot tell."""
from __future__ import annotations

import re
from typing import Protocol

from harvester_hpc.model.worker import MapType
from harvester_hpc.ports.context import Context
from harvester_psij.launch_line import LAUNCHERS

SCHEDULERS = ("local", "slurm")
OPTION_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]*")


class Timed(Protocol):
    """Settings of any of the three plugins."""

    @property
    def command_timeout_s(self) -> float:
        """Seconds for one command."""
        ...


def setup_problems(settings: Timed, context: Context) -> tuple[str, ...]:
    """Return the problems, one line each; one of a setting starts with its name and a colon."""
    facility = context.facility
    found: list[str] = []
    if facility.scheduler not in SCHEDULERS:
        found.append(f"no scheduler '{facility.scheduler}'; there is: {', '.join(SCHEDULERS)}")
    if facility.launcher not in LAUNCHERS:
        found.append(f"no launcher '{facility.launcher}'; there is: {', '.join(LAUNCHERS)}")
    for name in ("command_timeout_s", "parallel", "kill_wait_s"):
        if getattr(settings, name, 1) <= 0:
            found.append(f"{name}: is {getattr(settings, name)}; it must be above 0")
    for name in ("grace_s", "lock_wait_s"):
        if getattr(settings, name, 0) < 0:
            found.append(f"{name}: is {getattr(settings, name)}; it must not be below 0")
    if context.queue is not None and context.queue.map_type is MapType.NO_JOB and not getattr(settings, "pilot", True):
        found.append("pilot: mapType NoJob wants a pilot, which fetches the jobs; it is empty")
    options = dict(facility.attributes) | dict(getattr(settings, "attributes", {}))
    for option, value in options.items():
        if not OPTION_NAME.fullmatch(option):
            found.append(f"attributes: '{option}' is no name of an option (without its leading dashes)")
        if value is not None and "\n" in value:
            found.append(f"attributes: '{option}' has a line break in its value")
    return tuple(found)
