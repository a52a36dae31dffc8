"""From the two files of an existing Harvester to one of ours, and a report."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harvester_hpc.config.existing.batch_translation import SITES, Batch
from harvester_hpc.config.existing.cfg import read_cfg
from harvester_hpc.config.existing.instance_translation import instance_of
from harvester_hpc.config.existing.notes import Note, Notes
from harvester_hpc.config.existing.queue_files import put_together, read_queues
from harvester_hpc.config.existing.queue_translation import queue_of
from harvester_hpc.errors import ConfigurationError

Values = dict[str, Any]
#: What starts a program on all nodes, where no more is known of the site.
LAUNCHERS: Mapping[str, str] = {"slurm": "srun", "pbs": "mpiexec", "pbs_classic": "mpiexec", "lsf": "jsrun"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What came of it: the values of harvester.json, and what became of each thing."""

    values: Mapping[str, Any]
    notes: tuple[Note, ...]


def imported(cfg: Path | None, queue_file: Path, site: str, environ: Mapping[str, str]) -> Imported:
    """Return an existing Harvester's files in our words.

    Args:
        cfg: panda_harvester.cfg; None if there is none.
        site: facility that the new file extends; "" for the generic one of the batch system that the queues name.

    Raises:
        ConfigurationError: a file cannot be read, or there is no queue in it.
    """
    notes = Notes()
    of_cfg = Notes(f"{cfg.name}: " if cfg else "", notes.found)
    sections = read_cfg(cfg, environ, of_cfg) if cfg else {}
    instance, of_queues = instance_of(sections, of_cfg)
    listed = sections.get("qconf", {}).get("queueList")
    wanted = None if not listed else [str(one) for one in (listed if isinstance(listed, list) else [listed])]
    inside = Notes(f"{queue_file.name}: ", notes.found)
    queues = put_together(read_queues(queue_file), wanted, inside)
    if not queues:
        raise ConfigurationError(f"{queue_file} has no queue that is to be taken", remedy="look at qconf.queueList and at isTemplateQueue")
    made = {name: queue_of(queue, inside.below(name)) for name, queue in queues.items()}
    batches = [one.batch for one in made.values()]
    values: Values = {"extends": site or _site(batches, inside), **instance}
    facility = _facility(batches, inside, generic=not site)
    if facility:
        values["facility"] = facility
    values["queues"] = {name: _with(of_queues, one.values) for name, one in made.items()}
    return Imported(values=values, notes=tuple(notes.found))


def _with(of_queues: Values, queue: Values) -> Values:
    """Return a queue with what the cfg says for all of them; names of letters only where the messenger is ours."""
    together = {**of_queues, **queue}
    letters, messenger = of_queues.get("messenger"), queue.get("messenger", {"name": "shared_file"})
    if letters is not None and messenger.get("name") == "shared_file":
        together["messenger"] = {**letters, **messenger}
    return together


def _site(batches: Sequence[Batch], notes: Notes) -> str:
    schedulers = list(dict.fromkeys(one.scheduler for one in batches if one.scheduler))
    if len(schedulers) > 1:
        words = f"one instance works with one batch system: {schedulers[0]}; import the others' queues apart"
        notes.impossible("", ", ".join(schedulers), words)
    site = SITES.get(schedulers[0], "slurm-generic") if schedulers else "local"
    notes.translated("", ", ".join(schedulers) or "no batch system", f"extends: {site}; `harvester-hpc site detect` may know a better one")
    return site


def _facility(batches: Sequence[Batch], notes: Notes, *, generic: bool) -> Values:
    projects = list(dict.fromkeys(one.project for one in batches if one.project))
    found: Values = {"account": projects[0]} if projects else {}
    if len(projects) > 1:
        notes.impossible("", ", ".join(projects), f"one instance charges one project: {projects[0]}; import the others' queues apart")
    if not generic:
        return found
    schedulers = [one.scheduler for one in batches if one.scheduler]
    if schedulers and any(one.nodes > 1 for one in batches) and (launcher := LAUNCHERS.get(schedulers[0])):
        found["launcher"] = launcher
        notes.translated("", "workers of several nodes", f"facility.launcher: {launcher}; `mpi` and other launchers: docs/launching.md")
    names = list(dict.fromkeys(one.queue for one in batches if one.queue))
    if names:
        found["queues"] = [{"name": name} for name in names]
    cores, gpus = max((one.cores_per_node for one in batches), default=0), max((one.gpus_per_node for one in batches), default=0)
    node = {key: number for key, number in (("cores", cores), ("gpus", gpus)) if number}
    return {**found, "node": node} if node else found
