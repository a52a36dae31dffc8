"""A first site file, written from what the live batch system says of itself."""
from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harvester_hpc.model.facility import JobLimits
from harvester_hpc.ports.survey import NodeKind, Survey

#: How a program is started on all nodes of a worker, where the batch system itself has a way.
LAUNCHERS: Mapping[str, str] = {"slurm": "srun"}
COMMANDS: Mapping[str, str] = {
    "slurm": "scontrol, sinfo and sacctmgr", "pbs": "qstat -Q -f, pbsnodes and qmgr", "pbs_classic": "qstat -Q -f, pbsnodes and qmgr",
    "lsf": "bqueues, bhosts and lshosts",
}
NAMES: Mapping[str, str] = {"slurm": "Slurm", "pbs": "PBS", "pbs_classic": "Torque", "lsf": "LSF"}

#: The plugins of a queue, where there is no generic file to be extended.
DEFAULTS: Mapping[str, Mapping[str, str]] = {
    "preparator": {"name": "local"}, "workerMaker": {"name": "simple"}, "submitter": {"name": "psij"}, "messenger": {"name": "shared_file"},
    "monitor": {"name": "psij"}, "stager": {"name": "local"}, "sweeper": {"name": "psij"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftQueue:
    """A queue as the new file has it.

    Attributes:
        said: its members in the file.
        why_not: why it stands there as a remark only; "" if it is used.
        remarks: what a reader should know of it.
    """

    said: Mapping[str, Any]
    why_not: str = ""
    remarks: tuple[str, ...] = ()


def site_text(survey: Survey, queues: Sequence[DraftQueue], *, name: str, date: str, base: str, node: NodeKind | None) -> str:
    """Return the text of a site file, with remarks.

    Args:
        queues: the default first; at least one is used.
        date: of the survey, as in 2026-11-21.
        base: the generic file that it extends; "" if there is none.
        node: what the nodes of the default queue have; None: unknown.
    """
    identity = survey.identity
    system = f"{NAMES.get(identity.scheduler, identity.scheduler)} {identity.version}".strip()
    where = _one_line(f"cluster {identity.cluster}, {system}" if identity.cluster else system)
    commands = COMMANDS.get(identity.scheduler, "the batch system")
    lines = [
        f"// {where}, as it described itself to {survey.user or 'its user'} on {date}. Written by `harvester-hpc site generate`;",
        "// edit it as you like, and hold it against the batch system again: `harvester-hpc site check`. All keys: docs/configuration.md.",
        *(f"// not known: {_one_line(gap)}" for gap in survey.gaps[:10]),
        "{",
        *([f'  "extends": {_json(base)},'] if base else []),
        f'  "name": {_json(name)},',
        f'  "title": {_json(where)},',
        f'  "scheduler": {_json(identity.scheduler)},',
        *_detect(identity.cluster),
        *_launch(survey),
        *_account(survey),
        *_node(node),
        *_queues(queues),
        "  // Folder below which workers get theirs: below that of the instance, which compute nodes must see then.",
        '  // "workDir": "$SCRATCH/harvester",',
        *([] if base else [f'  "defaults": {json.dumps(DEFAULTS)},']),
        f'  "sources": {{"scheduler": {_json(f"{commands} of {where}")}}},',
        f'  "checked": "{date}",',
        '  "facts": {',
        *(['    "node": {"by": "facility", "source": "scheduler"},'] if node else []),
        '    "queues": {"by": "facility", "source": "scheduler"}',
        "  }",
        "}",
        "",
    ]
    return "\n".join(lines)


def name_for(cluster: str, scheduler: str) -> str:
    """Return a name for a site file: that of the cluster, made of letters, digits, - and _."""
    word = re.sub(r"[^A-Za-z0-9_-]+", "-", cluster.partition(".")[0]).strip("-").lower()
    return word or f"my-{scheduler.replace('_', '-')}"


def limits_said(limits: JobLimits) -> dict[str, dict[str, int]]:
    """Return limits as a site file says them, without those that are not known."""
    said = {
        whose: {
            what: number for what in ("queued", "running", "eligible", "nodes")
            if (number := getattr(limits, f"{what}_per_{whose}")) is not None and (number or what == "queued")
        }
        for whose in ("user", "project")
    }
    return {whose: numbers for whose, numbers in said.items() if numbers}


def node_said(kind: NodeKind) -> dict[str, Any]:
    """Return a kind of nodes as a site file says it."""
    said: dict[str, Any] = {"cores": kind.cores + kind.reserved_cores}
    if kind.reserved_cores:
        said["reservedCores"] = kind.reserved_cores
    if kind.threads_per_core > 1:
        said["threadsPerCore"] = kind.threads_per_core
    if kind.memory_mb:
        said["memoryMB"] = kind.memory_mb
    if kind.gpus:
        said["gpus"] = kind.gpus
    if kind.gpu_type:
        said["gpuType"] = kind.gpu_type
    return said


def _detect(cluster: str) -> Iterator[str]:
    if cluster:
        yield "  // By this name `harvester-hpc site detect` knows the machine again."
        yield f'  "detect": {{"clusters": [{_json(cluster)}]}},'


def _launch(survey: Survey) -> Iterator[str]:
    launcher = LAUNCHERS.get(survey.identity.scheduler)
    if launcher:
        yield f"  // {launcher} starts a worker on all its nodes."
        yield f'  "launcher": "{launcher}",'
        default = f"{survey.mpi}, by default" if survey.mpi else "there is no default here: say it before you run anything with MPI"
        yield f"  // How it starts ranks of MPI: {default}."
        yield f'  // "mpi": "{survey.mpi or "pmix"}",'
        return
    yield "  // One payload on one node needs no launcher. For workers of several nodes say which mpiexec there is: mpiexec (MPICH, Intel),"
    yield "  // openmpi, pals (HPE Cray), jsrun."
    yield '  "launcher": "single",'


def _account(survey: Survey) -> Iterator[str]:
    names = sorted({account.name for account in survey.accounts})
    default = next((account.name for account in survey.accounts if account.is_default), "")
    if survey.account_required and survey.accounts_known:
        yield '  "accountRequired": true,'
    if names:
        yield f"  // The project that is charged; you may charge: {', '.join(names[:20])}."
        yield f'  "account": {_json(default or names[0])},'
    elif not survey.accounts_known and survey.account_required is not False:
        yield "  // The project that is charged, if the centre wants one; the batch system does not tell."
        yield '  // "account": "m1234",'


def _node(kind: NodeKind | None) -> Iterator[str]:
    if kind is None:
        yield '  // What a node has; the batch system does not tell.'
        yield '  "node": {"cores": 1},'
        return
    yield "  // What a node of the first queue has; queues with other nodes say so themselves."
    yield f'  "node": {_json(node_said(kind))},'


def _queues(queues: Sequence[DraftQueue]) -> Iterator[str]:
    yield "  // The first is the default. Numbers and walltimes are the most that a batch job may have."
    yield '  "queues": ['
    used = [queue for queue in queues if not queue.why_not]
    for number, queue in enumerate(used):
        yield from (f"    // {_one_line(remark)}" for remark in queue.remarks)
        yield f"    {_json(queue.said)}{',' if number < len(used) - 1 else ''}"
    unused = [queue for queue in queues if queue.why_not]
    for queue in unused[:50]:
        yield f"    // not used, {_one_line(queue.why_not)}: {_json(queue.said)}"
    if len(unused) > 50:
        yield f"    // and {len(unused) - 50} more that are not used"
    yield "  ],"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _one_line(text: str) -> str:
    return " ".join(text.split())

