"""The batch script of a worker: what the template is filled with.

The script's own output (``batch.log`` in the access point) is a few lines; what payloads print goes to files that the
launcher caps, so the log needs no cap of its own.
"""
from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from harvester_hpc.model.worker import Worker
from harvester_hpc.ports.context import Context
from harvester_psij.batch_template import BatchTemplate
from harvester_psij.environment import environment_lines, module_lines
from harvester_psij.launch_line import Tasks, launch_line
from harvester_psij.programs import YODA, program, salvage, tasks_of, tied, way_of
from harvester_psij.scheduler import Scheduler
from harvester_psij.template_script import TemplateScript, template_script
from harvester_psij.wanted import BATCH_LOG, batch_queue, wanted_by
from harvester_psij.yoda_settings import YodaSettings

TEMPLATE = Path(__file__).parent / "templates" / "worker.mustache"

# With its start time and host a process number names one process for ever.
LOCAL_IDENTITY = (
    'read -r stat < "/proc/$$/stat"',
    "stat=(${stat##*)})",
    'batch_id="$$.${stat[19]}@$(uname -n)"',
    "restart=0",
)

IMPORTED_ON_THE_NODE = ("harvester_hpc", "harvester_launch")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptExtras:
    """What the queue's own section adds to the facility.

    Attributes:
        attributes: options of the submit command, None for one without a value.
        container: argv put before the interpreter.
        pilot: argv of a pilot wrapper that runs in place of the job's own command; empty for none.
        launch: what is started, a way of ``programs.WAYS``; "": by mapType.
        yoda: how event ranges are run.
        template: the batch script of the user's own that runs in place of our launcher; None for none.
        source_roots: folders that make our packages importable on the node; empty if they are installed there.
    """

    attributes: Mapping[str, str | None] = field(default_factory=dict)
    container: tuple[str, ...] = ()
    pilot: tuple[str, ...] = ()
    launch: str = ""
    yoda: YodaSettings = field(default_factory=YodaSettings)
    template: BatchTemplate | None = None
    source_roots: tuple[str, ...] = ()


def source_roots() -> tuple[str, ...]:
    """Return the folders from which this process would import what runs on the node, without importing it."""
    roots: list[str] = []
    for name in IMPORTED_ON_THE_NODE:
        spec = find_spec(name)
        for place in (spec.submodule_search_locations or []) if spec else []:
            roots.append(str(Path(place).resolve().parent))
    return tuple(dict.fromkeys(roots))


def script_values(worker: Worker, context: Context, extras: ScriptExtras, scheduler: Scheduler | None) -> dict[str, object]:
    """Return what the template needs; every value is quoted for the shell already.

    Args:
        scheduler: None for this machine.

    Raises:
        BadTemplate: the user's own batch script cannot be used.
    """
    facility = context.facility
    way = way_of(worker.map_type, extras.launch, extras.pilot)
    # What a template starts, and on how many nodes, is its own matter.
    tasks = tasks_of(worker, way, extras.yoda) if extras.template is None else Tasks(nodes=worker.plan.nodes)
    directives = scheduler.directives(wanted_by(worker, facility, extras.attributes, tasks)) if scheduler else []
    theirs = template_script(extras.template, worker, context, directives) if extras.template else None
    return {
        "directives": list(theirs.directives) if theirs else directives,
        "log": [BATCH_LOG] if scheduler and scheduler.log_redirection else [],
        "setup": scheduler.setup(facility.launcher) if scheduler else [],
        "worker_id": str(worker.id),
        "instance": " ".join(context.instance.split()),
        "identity": list(scheduler.identity if scheduler else LOCAL_IDENTITY),
        "access_point": shlex.quote(worker.access_point),
        "requeue": facility.requeues(batch_queue(worker, facility)),
        "doorbell": _doorbell(worker, context),
        "variables": [f"{name}={shlex.quote(value)}" for name, value in _variables(worker, context, tasks).items()]
        + ['HARVESTER_BATCH_ID="$batch_id"', *environment_lines(facility)],
        "prologue": [*module_lines(facility), *facility.prologue],
        "epilogue": list(facility.epilogue),
        **(_started(theirs) if theirs else _launched(worker, context, extras, way, tasks, is_here=scheduler is None)),
    }


def _launched(
    worker: Worker, context: Context, extras: ScriptExtras, way: str, tasks: Tasks, *, is_here: bool
) -> dict[str, object]:
    """Return the values that start a launcher of ours."""
    facility = context.facility
    late_wait_s = context.queue.late_wait_s if context.queue else 0.0
    inside = program(worker, facility.python, way, tasks, filled_pilot(extras.pilot, worker, context), extras.yoda, late_wait_s)
    line = launch_line(facility, tasks, [*extras.container, *inside])
    if is_here and tasks.ranks:
        line = [*tied(facility.python), *line]
    return {
        "template": [],
        "child": '"$harvester_child"',
        "python_path": [shlex.quote(":".join(extras.source_roots))] if extras.source_roots else [],
        "launch_line": shlex.join(line),
        "salvage": [shlex.join([*extras.container, *salvage(worker, facility.python)])] if way == YODA else [],
    }


def _started(script: TemplateScript) -> dict[str, object]:
    """Return the values that start a batch script of the user's own: all of its processes are told to end, not the shell alone."""
    left_out = [script.values["left_out"]] if script.values["left_out"] else []
    return {
        "template": [dict(script.values) | {"left_out": left_out}],
        "child": '-- "-$harvester_child"',
        "python_path": [],
        "launch_line": script.launch_line,
        "salvage": [],
    }


def _variables(worker: Worker, context: Context, tasks: Tasks) -> dict[str, str]:
    return {
        "HARVESTER_ID": context.instance,
        "HARVESTER_WORKER_ID": str(worker.id),
        "HARVESTER_ACCESS_POINT": worker.access_point,
        "HARVESTER_MAPTYPE": str(worker.map_type),
        "HARVESTER_NNODE": str(worker.plan.nodes),
        "HARVESTER_NTASKS": str(tasks.number if tasks.ranks else worker.plan.nodes),
        **({"HARVESTER_JOB_TYPE": worker.job_type} if worker.job_type else {}),
        **({"HARVESTER_RESOURCE_TYPE": worker.resource_type} if worker.resource_type else {}),
    }


def filled_pilot(pilot: Sequence[str], worker: Worker, context: Context) -> list[str]:
    """Return the argv of a pilot with the names filled in that templates of PanDA Harvester have; other braces stay.

    Source: existing Harvester, Slurm templates ({workerID}, {harvesterID}, {computingSite}, {accessPoint}, {jobType}); {resourceType}
    and {prodSourceLabel} are ours.
    """
    queue = context.queue
    values = {
        "workerID": str(worker.id), "harvesterID": context.instance, "accessPoint": worker.access_point,
        "computingSite": (queue.site if queue else "") or worker.queue, "prodSourceLabel": queue.label if queue else "",
        "jobType": worker.job_type or "ANY", "resourceType": worker.resource_type or "ANY",
    }
    argv = list(pilot)
    for name, value in values.items():
        argv = [word.replace(f"{{{name}}}", value) for word in argv]
    return argv


def _doorbell(worker: Worker, context: Context) -> list[dict[str, str]]:
    """Return the folder that tells which workers have news, and this worker's button in it."""
    if context.queue is None or not context.queue.access_root:
        return []
    folder = f"{context.queue.access_root}/.doorbell"
    return [{"folder": shlex.quote(folder), "button": shlex.quote(f"{folder}/{worker.id}")}]
