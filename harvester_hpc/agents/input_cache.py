"""The cache of inputs: what may come in, what leaves, and what is on disk. A part of the preparator."""
from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Collection, Sequence
from pathlib import Path

from harvester_hpc.agents.base import Agent
from harvester_hpc.model.input import Identity, Input, InputId
from harvester_hpc.model.queue import InputCache as Settings
from harvester_hpc.policy.room import Amount, Space, problem, to_leave
from harvester_hpc.store import input as inputs

log = logging.getLogger(__name__)

#: File in the root of a cache that says whose it is.
SENTINEL = ".harvester_hpc"
#: Files removed in one round, those that begin to leave at the same time, and seconds between two looks at the high mark.
AT_ONCE, MOST, LOOK_S = 500, 5000, 60.0


class InputCache:
    """The caches of all queues, by their roots. Only this instance writes below a root of its own."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self.house = agent.house
        self.database = agent.database
        self.clock = agent.clock
        self._looked = 0.0
        self._ready: set[str] = set()

    def root_of(self, settings: Settings) -> str:
        """Return the root of a cache: a folder of this instance in the one that is configured."""
        return f"{settings.folder}/{self.house.tag}"

    def space(self, settings: Settings, spared: Sequence[InputId] = ()) -> Space | str:
        """Return what there is; in words why the cache cannot be used, if it cannot.

        Args:
            spared: what does not count as idle although no job has it yet.
        """
        root = self.root_of(settings)
        if why := self._opened(root):
            return why
        with self.database.read() as connection:
            files, size = inputs.held(connection, root)
            idle_files, idle_size = inputs.idle_amount(connection, root, spared)
        return Space(
            limit=Amount(size=settings.limit, files=settings.limit_files), free=_free(root), held=Amount(size=size, files=files),
            idle=Amount(size=idle_size, files=idle_files),
        )

    def make_room(self, settings: Settings, amount: Amount, spared: Sequence[InputId] = ()) -> None:
        """Let so much leave that no job wants, the longest unused first."""
        self._let_leave(self.root_of(settings), amount, spared)
        self.clean()

    def discard(self, one: Input) -> None:
        """Remove what lies at the place of an input and is not that input."""
        with contextlib.suppress(OSError):
            Path(one.path).unlink()

    def tidy(self) -> int:
        """Now and then: what is above the high mark and no job wants leaves. Return how many files left."""
        now = self.clock.now()
        if 0.0 <= now - self._looked < LOOK_S:
            return 0
        self._looked = now
        for settings in self._caches():
            root = self.root_of(settings)
            with self.database.write() as write:
                inputs.forget_unwanted(write, root)
            space = self.space(settings)
            leaving = Amount() if isinstance(space, str) else to_leave(Amount(), space, settings.high, settings.low)
            if leaving != Amount():
                self._let_leave(root, leaving)
            if settings.unused_s:
                self._let_old_leave(root, now - settings.unused_s)
        return self.clean()

    def clean(self) -> int:
        """Remove the files of what is leaving; return how many. Goes on where a process was killed before."""
        number = 0
        for settings in self._caches():
            root = self.root_of(settings)
            with self.database.read() as connection:
                leaving = inputs.leaving(connection, root, AT_ONCE)
            gone = [one for one in leaving if _is_removed(one, root)]
            if gone:
                self.house.reached("inputs removed, not stored")
                with self.database.write() as write:
                    inputs.gone(write, [one.id for one in gone])
            number += len(gone)
        return number

    def is_there(self, one: Input) -> bool:
        """Tell whether a ready input lies at its place with its size."""
        try:
            found = os.stat(one.path)  # noqa: PTH116
        except OSError:
            return False
        expected = one.bytes or None if one.identity.size is None else one.identity.size
        return expected in (None, found.st_size)

    def _caches(self) -> list[Settings]:
        found = {plugins.queue.cache.folder: plugins.queue.cache for plugins in self.house.queues.values() if plugins.inward}
        return list(found.values())

    def _let_leave(self, root: str, amount: Amount, spared: Sequence[InputId] = ()) -> None:
        chosen: list[Input] = []
        size = 0
        with self.database.read() as connection:
            for one in inputs.idle(connection, root, spared, MOST):
                if size >= amount.size and len(chosen) >= amount.files:
                    break
                chosen.append(one)
                size += one.bytes
        with self.database.write() as write:
            inputs.leave(write, [one.id for one in chosen])
        if chosen:
            log.info("inputs that no job wants leave the cache root=%s files=%d bytes=%d", root, len(chosen), size)

    def _let_old_leave(self, root: str, before: float) -> None:
        """Let leave what was last used before a time: the site would remove it soon, and nobody would know."""
        with self.database.read() as connection:
            old = [one for one in inputs.idle(connection, root, (), MOST) if one.used < before]
        if not old:
            return
        with self.database.write() as write:
            inputs.leave(write, [one.id for one in old])
        log.info("inputs that were not used for long leave the cache root=%s files=%d", root, len(old))

    # -- the folder -------------------------------------------------------------------------------

    def _opened(self, root: str) -> str:
        """Make the root, once in a process, and remove what lies in it and is in no store; return why that does not work."""
        if root in self._ready:
            return ""
        try:
            Path(root).mkdir(parents=True, exist_ok=True, mode=0o700)
            if not self._is_ours(Path(root)):
                return f"the cache of inputs {root} belongs to another instance; give this queue another inputCache.folder"
            self._repair(root)
        except OSError as error:
            return f"the cache of inputs {root} cannot be used: {error}"
        self._ready.add(root)
        return ""

    def _is_ours(self, root: Path) -> bool:
        sentinel = root / SENTINEL
        owner = json.dumps({"instance": self.house.instance})
        if not sentinel.exists():
            part = root / f"{SENTINEL}.{os.getpid()}"
            part.write_text(owner)
            part.replace(sentinel)
        return sentinel.read_text() == owner

    def _repair(self, root: str) -> None:
        """Remove what no row knows: what an older store, or a killed process, has left."""
        with self.database.read() as connection:
            known = {str(Path(path).parent) for path in inputs.paths(connection, root)}
        removed = 0
        for middle in _folders(Path(root)):
            for folder in _folders(middle):
                if str(folder) not in known:
                    removed += _remove_folder(folder)
        if removed:
            log.warning("files in the cache of inputs that no store knows were removed root=%s files=%d", root, removed)


class Room:
    """What one look at jobs that want to come in may still take of a cache.

    Args:
        there: inputs that need no room: they lie there, or are on their way.
        spared: rows of inputs that do not leave.
    """

    def __init__(self, cache: InputCache, settings: Settings, there: set[Identity], spared: Sequence[InputId]) -> None:
        self.there = there
        self._cache = cache
        self._settings = settings
        self._spared = spared
        self._space: Space | str | None = None
        self._taken = Amount()
        self._full = ""

    def take(self, new: Collection[Identity]) -> str:
        """Take room for inputs of one job; return why there is none. Nobody overtakes a job that waits for room."""
        if not new:
            return ""
        more = Amount(size=sum(identity.size or 0 for identity in new), files=len(new))
        self._full = self._full or self._problem(self._taken + more)
        if not self._full:
            self._taken += more
            self.there |= set(new)
        return self._full

    def _problem(self, wanted: Amount) -> str:
        space = self._space or self._cache.space(self._settings, self._spared)
        self._space = space
        if isinstance(space, str):
            return space
        if why := problem(wanted, space):
            return why
        leaving = to_leave(wanted, space, self._settings.high, self._settings.low)
        if leaving == Amount():
            return ""
        self._cache.make_room(self._settings, leaving, self._spared)
        self._space = space = self._cache.space(self._settings, self._spared)
        return space if isinstance(space, str) else problem(wanted, space)


def _folders(parent: Path) -> Sequence[Path]:
    with os.scandir(parent) as entries:
        return [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False) and not entry.name.startswith(".")]


def _remove_folder(folder: Path) -> int:
    number = 0
    for path in list(folder.iterdir()):
        if not path.is_dir() or path.is_symlink():
            path.unlink(missing_ok=True)
            number += 1
    with contextlib.suppress(OSError):
        folder.rmdir()
    return number


def _is_removed(one: Input, root: str) -> bool:
    path = Path(one.path)
    if path.parent.parent.parent != Path(root):
        log.error("an input lies outside its cache and stays path=%s root=%s", path, root)
        return True
    try:
        path.unlink(missing_ok=True)
        if path.parent.exists():
            _remove_folder(path.parent)  # a part of an earlier copy
    except OSError as error:
        log.warning("an input cannot be removed path=%s why=%s", path, error)
        return False
    return True


def _free(root: str) -> Amount | None:
    """Return what the file system has left for us; None if it does not say."""
    try:
        found = os.statvfs(root)
    except OSError:
        return None
    return Amount(size=found.f_bavail * found.f_frsize, files=found.f_favail if found.f_files else 2**62)
