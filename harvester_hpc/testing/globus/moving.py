"""Tasks at work: files go from folder to folder, a bit further each time that somebody looks."""
from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import threading
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from harvester_hpc.testing.globus.world import Collection, World

BLOCK = 1 << 20
VERIFY = "VERIFY_CHECKSUM"


class SkippableError(Exception):
    """A trouble of one source file: FILE_NOT_FOUND, PERMISSION_DENIED."""


class LastingError(Exception):
    """A trouble from which the service goes on trying until the deadline."""


class FatalError(Exception):
    """A trouble that ends the task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """Two collections and what was wanted of the task between them."""

    source: Collection
    destination: Collection
    wanted: dict[str, Any]


def within(collection: Collection, path: str) -> Path:
    """Return the file of this machine that a path of a collection means.

    Raises:
        SkippableError: it leads out of the collection.
    """
    parts = PurePosixPath(path).parts
    if ".." in parts:
        raise SkippableError("PERMISSION_DENIED")
    return collection.root.joinpath(*[part for part in parts if part != "/"])


def digest(path: Path, algorithm: str = "MD5") -> str:
    """Return the checksum of a file in hexadecimal digits; MD5 or another of hashlib, or ADLER32."""
    adler = 1
    known = None if algorithm.upper() == "ADLER32" else hashlib.new(algorithm.lower(), usedforsecurity=False)
    with path.open("rb") as stream:
        while block := stream.read(BLOCK):
            if known is None:
                adler = zlib.adler32(block, adler)
            else:
                known.update(block)
    return f"{adler:08x}" if known is None else known.hexdigest()


class Mover:
    """Moves the files of the tasks of one world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._turn = threading.Lock()
        self._now = 0.0

    def advance(self, now: float) -> None:
        """Move every task on by what one look allows."""
        with self._turn:
            self._advance(now)

    def _advance(self, now: float) -> None:
        self._now, working = now, 0
        for task in self.world.rows("SELECT * FROM task WHERE status IN ('ACTIVE', 'INACTIVE') ORDER BY number"):
            working += self._on(task, now, working < int(self.world.setting("active_limit")))

    def _on(self, task: sqlite3.Row, now: float, has_turn: bool) -> bool:
        """Move one task on; tell whether it takes one of the places of those at work."""
        way = self._way(task)
        if task["deadline"] <= now:
            self.end(task["id"], "FAILED", now, "DEADLINE", "the deadline has passed")
            return False
        if self.world.setting("inactive"):
            self._say(task, "INACTIVE", "EXPIRED", "credentials have expired")
            return False
        if way.source.paused or way.destination.paused:
            self._say(task, "ACTIVE", "PAUSED", way.source.paused or way.destination.paused)
            return False
        if not has_turn:
            self._say(task, "ACTIVE", "Queued", "")
            return False
        if self.world.setting("stuck"):
            self._say(task, "ACTIVE", "ENDPOINT_ERROR", "the data channel hangs")
            return True
        self._say(task, "ACTIVE", "OK", "")
        self._move_some(task, way, now)
        return True

    def _way(self, task: sqlite3.Row) -> Way:
        wanted = _parsed(task)
        source, destination = self.world.collection(wanted["source_endpoint"]), self.world.collection(wanted["destination_endpoint"])
        assert source is not None
        assert destination is not None
        return Way(source=source, destination=destination, wanted=wanted)

    def _move_some(self, task: sqlite3.Row, way: Way, now: float) -> None:
        limit = self.world.setting("files_per_look")
        found = self.world.rows(
            "SELECT * FROM item WHERE task = ? AND state = 'pending' ORDER BY number LIMIT ?",
            task["id"], -1 if limit is None else int(limit),
        )
        for item in found:
            try:
                with self.world.change():
                    self._move(item, way)
            except SkippableError as error:
                self._skip(task, item, way, str(error))
            except LastingError as error:
                if str(error) == VERIFY:  # what spoiled the file is undone with it
                    self.world.set(corrupt="")
                self._say(task, "ACTIVE", str(error), f"{item['source']} -> {item['destination']}")
            except FatalError as error:
                self.end(task["id"], "FAILED", now, str(error), f"{item['source']} -> {item['destination']}")
                return
        self._perhaps_end(task, now)

    def _perhaps_end(self, task: sqlite3.Row, now: float) -> None:
        states = {row["state"] for row in self.world.rows("SELECT DISTINCT state FROM item WHERE task = ?", task["id"])}
        if "pending" not in states:
            failed = "failed" in states
            self.end(task["id"], "FAILED" if failed else "SUCCEEDED", now, "TRANSFER_FAILED" if failed else "")

    def _skip(self, task: sqlite3.Row, item: sqlite3.Row, way: Way, code: str) -> None:
        if not way.wanted.get("skip_source_errors"):
            self._say(task, "ACTIVE", code, item["source"])
            return
        self._settle(item, "skipped", code)

    def _move(self, item: sqlite3.Row, way: Way) -> None:
        source, destination = within(way.source, item["source"]), within(way.destination, item["destination"])
        forbidden, broken = self.world.setting("forbidden"), self.world.setting("broken")
        if forbidden and forbidden in item["source"]:
            raise SkippableError("PERMISSION_DENIED")
        if not source.is_file():
            raise SkippableError("FILE_NOT_FOUND")
        if broken and broken in item["destination"]:
            self._settle(item, "failed", "ENDPOINT_ERROR")
            return
        if way.destination.read_only:
            raise LastingError("PERMISSION_DENIED")
        if way.destination.is_full:
            raise FatalError("QUOTA_EXCEEDED") if way.wanted.get("fail_on_quota_errors") else LastingError("QUOTA_EXCEEDED")
        if way.wanted.get("sync_level") == 3 and destination.is_file() and digest(source) == digest(destination):
            self._settle(item, "synced", "", source.stat().st_size)
            return
        self._copy(item, way, source, destination)

    def _copy(self, item: sqlite3.Row, way: Way, source: Path, destination: Path) -> None:
        destination.parent.mkdir(parents=True, exist_ok=True)
        part = destination.parent / f".{hashlib.sha1(destination.name.encode(), usedforsecurity=False).hexdigest()}.part"
        shutil.copyfile(source, part)
        self._spoil(item, part)
        if way.wanted.get("verify_checksum") and not self.world.setting("lie") and digest(source) != digest(part):
            part.unlink()
            raise LastingError(VERIFY)
        algorithm, _, wanted = item["checksum"].partition(":")
        if wanted and digest(part, algorithm) != wanted.lower():
            raise FatalError("EXTERNAL_CHECKSUM_MISMATCH")
        part.rename(destination)
        self._settle(item, "moved", "", destination.stat().st_size, 1)

    def _spoil(self, item: sqlite3.Row, part: Path) -> None:
        corrupt = self.world.setting("corrupt")
        if not corrupt or corrupt not in item["destination"]:
            return
        self.world.set(corrupt="")
        with part.open("r+b") as stream:
            first = stream.read(1) or b"\0"
            stream.seek(0, os.SEEK_SET)
            stream.write(bytes([first[0] ^ 0xFF]))

    def _settle(self, item: sqlite3.Row, state: str, code: str, size: int = 0, copies: int = 0) -> None:
        self.world.rows(
            "UPDATE item SET state = ?, code = ?, size = ?, copies = copies + ? WHERE task = ? AND number = ?",
            state, code, size, copies, item["task"], item["number"],
        )

    def _say(self, task: sqlite3.Row, status: str, nice: str, details: str) -> None:
        with self.world.change():
            trouble = nice not in ("OK", "Queued")
            self.world.rows(
                "UPDATE task SET status = ?, nice_status = ?, faults = faults + ? WHERE id = ? AND status IN ('ACTIVE', 'INACTIVE')",
                status, nice, int(trouble), task["id"],
            )
            if trouble:
                self._event(task["id"], nice, details, True, self._now)

    def end(self, task: str, status: str, now: float, fatal: str = "", details: str = "") -> None:
        """End a task; what it has not moved stays where it is."""
        with self.world.change():
            self.world.rows(
                "UPDATE task SET status = ?, nice_status = ?, fatal = ?, completed = ? WHERE id = ? AND completed IS NULL",
                status, fatal or "OK", fatal, now, task,
            )
            self._event(task, fatal or status, details, bool(fatal), now)

    def _event(self, task: str, code: str, details: str, is_error: bool, now: float) -> None:
        sentence = "INSERT INTO event (task, code, details, is_error, time) VALUES (?, ?, ?, ?, ?)"
        self.world.rows(sentence, task, code, details, is_error, now)


def _parsed(task: sqlite3.Row) -> dict[str, Any]:
    wanted: dict[str, Any] = json.loads(task["wanted"])
    return wanted
