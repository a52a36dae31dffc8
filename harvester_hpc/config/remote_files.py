"""A remote file, in our form or that of the existing Harvester, as a document of ours."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harvester_hpc.config import source
from harvester_hpc.config.existing.cfg import cfg_in
from harvester_hpc.config.existing.instance_translation import instance_of
from harvester_hpc.config.existing.notes import Fate, Notes
from harvester_hpc.config.existing.queue_files import put_together
from harvester_hpc.config.existing.queue_translation import SECTIONS, THEIRS, queue_of
from harvester_hpc.config.locate import FILE_NAME
from harvester_hpc.config.problems import Place, Problem
from harvester_hpc.config.remote import INSTANCE, REMOTE, Remote
from harvester_hpc.config.source import Document
from harvester_hpc.config.templates import IS_TEMPLATE, LIST, TEMPLATE, is_template
from harvester_hpc.config.written import doubled

Values = dict[str, Any]
#: What a remote file cannot say: it is needed to find the file.
OWN = ("stateDir", REMOTE)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """What a remote file says.

    Attributes:
        document: in the form of harvester.json.
        of_queues: attributes of every queue.
        warnings: what could not be taken over.
        place: of its queues.
    """

    document: Document
    place: Place
    of_queues: Values = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def remote_file(one: Remote, home: Path, environ: Mapping[str, str]) -> RemoteFile:
    """Return a remote file.

    Raises:
        ConfigurationError: it is neither JSON nor, for an instance, INI.
    """
    notes = Notes(f"{one.url}: ")
    if one.what == INSTANCE and not one.text.lstrip().startswith(("{", "//", "/*", "#")):
        return _cfg(one, home, environ, notes)
    document = source.read_text(one.text, home / FILE_NAME, one.url)
    place = document.place.below("queues")
    problems = list(document.problems)
    values = document.values
    if one.what != INSTANCE:
        place = place if isinstance(values.get("queues"), dict) else document.place
        values = {"queues": values["queues"], **_list(values)} if isinstance(values.get("queues"), dict) else {"queues": values}
        if "queues" in document.values and (more := [key for key in document.values if key not in ("queues", LIST, "$schema")]):
            problems.append(Problem.at(document.place.below(more[0]), "a remote file with queues holds nothing else"))
    problems += [Problem.at(document.place.below(key), "stands in the user's own file only") for key in OWN if key in values]
    if isinstance(values.get("queues"), dict):
        values = {**values, "queues": _ours(values["queues"], notes)}
    made = Document(file=document.file, values=values, problems=tuple(problems), name=one.url)
    return RemoteFile(document=made, place=place, warnings=_warnings(notes))


def _cfg(one: Remote, home: Path, environ: Mapping[str, str], notes: Notes) -> RemoteFile:
    sections = cfg_in(one.text, one.url, environ, notes)
    values, of_queues = instance_of(sections, notes)
    listed = sections.get("qconf", {}).get(LIST)
    if listed:
        values[LIST] = [str(name) for name in (listed if isinstance(listed, list) else [listed])]
    document = Document(file=home / FILE_NAME, values=doubled(values), name=one.url)
    return RemoteFile(document=document, place=document.place, of_queues=doubled(of_queues), warnings=_warnings(notes))


def _list(values: Values) -> Values:
    return {LIST: values[LIST]} if LIST in values else {}


def _ours(queues: Mapping[str, Any], notes: Notes) -> Values:
    """Return the queues with those of the existing form in our words, each put together with its template there."""
    theirs = {name for name, queue in queues.items() if isinstance(queue, dict) and _is_theirs(queue)}
    if not theirs:
        return dict(queues)
    whole = {name: queue for name, queue in queues.items() if isinstance(queue, dict)}
    theirs |= {name for name, queue in whole.items() if isinstance(queue.get(TEMPLATE), str) and queue[TEMPLATE] in theirs}
    made = dict(queues)
    names = [name for name in theirs if not is_template(name, whole[name])]
    for name, queue in put_together(whole, names, Notes()).items() if names else ():
        made[name] = doubled(queue_of(queue, notes.below(name)).values)
    for name in (name for name in theirs if is_template(name, whole[name])):
        made[name] = {**doubled(queue_of(whole[name], Notes()).values), IS_TEMPLATE: True}
    return made


def _is_theirs(queue: Mapping[str, Any]) -> bool:
    sections = [queue[kind] for kind in SECTIONS if isinstance(queue.get(kind), dict)]
    return any(str(section.get("module", "")).startswith(THEIRS) for section in sections)


def _warnings(notes: Notes) -> tuple[str, ...]:
    return tuple(f"{note.where}: {note.words} (it is {note.said})" for note in notes.found if note.fate is Fate.IMPOSSIBLE)
