"""One look into an access point: its folders are listed once, and only the letters that are there are read."""
from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harvester_hpc.messenger.batch_letters import is_begun, read_claim, read_exit
from harvester_hpc.messenger.dump import BadItem, Items, items_of, job_number, updates_of
from harvester_hpc.messenger.incoming import Arrival, Numbered
from harvester_hpc.messenger.letter import Absent, Shape, Unfit, Whole, put_aside, read, shape_of, take, taken_among
from harvester_hpc.messenger.names import POST_ATTRIBUTES, TASK_WORK_DIR, Names
from harvester_hpc.messenger.numbered import Kind
from harvester_hpc.messenger.patience import Patience
from harvester_hpc.messenger.values import AccessPoint, BadLetter, Claim, DeclaredFile, EventUpdate, Exit, News

log = logging.getLogger(__name__)

#: Bytes; attributes and job reports are stored and told again and again, so that they are to be short.
LARGEST_TOLD = 4 << 20

Listing = Mapping[str, "os.DirEntry[str]"]


def listing(folder: Path) -> Listing:
    """Return what lies in a folder, {name: entry}.

    Raises:
        OSError: it cannot be listed.
    """
    with os.scandir(folder) as entries:
        return {entry.name: entry for entry in entries}
#: So many bad items of one letter are put aside one by one, the others together: each costs a disk's time and a line of the log.
MOST_ASIDE = 10


@dataclass(slots=True, kw_only=True)
class Look:
    """What is found in one look, while it is being found.

    Attributes:
        patience: how long unfinished letters are left alone.
        reports: job reports that were given out, so that an unchanged one is not read again.
        last: the worker has ended: what is unfinished stays so.
        by_traces: its pilot may be one that makes no claim of jobs; then what it has left in a job's folder tells that it was begun.
        raced: a letter was renamed by somebody else in the middle of the look: look again.
    """

    point: AccessPoint
    names: Names
    patience: Patience
    reports: Patience
    largest: int
    last: bool = False
    by_traces: bool = False
    raced: bool = False
    claim: Claim | None = None
    exit: Exit | None = None
    heartbeat: float | None = None
    kill_requested: bool = False
    wants_events: bool = False
    wants_jobs: bool = False
    attributes: dict[int, dict[str, Any]] = field(default_factory=dict)
    job_status: dict[int, str] = field(default_factory=dict)
    files: list[DeclaredFile] = field(default_factory=list)
    updates: dict[int, list[EventUpdate]] = field(default_factory=dict)
    bad: list[BadLetter] = field(default_factory=list)
    taken: list[Path] = field(default_factory=list)
    new_reports: dict[Path, Shape] = field(default_factory=dict)
    waiting: list[str] = field(default_factory=list)
    begun: set[int] = field(default_factory=set)

    def news(self) -> News:
        """Return what was found; the job reports in it count as given out."""
        for path, shape in self.new_reports.items():
            self.reports.unchanged_s(path, shape)
        return News(
            claim=self.claim, exit=self.exit, attributes=self.attributes, job_status=self.job_status, files=tuple(self.files),
            heartbeat=self.heartbeat, kill_requested=self.kill_requested, bad=tuple(self.bad), taken=tuple(self.taken),
            waiting=tuple(self.waiting), event_updates={job_id: tuple(updates) for job_id, updates in self.updates.items()},
            begun=frozenset(self.begun),
            wants_events=self.wants_events, wants_jobs=self.wants_jobs,
        )

    def at_all(self, top: Listing) -> None:
        """Look at everything; ``top`` is the listing of the access point."""
        names, point = self.names, self.point
        if names.claim in top:
            self.claim = read_claim(point.path / names.claim)
        if names.exit in top:
            self.exit = read_exit(point.path / names.exit)
        self.kill_requested = any(name in top for name in names.kill)
        self.wants_events |= names.event_request in top
        self.wants_jobs = names.job_request in top
        self._hear(top)
        if not point.many:
            self.at_folder(point.path, top, point.job_ids)
            if self.attributes or (names.job_claim in top and is_begun(point.path / names.job_claim)):
                self.begun.update(point.job_ids)
            return
        self.at_updates(point.path, top)
        self.at_dumps(point.path, top)
        traces, claimed = set[int](), False
        for job_id in point.job_ids:
            if str(job_id) not in top:
                continue
            try:
                entries = listing(point.folder_of(job_id))
            except (FileNotFoundError, NotADirectoryError):
                continue
            self._hear(entries)
            self.at_folder(point.folder_of(job_id), entries, (job_id,))
            claimed |= names.job_claim in entries
            if job_id in self.attributes or (names.job_claim in entries and is_begun(point.folder_of(job_id) / names.job_claim)):
                self.begun.add(job_id)
            elif self._has_traces(entries):
                traces.add(job_id)
        if self.by_traces and not claimed:
            self.begun |= traces

    def _has_traces(self, entries: Listing) -> bool:
        """Tell whether a payload has been in the folder of a job: pilots that are not ours make no claim, but leave files."""
        ours = {self.names.job_spec, self.names.catalog, self.names.job_kill, TASK_WORK_DIR}
        return any(name not in ours and not name.startswith(".") and not entry.is_symlink() for name, entry in entries.items())

    def at_folder(self, folder: Path, entries: Listing, job_ids: tuple[int, ...]) -> None:
        """Look at the letters of some jobs that share a folder."""
        self.at_attributes(folder, entries, job_ids)
        self.at_updates(folder, entries)
        self.at_dumps(folder, entries)

    def at_attributes(self, folder: Path, entries: Listing, job_ids: tuple[int, ...]) -> None:
        """Read what the worker tells of the jobs, and the payload's report if it is new."""
        told = self._content(folder / self.names.attributes, LARGEST_TOLD) if self.names.attributes in entries else None
        report = self._report(folder / self.names.job_report) if self.names.job_report in entries else None
        after = self._content(folder / POST_ATTRIBUTES, LARGEST_TOLD) if POST_ATTRIBUTES in entries else None
        if told is None and report is None and after is None:
            return
        for job_id in job_ids:
            self.attributes[job_id] = {**(told or {}), **({} if report is None else {"metaData": report}), **(after or {})}
            self._note_status(job_id, told or {})

    def at_dumps(self, folder: Path, entries: Listing) -> None:
        """Read what the worker declares: letters that were taken before, then the one that lies there."""
        name = self.names.status_dump
        for path in self._letters(folder, entries, name):
            content = self._content(path)
            if content is not None:
                items = items_of(content, folder, self.point.root, last=self.last)
                self._keep(path, items)

    def at_updates(self, folder: Path, entries: Listing) -> None:
        """Read what the worker says of its event ranges."""
        for path in self._letters(folder, entries, self.names.update_events):
            content = self._content(path)
            if content is not None:
                self._keep(path, updates_of(content))

    def at_numbered(self, arrival: Arrival, box: Path) -> None:
        """Take numbered letters in; ``box`` is their folder. Requests stay where they are until they are answered."""
        self.bad += arrival.bad
        if arrival.more:
            self.waiting.append(str(box))
        for letter in arrival.letters:
            self.heartbeat = max(letter.written, self.heartbeat or 0.0)
            match letter.kind:
                case Kind.OUTPUTS:
                    self._keep(letter.path, items_of(letter.content, self.point.path, self.point.root, last=self.last))
                case Kind.EVENTS:
                    self._keep(letter.path, updates_of(letter.content))
                case Kind.ATTRIBUTES | Kind.END:
                    self._tell(letter)
                case Kind.REQUEST:
                    self.wants_events = True
                case Kind.RANGES:
                    self._put_aside(letter.path, "event ranges go to the worker, not from it")

    def _tell(self, letter: Numbered) -> None:
        if letter.size > LARGEST_TOLD:
            self._put_aside(letter.path, f"too long: {letter.size} bytes of attributes, and {LARGEST_TOLD} are allowed")
            return
        self.taken.append(letter.path)
        for key, told in letter.content.items():
            try:
                job_id = job_number(key)
            except BadItem as error:
                self._put_aside(letter.path, str(error), {key: told})
                continue
            if isinstance(told, dict) and job_id in self.point.job_ids and not letter.late:
                self.attributes[job_id] = told
                self._note_status(job_id, told)
                if self.point.many:
                    self.begun.add(job_id)

    def _note_status(self, job_id: int, told: Mapping[str, Any]) -> None:
        status = told.get("jobStatus")
        if status in ("finished", "failed"):
            self.job_status[job_id] = status

    def _letters(self, folder: Path, entries: Listing, name: str) -> list[Path]:
        letters = [folder / entry for entry in taken_among(entries, name)]
        if name not in entries or self._content(folder / name) is None:
            return letters
        taken = take(folder / name)
        self.raced |= taken is None
        return [*letters, *([taken] if taken else [])]

    def _keep(self, path: Path, items: Items) -> None:
        self.files += items.files
        self.waiting += items.waiting
        if items.waiting:
            return  # read again next time: then the rest of it is told
        for job_id, updates in items.updates.items():
            self.updates.setdefault(job_id, []).extend(updates)
        for item, why in items.bad[:MOST_ASIDE]:
            self._put_aside(path, why, item)
        if rest := items.bad[MOST_ASIDE:]:
            self._put_aside(path, f"{len(rest)} more items that cannot be used; the first: {rest[0][1]}", [item for item, _ in rest])
        self.taken.append(path)

    def _content(self, path: Path, largest: int | None = None) -> Any:
        """Return what a letter says; None if there is nothing to read (yet). A hopeless one is put aside."""
        match read(path, largest=min(self.largest, largest or self.largest)):
            case Whole(content=content):
                return content
            case Absent():
                self.raced = True
            case Unfit(why=why, shape=shape, hopeless=hopeless):
                self._give_up(path, why, shape, hopeless=hopeless)
        return None

    def _report(self, path: Path) -> Any:
        try:
            there = path.stat()
        except OSError:
            return None
        shape = shape_of(there)
        if not self.last and self.reports.shape(path) == shape:
            return None
        content = self._content(path, LARGEST_TOLD)
        if content is not None:
            self.new_reports[path] = shape
        return content

    def _give_up(self, path: Path, why: str, shape: Shape, *, hopeless: bool) -> None:
        if self.last or hopeless or self.patience.is_over(path, shape):
            self._put_aside(path, why)
            self.patience.forget(path)

    def _put_aside(self, path: Path, why: str, item: object = None) -> None:
        try:
            aside = put_aside(path, why, item)
        except OSError as error:
            log.warning("could not put a bad letter aside path=%s why=%s error=%s", path, why, error)
            aside = path
        self.bad.append(BadLetter(path=aside, why=why))

    def _hear(self, entries: Listing) -> None:
        for name in self.names.heartbeat:
            if name in entries:
                try:
                    beat = entries[name].stat().st_mtime
                except OSError:
                    continue
                self.heartbeat = max(beat, self.heartbeat or 0.0)


def at_updates(look: Look, top: Listing) -> None:
    """Look at event updates only."""
    for folder, entries in _folders(look.point, top):
        look.at_updates(folder, entries)


def at_dumps(look: Look, top: Listing) -> None:
    """Look at declarations only."""
    for folder, entries in _folders(look.point, top):
        look.at_dumps(folder, entries)


def at_attributes(look: Look, top: Listing) -> None:
    """Look at attributes only."""
    point = look.point
    for folder, entries in _folders(point, top):
        look.at_attributes(folder, entries, tuple(job_id for job_id in point.job_ids if point.folder_of(job_id) == folder))


def _folders(point: AccessPoint, top: Listing) -> list[tuple[Path, Listing]]:
    """Return the folders with letters of jobs, each with its listing; in ManyToOne the updates may lie at the top too."""
    if not point.many:
        return [(point.path, top)]
    names = [str(job_id) for job_id in point.job_ids if str(job_id) in top and top[str(job_id)].is_dir()]
    return [(point.path, top), *((point.path / name, listing(point.path / name)) for name in names)]
