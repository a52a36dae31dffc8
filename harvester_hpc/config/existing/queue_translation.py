"""One queue: its attributes, and its plugins in our words."""
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from harvester_hpc.config.existing.batch_translation import AS_IT_IS, Batch, batch_of
from harvester_hpc.config.existing.notes import Notes
from harvester_hpc.config.existing.staging_translation import preparator_of, stager_of
from harvester_hpc.config.later import LATER
from harvester_hpc.config.queue_file import QueueSettings

Values = dict[str, Any]
Translate = Callable[[Values, Values, Notes], Values | None]
#: Attributes of the existing Harvester that mean nothing here, and why.
IDLE: Mapping[str, str] = {
    "siteFamily": "a group of sites, for statistics of the grid", "uniqueName": "made by Harvester itself",
    "configID": "made by Harvester itself", "nNewWorkers": "made by Harvester itself",
}
#: Our keys that the translation of a section may write into the queue.
SECTIONS = ("preparator", "submitter", "workerMaker", "messenger", "stager", "monitor", "sweeper")
#: Settings of a messenger that are called the same here.
MESSENGER = frozenset({
    "jsonAttrsFileName", "jsonJobReport", "jsonOutputsFileName", "jsonJobRequestFileName", "jobSpecFileName",
    "jsonEventsRequestFileName", "jsonEventsFeedFileName", "jsonEventsUpdateFileName", "xmlPoolCatalogFileName", "pandaIDsFile",
    "killWorkerFile", "heartbeatFile", "stripJobParams", "jobSpecFileFormat", "scanInPostProcess", "outputSubDir", "leftOverPatterns",
    "leftOverZipPatterns", "postProcessInSubDir", "subTarballName", "forcePostProcessing", "taskWorkBaseDir", "taskWorkStateFile",
})
#: Module paths of the existing code begin so; what comes after is the class's file.
THEIRS = "pandaharvester."


@dataclass(slots=True)
class Translated:
    """One queue.

    Attributes:
        values: in our words.
        batch: what its submitter says of the batch system.
    """

    values: Values = field(default_factory=dict)
    batch: Batch = field(default_factory=Batch)


def queue_of(queue: Mapping[str, Any], notes: Notes) -> Translated:
    """Return a queue, put together with its template, in our words."""
    made = Translated()
    for key, value in queue.items():
        if key not in SECTIONS:
            _attribute(key, value, made.values, notes)
    made.batch = batch_of(queue, made.values, notes)
    for section, translate in (("preparator", preparator_of), ("stager", stager_of)):
        _plugin(section, queue, made.values, notes, translate)
    _plugin("workerMaker", queue, made.values, notes, worker_maker_of)
    _plugin("messenger", queue, made.values, notes, messenger_of)
    return made


def _attribute(key: str, value: Any, made: Values, notes: Notes) -> None:
    if key in ("pandaQueueName", "queueName") or value is None:
        notes.idle(key, value, "the queue's own name counts" if value is not None else "says nothing")
    elif key == "initEventsMultipler":
        made["initEventsMultiplier"] = value
        notes.translated(key, value, "initEventsMultiplier")
    elif key == "throttler" and (not value or str(dict(value).get("module", THEIRS)).startswith(THEIRS)):
        if value:
            notes.impossible(key, value, "it reads the database of Harvester; nQueueLimitWorker and maxWorkers limit workers")
        else:
            notes.idle(key, value, "asks for nothing")
    elif key in QueueSettings.model_fields and key not in LATER:
        made[key] = value
        notes.taken(key, value)
    elif key in IDLE:
        notes.idle(key, value, IDLE[key])
    elif key in LATER:
        if value in LATER[key].neutral:
            notes.idle(key, value, "asks for nothing")
        else:
            notes.impossible(key, value, f"{LATER[key].what}: not yet")
    else:
        notes.idle(key, value, "no attribute that Harvester knows either")


def _plugin(section: str, queue: Mapping[str, Any], made: Values, notes: Notes, translate: Translate) -> None:
    """Put one section in; one of a module that is not Harvester's own is taken as it is."""
    given = queue.get(section)
    inside = notes.below(section)
    if not isinstance(given, dict):
        inside.impossible("", given, "the section is missing: ours comes from the site file")
        return
    if not str(given.get("module", THEIRS)).startswith(THEIRS):
        made[section] = dict(given)
        inside.taken("", f"{given.get('module')}.{given.get('name')}", AS_IT_IS)
        return
    answer = translate(dict(given), made, inside)
    if answer is not None:
        made[section] = answer


def class_of(section: Mapping[str, Any]) -> str:
    """Return the file of a section's class, without folders: ``slurm_submitter``."""
    return str(section.get("module", "")).rpartition(".")[2]


def worker_maker_of(section: Values, made: Values, notes: Notes) -> Values | None:
    """Return the worker maker: one job, many jobs, or many workers for one job, as its numbers say."""
    file, map_type = class_of(section), made.get("mapType", "OneToOne")
    jobs, workers = section.pop("nJobsPerWorker", None), section.pop("nWorkersPerJob", None)
    _limits(section, made, notes)
    name, answer = "simple", {}
    if map_type == "OneToMany" or file.startswith("simple_bf"):
        name, answer = "jumbo", {"nWorkersPerJob": workers or 1} | ({"dynamicSizing": True} if file.startswith("simple_bf") else {})
    elif map_type == "ManyToOne" or file in ("multijob_worker_maker", "multinode_worker_maker"):
        nodes, per_node = section.pop("nNodes", None), section.pop("nJobsPerNode", None)
        name, answer = "multi_job", {"nJobsPerWorker": jobs or (nodes or 1) * (per_node or 1)}
        if nodes:
            made.setdefault("resources", {}).setdefault("nodes", nodes)
    section.pop("module", None)
    notes.translated("name", section.pop("name", file), f"plugin {name!r}: {answer}" if answer else f"plugin {name!r}")
    for key, value in (("nJobsPerWorker", jobs), ("nWorkersPerJob", workers)):
        if value is not None and key not in answer:
            notes.idle(key, value, f"mapType is {map_type}")
        elif value is not None:
            notes.taken(key, value)
    for key, value in section.items():
        notes.idle(key, value, "our worker makers size workers from the jobs, the queue's resources and the site file")
    return {"name": name, **answer}


def _limits(section: Values, made: Values, notes: Notes) -> None:
    for key in ("maxWorkersPerJobInTotal", "maxWorkersPerJobPerCycle"):
        if section.get(key):
            made[key] = section.pop(key)
            notes.translated(key, made[key], "the same attribute of the queue")


def messenger_of(section: Values, made: Values, notes: Notes) -> Values | None:
    """Return the messenger over shared files; its heartbeat limit becomes the queue's."""
    file = class_of(section)
    section.pop("module", None)
    if file not in ("shared_file_messenger", "SharedFileMessenger", ""):
        notes.impossible("name", section.get("name", file), "only letters over a shared file system: plugin 'shared_file' stands for it")
    answer: Values = {"name": "shared_file"}
    section.pop("name", None)
    point = section.pop("accessPoint", None)
    if point:
        answer["accessPoint"] = point
        notes.taken("accessPoint", point)
        if "${workerID}" not in str(point):
            notes.impossible("accessPoint", point, "workers would share a folder: put ${workerID} at its end")
    minutes = section.pop("worker_heartbeat", None)
    if minutes:
        made["workerHeartbeat"] = minutes
        notes.translated("worker_heartbeat", minutes, "workerHeartbeat of the queue, minutes too")
    _letters(section, answer, notes)
    if made.get("mapType") != "NoJob" and not (made.get("truePilot") and not section.get("forcePostProcessing")):
        answer["postProcess"] = True
        notes.translated("", "post-processing", "postProcess: logs are packed after the end of a worker, as there (docs/messenger.md)")
    elif answer.pop("scanInPostProcess", False):
        notes.idle("scanInPostProcess", True, "nothing is done after the end of these workers")
    return answer


def _letters(section: Values, answer: Values, notes: Notes) -> None:
    """Take over names of letters, and what is done after the end of a worker; both sides call it the same."""
    for key, value in section.items():
        if value in (None, False, [], ""):
            notes.idle(key, value, "asks for nothing")
        elif key in MESSENGER:
            answer[key] = value
            notes.taken(key, value)
        elif key == "maxWorkersForZip":
            notes.idle(key, value, "logs of two workers are packed at a time, slowly: the login node is borrowed")
        elif key == "xmlOutputsBaseFileName":
            notes.idle(key, value, "nobody reads that file")
        else:
            notes.impossible(key, value, "our messenger has no such setting")
