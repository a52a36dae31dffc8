"""Submitter, monitor and sweeper of one queue: which batch system, and how large its workers are."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harvester_hpc.config.existing.notes import Notes

Values = dict[str, Any]
AS_IT_IS = "runs as it is, if its module can be imported (docs/published-plugins.md)"
#: The file of a submitter's class, and the batch system behind it.
SUBMITTERS: Mapping[str, str] = {
    "slurm_submitter": "slurm", "slurm_submitter_jinja": "slurm", "pbs_submitter": "pbs", "lsf_submitter": "lsf",
    "cobalt_submitter": "cobalt",
    "dummy_submitter": "local", "dummy_mcore_submitter": "local",
}
#: What SAGA calls a batch system, and what we do.
ADAPTORS: Mapping[str, str] = {"slurm": "slurm", "pbs": "pbs", "pbspro": "pbs", "torque": "pbs_classic", "lsf": "lsf", "fork": "local"}
#: Keys with the queue of the batch system, and with the project that is charged.
BATCH_QUEUES, PROJECTS = ("localQueueName", "localQueue", "localqueue", "partition"), ("projectName", "projectname", "account")
#: What our plugin does by itself, and how.
IDLE: Mapping[str, str] = {
    "logDir": "batch logs lie in the folder of the worker", "nCoreFactor": "the site file says what the nodes have",
    "logBaseURL": "logExposer says under which address logs are seen (docs/logs.md)", "uploadLog": "logExposer does it (docs/logs.md)",
    "use_squeue_monitor": "one question for all workers", "submitMode": "the pilot's own settings go into its command",
}
#: What only the template of a batch script wants of a submitter, for its placeholders.
TEMPLATE_VALUES = ("tokenDir", "tokenName", "tokenOrigin", "submitMode", "nCoreFactor")
CORES = ("nCore", "nCorePerNode", "nNode", "nNodes", "nGpuPerNode", "maxWalltime")
#: The site file for a batch system of which no more is known.
SITES: Mapping[str, str] = {
    "slurm": "slurm-generic", "pbs": "pbs-generic", "pbs_classic": "pbs-generic", "lsf": "lsf-generic", "local": "local",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What a queue says of the batch system.

    Attributes:
        scheduler: "" if it says none that we know.
        queue, project: "" if it does not say.
        cores_per_node, gpus_per_node: 0 if it does not say.
        nodes: of a worker; 1 if it does not say.
    """

    scheduler: str = ""
    queue: str = ""
    project: str = ""
    cores_per_node: int = 0
    gpus_per_node: int = 0
    nodes: int = 1


def batch_of(queue: Mapping[str, Any], made: Values, notes: Notes) -> Batch:
    """Return what submitter, monitor and sweeper say; what workers get goes into ``made``."""
    submitter = queue.get("submitter")
    if not isinstance(submitter, dict):
        notes.impossible("submitter", submitter, "the section is missing: ours comes from the site file")
        return Batch()
    if not str(submitter.get("module", "pandaharvester.")).startswith("pandaharvester."):
        for kind in ("submitter", "monitor", "sweeper"):
            if isinstance(queue.get(kind), dict):
                made[kind] = dict(queue[kind])
                notes.taken(kind, queue[kind].get("module"), AS_IT_IS)
        return Batch()
    inside = notes.below("submitter")
    scheduler = _scheduler(submitter, inside)
    for kind in ("submitter", "monitor", "sweeper"):
        if isinstance(queue.get(kind), dict):
            notes.translated(f"{kind}.name", queue[kind].get("name"), f"plugin 'psij', batch system {scheduler or '(unknown)'}")
    _sizes(submitter, made, inside)
    _template(submitter, made, inside)
    _rest(submitter, inside)
    return Batch(
        scheduler=scheduler, queue=_first(submitter, BATCH_QUEUES), project=_first(submitter, PROJECTS),
        cores_per_node=_whole(submitter.get("nCorePerNode")), gpus_per_node=_whole(submitter.get("nGpuPerNode")),
        nodes=made.get("resources", {}).get("nodes", 1),
    )


def _scheduler(submitter: Mapping[str, Any], notes: Notes) -> str:
    file = str(submitter.get("module", "")).rpartition(".")[2]
    if file == "saga_submitter":
        word = str(submitter.get("adaptor", "")).partition("+")[0].partition(":")[0]
        found = ADAPTORS.get(word, "")
    else:
        word, found = file, SUBMITTERS.get(file, "")
    if found == "cobalt":
        notes.impossible("module", word, "Cobalt is not served by PSI/J here any more; its sites run PBS Pro now (pbs-generic)")
        return "pbs"
    if not found:
        notes.impossible("module", word, f"no batch system of ours stands for it; there is: {', '.join(sorted(set(SUBMITTERS.values())))}")
    return found


def _sizes(submitter: Mapping[str, Any], made: Values, notes: Notes) -> None:
    cores, per_node = _whole(submitter.get("nCore")), _whole(submitter.get("nCorePerNode"))
    nodes = _whole(submitter.get("nNode")) or _whole(submitter.get("nNodes")) or (-(-cores // per_node) if cores and per_node else 0)
    wanted: Values = {
        "nodes": nodes, "coresPerNode": per_node, "gpusPerNode": _whole(submitter.get("nGpuPerNode")),
        "walltime": _seconds(submitter.get("maxWalltime")), "batchQueue": _first(submitter, BATCH_QUEUES),
    }
    wanted = {key: value for key, value in wanted.items() if value}
    if wanted:
        made["resources"] = {**wanted, **made.get("resources", {})}
        said = {key: submitter[key] for key in (*CORES, *BATCH_QUEUES) if key in submitter}
        notes.translated("", said, f"resources of the queue: {wanted}")


def _template(submitter: Mapping[str, Any], made: Values, notes: Notes) -> None:
    """Let the queue's own batch script run; a Jinja template is another language."""
    path = submitter.get("templateFile")
    if not path:
        return
    if str(submitter.get("module", "")).endswith("_jinja"):
        notes.impossible("templateFile", path, "no Jinja: write {nNode} for {{ nNode }} and so on, and name it as submitter.templateFile")
        return
    made["submitter"] = {"name": "psij", "templateFile": path}
    words = "the same of plugin 'psij': it runs inside our script (docs/launching.md); look at it with `harvester-hpc submit --dry-run`"
    notes.translated("templateFile", path, words)
    values = {key: str(submitter[key]) for key in TEMPLATE_VALUES if isinstance(submitter.get(key), str | int)}
    if values:
        made["submitter"]["templateValues"] = values
        notes.translated("", values, "templateValues of plugin 'psij'")


def _rest(submitter: Mapping[str, Any], notes: Notes) -> None:
    for key, value in submitter.items():
        if key in ("name", "module", "adaptor", "templateFile", *CORES, *BATCH_QUEUES):
            continue
        if key in PROJECTS:
            notes.translated(key, value, "facility.account")
        elif key in TEMPLATE_VALUES and submitter.get("templateFile"):
            continue
        elif key in IDLE:
            notes.idle(key, value, IDLE[key])
        else:
            notes.idle(key, value, "our submitter has no such setting")


def _first(submitter: Mapping[str, Any], keys: tuple[str, ...]) -> str:
    return next((str(submitter[key]) for key in keys if submitter.get(key)), "")


def _whole(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _seconds(value: Any) -> int | str:
    """Return a walltime: a number is seconds, ``HH:MM:SS`` stays."""
    if isinstance(value, str) and ":" in value:
        return value
    return _whole(int(value) if isinstance(value, str) and value.isdigit() else value)
