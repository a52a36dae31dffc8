"""How jobs reach a worker: their dictionaries, a catalogue of inputs, links to them, and the list of jobs."""
from __future__ import annotations

import contextlib
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harvester_hpc.messenger.letter import sync_folder, write
from harvester_hpc.messenger.names import TASK_WORK_DIR, Names
from harvester_hpc.messenger.values import AccessPoint

#: Keys that a payload does not need (published attribute stripJobParams).
STRIPPED = frozenset({
    "prodDBlocks", "realDatasetsIn", "dispatchDblock", "ddmEndPointIn", "scopeIn", "dispatchDBlockToken", "prodDBlockToken",
})

_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
# xml.sax.saxutils can do this too, but brings urllib and http along.
_ESCAPED = str.maketrans({
    "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#9;",
})

Jobs = Mapping[int, Mapping[str, Any]]
Inputs = Mapping[int, Mapping[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How jobs are described.

    Attributes:
        strip: what a payload does not need is left out.
        cgi: a description is ``key=value&...`` in place of JSON.
        task_base: folder in which each task that is merged on site has one of its own; "" for none.
    """

    strip: bool = False
    cgi: bool = False
    task_base: str = ""


def feed_jobs(point: AccessPoint, jobs: Jobs, inputs: Inputs, names: Names, manner: Manner = Manner()) -> None:
    """Write what the worker needs for ``jobs``: descriptions, catalogue, links, and last the list that names them.

    The list names all jobs of the worker: those of ``point`` that are not in ``jobs`` have their letters already.

    Raises:
        OSError: nothing usable was written: the list of jobs does not name them.

    Source: shared-file messenger of the existing Harvester, the order of feed_jobs.
    """
    groups: dict[Path, list[int]] = {}
    for job_id in jobs:
        groups.setdefault(point.folder_of(job_id), []).append(job_id)
    for folder, job_ids in groups.items():
        folder.mkdir(mode=0o700, exist_ok=True)
        described = {str(job_id): _described(jobs[job_id], inputs.get(job_id, {}), manner.strip) for job_id in job_ids}
        write(folder / names.job_spec, _as_cgi(described) if manner.cgi else described, sync=False)
        if manner.task_base:
            _prepare_merging(folder, [jobs[job_id] for job_id in job_ids], manner.task_base)
        _write_catalog(folder / names.catalog, [jobs[job_id] for job_id in job_ids])
        for job_id in job_ids:
            for lfn, path in inputs.get(job_id, {}).items():
                link_input(folder, lfn, path)
        if folder != point.path:
            sync_folder(folder)
    # Brings all names in the access point to disk.
    write(point.path / names.panda_ids, [*(one for one in point.job_ids if one not in jobs), *jobs])


def _as_cgi(described: Mapping[str, Mapping[str, Any]]) -> bytes:
    """Return descriptions as a pilot reads them that takes no JSON; it has one job in a folder."""
    from urllib.parse import urlencode

    return "\n".join(urlencode(job) for job in described.values()).encode()


def _prepare_merging(folder: Path, jobs: list[Mapping[str, Any]], base: str) -> None:
    """Make the folder of a task whose outputs are merged on site, and tell the payload where it is."""
    for job in jobs:
        task = str(job.get("taskID", ""))
        if job.get("onSiteMerging") and task.isascii() and task.isdigit():
            place = Path(base) / task
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            write(folder / TASK_WORK_DIR, str(place).encode(), sync=False)


def _described(job: Mapping[str, Any], paths: Mapping[str, str], strip: bool) -> dict[str, Any]:
    described = {key: value for key, value in job.items() if not (strip and key in STRIPPED)}
    names = _list(job, "inFiles") or list(paths)
    described["inFilePaths"] = ",".join(paths.get(name, "") for name in names)
    return described


def _list(job: Mapping[str, Any], key: str) -> list[str]:
    text = job.get(key)
    parts = [part.strip() for part in text.split(",")] if isinstance(text, str) and text else []
    return [] if parts in (["NULL"], [""]) else parts


def _write_catalog(path: Path, jobs: list[Mapping[str, Any]]) -> None:
    files = {
        lfn: guid
        for job in jobs
        for lfn, guid in zip(_list(job, "inFiles"), _list(job, "GUID"), strict=False)
        if lfn and guid not in ("", "NULL")
    }
    if files:
        write(path, catalog(files).encode(), sync=False)


def catalog(files: Mapping[str, str]) -> str:
    """Return the POOL file catalogue of ``files``, {lfn: GUID}; the physical name is the lfn, a link beside it."""
    entries = "".join(
        f'  <File ID={_attribute(guid)}>\n'
        f'    <physical>\n      <pfn filetype="ROOT_All" name={_attribute(lfn)}/>\n    </physical>\n'
        f'    <logical/>\n  </File>\n'
        for lfn, guid in files.items()
    )
    head = '<?xml version="1.0" encoding="UTF-8" ?>\n<!DOCTYPE POOLFILECATALOG  SYSTEM "InMemory">\n'
    return f"{head}<POOLFILECATALOG>\n{entries}</POOLFILECATALOG>\n"


def _attribute(text: str) -> str:
    return f'"{_NOT_IN_XML.sub("?", text).translate(_ESCAPED)}"'


def link_input(folder: Path, lfn: str, path: str) -> None:
    """Make ``folder/lfn`` a link to ``path``; a link of that name is replaced, whatever it points to.

    A name that is no plain file name, or that hides itself, is not linked: the payload has its path in ``inFilePaths``.

    Raises:
        FileExistsError: something else than a link lies there, and it is not the input itself.
        OSError: the link cannot be made.
    """
    if not lfn or "/" in lfn or "\0" in lfn or lfn.startswith(".") or not path or "\0" in path:
        return
    place = folder / lfn
    if os.path.lexists(place) and not place.is_symlink():
        if place.exists() and Path(path).exists() and place.samefile(path):
            return
        raise FileExistsError(f"{place} is in the way of the input {path}; remove it")
    part = folder / f".{secrets.token_hex(8)}.link"
    part.symlink_to(path)
    try:
        part.replace(place)
    except OSError:
        with contextlib.suppress(OSError):
            part.unlink()
        raise
