"""A job dictionary of the workload management system, read into a job."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harvester_hpc.model.cause import Cause
from harvester_hpc.model.checksum import in_one_spelling
from harvester_hpc.model.file import File, FileKind, FileState
from harvester_hpc.model.job import Job, JobId, JobState

#: The largest number that a store takes.
LARGEST = 2**63 - 1


def job_from(dictionary: Mapping[str, Any], queue: str) -> Job:
    """Return the job that a dictionary with PanDA's keys describes, with its files, in state fetched.

    A dictionary that names its job but cannot be used otherwise gives a job in state failed that says why, so that
    the workload management system hears of it.

    Raises:
        ValueError: there is no usable PandaID: nobody can be told.

    Source: getJob reply: parallel comma lists; missing values are "" or "NULL"; scopeOut leaves the log out.
    """
    job_id = JobId(_number(dictionary, "PandaID"))
    if job_id <= 0:
        raise ValueError(f"a job dictionary without a usable PandaID: {dictionary.get('PandaID')!r}")
    try:
        return Job(
            id=job_id, queue=queue, state=JobState.FETCHED, attempt=_number(dictionary, "attemptNr", 1),
            task_id=_number(dictionary, "taskID", 0) or None, priority=_number(dictionary, "currentPriority", 0),
            resource_type=_text(dictionary, "resource_type"), cores=max(1, _number(dictionary, "coreCount", 1)),
            ram_mb=_number(dictionary, "minRamCount", 0), walltime_s=_number(dictionary, "maxWalltime", 0),
            params=dictionary, files=(*_inputs(job_id, dictionary), *_outputs(job_id, dictionary)),
        )
    except ValueError as error:
        why = f"unusable job dictionary: {error}"
        return Job(id=job_id, queue=queue, state=JobState.FAILED, why=why, cause=Cause.DICTIONARY, params=dictionary)


def _inputs(job_id: JobId, dictionary: Mapping[str, Any]) -> list[File]:
    names = _list(dictionary, "inFiles")
    guids, sizes, checksums, scopes, datasets, endpoints = (
        _parallel(dictionary, key, len(names)) for key in ("GUID", "fsize", "checksum", "scopeIn", "realDatasetsIn", "ddmEndPointIn")
    )
    return list({
        name: File(
            job_id=job_id, kind=FileKind.INPUT, lfn=name, state=FileState.TO_PREPARE, guid=guids[i], size=_size(name, sizes[i]),
            checksum=in_one_spelling(checksums[i]), scope=scopes[i], dataset=datasets[i], endpoint=endpoints[i],
        )
        for i, name in enumerate(names)
    }.values())


def _outputs(job_id: JobId, dictionary: Mapping[str, Any]) -> list[File]:
    names = _list(dictionary, "outFiles")
    log = _text(dictionary, "logFile")
    datasets, endpoints = (_parallel(dictionary, key, len(names)) for key in ("realDatasets", "ddmEndPointOut"))
    scopes = _list(dictionary, "scopeOut")
    if log in names and len(scopes) < len(names):
        scopes.insert(names.index(log), _text(dictionary, "scopeLog"))
    scopes += [""] * (len(names) - len(scopes))
    return list({
        name: File(
            job_id=job_id, kind=FileKind.LOG if name == log else FileKind.OUTPUT, lfn=name, state=FileState.EXPECTED,
            guid=_text(dictionary, "logGUID") if name == log else "", scope=scopes[i], dataset=datasets[i], endpoint=endpoints[i],
        )
        for i, name in enumerate(names)
    }.values())


def _text(dictionary: Mapping[str, Any], key: str) -> str:
    value = dictionary.get(key)
    text = "" if value is None or value == "NULL" else str(value)
    text.encode()  # a lone surrogate is allowed in JSON, and a text that no store takes: UnicodeEncodeError is a ValueError
    return text


def _number(dictionary: Mapping[str, Any], key: str, default: int = 0) -> int:
    text = _text(dictionary, key)
    if not text:
        return default
    try:
        number = int(text) if text.isdecimal() else int(float(text))
    except (ValueError, OverflowError):
        raise ValueError(f"{key} is {text!r}, not a number") from None
    if abs(number) > LARGEST:
        raise ValueError(f"{key} is {text[:40]!r}, more than a store takes")
    return number


def _list(dictionary: Mapping[str, Any], key: str) -> list[str]:
    return [part.strip() for part in _text(dictionary, key).split(",") if part.strip()]


def _parallel(dictionary: Mapping[str, Any], key: str, length: int) -> list[str]:
    parts = [part.strip() for part in _text(dictionary, key).split(",")]
    parts = ["" if part == "NULL" else part for part in parts]
    return (parts + [""] * length)[:length]


def _size(name: str, text: str) -> int | None:
    if not text:
        return None
    try:
        size = int(text)
    except ValueError:
        raise ValueError(f"the size of {name} is {text!r}, not a number of bytes") from None
    if not 0 <= size <= LARGEST:
        raise ValueError(f"the size of {name} is {text[:40]!r}, which is none")
    return size
