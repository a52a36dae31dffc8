"""What the batch script has where a template of the user's own takes the place of our launcher."""
from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harvester_hpc.errors import Unavailable
from harvester_hpc.model.worker import Worker
from harvester_hpc.ports.context import Context
from harvester_psij.batch_template import BadTemplate, BatchTemplate, delimiter, divided, read_template
from harvester_psij.launch_line import cores_per_node
from harvester_psij.pbs_options import duration
from harvester_psij.template_directives import DIALECTS, merged
from harvester_psij.wanted import batch_queue

#: The copy of the template that a batch job makes, and runs.
SCRIPT = '"$harvester_script"'


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateScript:
    """Attributes: directives: of the whole script. values: what our own template is filled with. launch_line: what is started."""

    directives: tuple[str, ...]
    values: Mapping[str, str]
    launch_line: str


def template_script(template: BatchTemplate, worker: Worker, context: Context, ours: Sequence[str]) -> TemplateScript:
    """Return how a worker runs a template.

    Args:
        ours: the directives that it would have without.

    Raises:
        BadTemplate: its directives cannot be used.
    """
    dialect = DIALECTS.get(context.facility.scheduler)
    parts = divided(
        template, placeholders(worker, context), dialect.word if dialect else "", anywhere=dialect is not None and dialect.anywhere
    )
    directives, left_out = tuple(ours), ""
    if dialect is not None:
        together = merged(dialect, ours, parts.directives, template.path)
        directives, left_out = together.lines, ", ".join(together.left_out)
    return TemplateScript(
        directives=directives,
        values={"path": " ".join(template.path.split()), "body": parts.body, "end": delimiter(parts.body), "left_out": left_out},
        launch_line=f"{shlex.join(parts.interpreter)} {SCRIPT}",
    )


def placeholders(worker: Worker, context: Context) -> dict[str, str]:
    """Return what the placeholders of existing templates stand for, {name: text}.

    Memory is that of the whole worker in MB, 1 MB if nothing is said of it; times are seconds if the name does not say otherwise.

    Source: existing Harvester, submitters over Slurm (from {nCorePerNode} to {submitMode}), PBS and LSF ({walltime}, {projectName}).
    """
    plan, facility, queue = worker.plan, context.facility, context.queue
    memory, cores = max(1, plan.ram_mb * plan.nodes), plan.cores
    destination = batch_queue(worker, facility)
    walltime = duration(plan.walltime_s)
    return {
        "nCorePerNode": str(cores_per_node(plan)), "nCoreTotal": str(cores), "nCoreFactor": "1", "nNode": str(plan.nodes),
        "nGpuPerNode": str(plan.gpus_per_node),
        "requestRam": str(memory), "requestRamBytes": str(memory << 20), "requestRamPerCore": str(max(1, memory // cores)),
        "requestRamBytesPerCore": str((memory << 20) // cores), "requestDisk": "1",
        "requestWalltime": str(plan.walltime_s), "requestWalltimeMinute": str(-(-plan.walltime_s // 60)),
        "requestCputime": str(plan.walltime_s * cores), "requestCputimeMinute": str(-(-plan.walltime_s * cores // 60)),
        "walltime": walltime[:-3] if facility.scheduler == "lsf" else walltime,
        "accessPoint": worker.access_point, "logDir": worker.access_point, "logSubDir": worker.access_point,
        "harvesterID": context.instance, "workerID": str(worker.id),
        "computingSite": (queue.site if queue else "") or worker.queue, "pandaQueueName": worker.queue,
        "localQueueName": destination.destination if destination else "", "localQueue": destination.destination if destination else "",
        "projectName": facility.account, "jobType": _plain(worker.job_type) or "ANY", "resourceType": _plain(worker.resource_type) or "ANY",
        "prodSourceLabel": queue.label if queue else "", "gtag": "", "tokenDir": "", "tokenName": "", "tokenOrigin": "",
        "submitMode": "PULL",
    }


def _plain(word: str) -> str:
    """Return a word that a server has sent without what would mean something to a shell or begin a line."""
    return re.sub(r"[^\w.:+-]", "_", word, flags=re.ASCII)


def template_of(path: str, values: Mapping[str, str], context: Context) -> BatchTemplate | None:
    """Return the template at ``path``; None if it is "".

    Raises:
        Unavailable: it cannot be used as it is now.
    """
    if not path:
        return None
    try:
        return usable(path, values, context)
    except BadTemplate as error:
        raise Unavailable("the template of the batch script cannot be used", why=str(error)) from error


def usable(path: str, values: Mapping[str, str], context: Context) -> BatchTemplate:
    """Return the template at ``path`` after a look at its directives, in which placeholders of a worker stand for themselves.

    Raises:
        BadTemplate: it cannot be used.
    """
    template = read_template(path, values)
    dialect = DIALECTS.get(context.facility.scheduler)
    if dialect is not None:
        merged(dialect, (), divided(template, {}, dialect.word, anywhere=dialect.anywhere).directives, template.path)
    return template
