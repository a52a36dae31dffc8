"""The job dictionary that the workload management system hands out: PanDA's keys, from a description."""
from __future__ import annotations

from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid5

from harvester_local.description import PANDA_ID, JobDescription

SCOPE = "local"


def output_names(job: JobDescription, job_id: int) -> tuple[str, ...]:
    """Return the names of all files that a finished job must report: outputs, then the log."""
    names = (*job.outputs, job.log) if job.log else job.outputs
    return tuple(name.replace(PANDA_ID, str(job_id)) for name in names)


def job_dictionary(job: JobDescription, job_id: int, attempt: int, task_id: int, identity: UUID) -> dict[str, Any]:
    """Return the dictionary of one attempt; the same one whenever it is asked for.

    Args:
        identity: of this workload management system; makes the log's GUID.

    Source: getJob reply: parallel comma lists, ``outFiles`` with and ``scopeOut`` without the log, missing values "NULL" or "".
    Beyond PanDA's: ``environment``, an object, and ``inFileSources``, parallel to ``inFiles``.
    """
    outputs = output_names(job, job_id)
    log = outputs[-1] if job.log else ""
    return {
        "PandaID": job_id, "jobName": job.name, "prodSourceLabel": job.label, "attemptNr": attempt,
        "taskID": task_id, "jobsetID": task_id, "reqID": task_id, "jobDefinitionID": task_id,
        "transformation": job.executable, "jobPars": job.arguments.replace(PANDA_ID, str(job_id)),
        "environment": {name: text.replace(PANDA_ID, str(job_id)) for name, text in job.environment.items()},
        **_inputs(job),
        "outFiles": ",".join(outputs), "scopeOut": ",".join([SCOPE] * len(job.outputs)),
        "realDatasets": ",".join([f"{SCOPE}.{task_id}"] * len(outputs)),
        "destinationDblock": ",".join([f"{SCOPE}.{task_id}"] * len(outputs)), "ddmEndPointOut": _blanks(len(outputs)),
        "logFile": log, "logGUID": str(uuid5(identity, f"log.{job_id}")) if log else "", "scopeLog": SCOPE if log else "",
        "coreCount": job.cores, "minRamCount": job.memory_mb, "maxWalltime": job.walltime_s,
        "maxCpuCount": job.walltime_s * job.cores,
        "maxDiskCount": 0, "resource_type": resource_type(job), "currentPriority": job.priority,
        "transferType": "direct", "processingType": "local", "prodUserID": "local",
        "cloud": "NULL", "swRelease": "NULL", "homepackage": "NULL", "cmtConfig": "NULL",
        "sourceSite": "NULL", "destinationSE": "local", "nucleus": "NULL",
        **({"eventService": "True", "nEventRanges": job.events.ranges} if job.events else {}),
        **({"secondsPerRange": job.events.seconds} if job.events and job.events.seconds else {}),
        "ioIntensity": None, "ioIntensityUnit": None,
    }


def resource_type(job: JobDescription) -> str:
    """Return PanDA's word for the size of a job."""
    return "SCORE" if job.cores == 1 else "MCORE"


def _inputs(job: JobDescription) -> dict[str, str]:
    files, number = job.inputs, len(job.inputs)
    return {
        "inFiles": ",".join(file.lfn for file in files),
        "GUID": ",".join(file.guid or "NULL" for file in files),
        "fsize": ",".join("NULL" if file.size is None else str(file.size) for file in files),
        "checksum": ",".join(file.checksum or "NULL" for file in files),
        "scopeIn": ",".join([SCOPE] * number),
        "realDatasetsIn": ",".join(["NULL"] * number),
        "ddmEndPointIn": _blanks(number),
        "prodDBlocks": ",".join(["NULL"] * number),
        "inFileSources": ",".join(f"file://{quote(file.path)}" if file.path else "NULL" for file in files),
    }


def _blanks(number: int) -> str:
    return "," * (number - 1)
