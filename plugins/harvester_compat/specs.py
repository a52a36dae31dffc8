"""From our values to the specs that such plugins see, and back."""
from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from harvester_compat.api.file_spec import FileSpec
from harvester_compat.api.job_spec import JobSpec
from harvester_compat.api.queue_config import QueueConfig
from harvester_compat.api.work_spec import WorkSpec
from harvester_hpc.model.file import File, FileKind, FileState
from harvester_hpc.model.job import TOLD_AS, Job
from harvester_hpc.model.queue import Queue
from harvester_hpc.model.worker import Worker, WorkerState

#: Our states of files in their words.
FILE_STATUS: Mapping[FileState, str] = {FileState.EXPECTED: "defined"}
FILE_TYPE: Mapping[FileKind, str] = {FileKind.EVENT_ZIP: "zip_output"}
WORKER_STATUS: Mapping[WorkerState, str] = {WorkerState.PLANNED: "pending"}
#: Attributes of files that a plugin leaves for its next call.
KEPT_OF_FILES = ("fileAttributes", "groupID", "groupStatus", "groupUpdateTime", "attemptNr", "objstoreID", "pathConvention")
KEPT_OF_JOBS = ("jobAttributes", "auxInput")


def job_spec_of(job: Job, kept: Mapping[str, Any]) -> JobSpec:
    """Return a job as a spec.

    Args:
        job: with dictionary and files.
        kept: what the plugin left on it at an earlier call, of ``kept_of``.
    """
    spec = JobSpec()
    spec.pack({
        "PandaID": job.id, "taskID": job.task_id, "attemptNr": job.attempt, "status": TOLD_AS[job.state], "subStatus": str(job.state),
        "currentPriority": job.priority, "computingSite": job.queue, "jobParams": copy.deepcopy(dict(job.params)),
        "jobAttributes": dict(job.attributes), "nCore": job.cores, "resourceType": job.resource_type, "submissionAttempts": job.submissions,
        "creationTime": _time(job.created), "modificationTime": _time(job.changed), "jobsetID": job.params.get("jobsetID"),
    })
    for file in job.files:
        one = file_spec_of(file)
        one.pack(kept.get("files", {}).get(f"{file.kind}/{file.lfn}", {}))
        (spec.inFiles if file.kind is FileKind.INPUT else spec.outFiles).append(one)
    spec.pack(kept.get("job", {}))
    spec.reset_changed_list()
    return spec


def job_spec_of_dictionary(dictionary: Mapping[str, Any], queue: str) -> JobSpec:
    """Return a job dictionary of PanDA as a spec."""
    spec = JobSpec()
    spec.convert_job_json(copy.deepcopy(dict(dictionary)))
    spec.pack({"computingSite": queue, "status": "starting", "nCore": dictionary.get("coreCount")})
    spec.reset_changed_list()
    return spec


def file_spec_of(file: File) -> FileSpec:
    """Return a file as a spec."""
    spec = FileSpec()
    spec.pack({
        "fileID": file.id, "PandaID": file.job_id, "lfn": file.lfn, "status": FILE_STATUS.get(file.state, str(file.state)),
        "fsize": file.size, "chksum": file.checksum.partition(":")[2] or None, "path": file.path or None, "scope": file.scope or None,
        "fileType": FILE_TYPE.get(file.kind, str(file.kind)), "endpoint": file.endpoint or None, "url": file.url or None,
        "attemptNr": file.tries,
        "fileAttributes": {"guid": file.guid or None, "fsize": file.size, "dataset": file.dataset or None, "scope": file.scope or None},
    })
    return spec


def kept_of(spec: JobSpec, before: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a plugin has left on a job and its files for its next call, at this one or ``before``; {} if nothing."""
    files = {}
    for one in (*spec.inFiles, *spec.outFiles):
        kind = {"zip_output": FileKind.EVENT_ZIP}.get(one.fileType, one.fileType)
        files[f"{kind}/{one.lfn}"] = {name: value for name in KEPT_OF_FILES if (value := getattr(one, name)) is not None}
    job = {name: spec.changedAttrs[name] for name in KEPT_OF_JOBS if name in spec.changedAttrs}
    return {"files": files, "job": {**before.get("job", {}), **job}} if files or job else {}


def work_spec_of(worker: Worker, queue: Queue, jobs: Iterable[JobSpec], kept: Mapping[str, Any]) -> WorkSpec:
    """Return a worker as a spec; ``kept``: what a plugin left on it at an earlier call."""
    spec = WorkSpec()
    load = list(jobs)
    spec.pack({
        "workerID": worker.id, "batchID": worker.batch_id or None, "mapType": str(worker.map_type), "queueName": worker.batch_queue or None,
        "status": WORKER_STATUS.get(worker.state, str(worker.state)), "computingSite": queue.name, "accessPoint": worker.access_point,
        "nCore": worker.plan.cores, "nJobs": len(worker.job_ids), "maxWalltime": worker.plan.walltime_s,
        "minRamCount": worker.plan.ram_mb * worker.plan.nodes,
        "hasJob": 1 if worker.job_ids else 0, "submitTime": _time(worker.submitted), "startTime": _time(worker.started),
        "creationTime": _time(worker.created), "nativeStatus": worker.native_status or None, "nodeID": worker.node or None,
        "resourceType": worker.resource_type or queue.resource_type or "ANY", "jobType": worker.job_type or queue.label,
        "postProcessed": 0,
    })
    spec.pack(kept)
    spec.set_jobspec_list(load or None)
    object.__setattr__(spec, "pandaid_list", list(worker.job_ids))
    spec.reset_changed_list()
    return spec


def queue_config_of(queue: Queue, sections: Mapping[str, Any]) -> QueueConfig:
    """Return a queue as such plugins see it; ``sections``: {kind: its section}, as far as they are known."""
    return QueueConfig(
        queue.name, siteName=queue.site or queue.name, prodSourceLabel=queue.label, mapType=str(queue.map_type),
        resourceType=queue.resource_type or "ANY", maxWorkers=queue.max_workers, maxNewWorkersPerCycle=queue.max_new_workers,
        nQueueLimitWorker=queue.limit_queued_workers, nQueueLimitJob=queue.limit_jobs, useJobLateBinding=queue.late,
        allowJobMixture=queue.mixture, truePilot=queue.true_pilot, maxSubmissionAttempts=queue.max_submissions, zipPerMB=queue.zip_mb,
        walltimeLimit=queue.resources.walltime_s, prefetchEvents=queue.prefetch_events, initEventsMultipler=queue.events_multiplier,
        **dict(sections),
    )


def _time(seconds: float | None) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None) if seconds else None
