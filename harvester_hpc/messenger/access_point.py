"""The folder of one worker: made with a sentinel that says whose it is, and removed only if it is."""
from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from harvester_hpc.messenger.doorbell import hang_up
from harvester_hpc.messenger.letter import read_plain, write
from harvester_hpc.messenger.names import LETTERS, SENTINEL
from harvester_hpc.messenger.numbered import VERSION
from harvester_hpc.messenger.values import AccessPoint

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def set_up(point: AccessPoint) -> None:
    """Make the folder with its sentinel, and the doorbell below the root. Harmless when repeated for the same worker.

    Raises:
        FileExistsError: it is there already and somebody else's.
        OSError: it cannot be made.
    """
    names = _names_below(point)
    if not names:
        raise PermissionError(f"{point.path} does not lie below {point.root}")
    point.root.mkdir(mode=0o700, parents=True, exist_ok=True)
    hang_up(point.root)
    point.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        point.path.mkdir(mode=0o700)
    except FileExistsError:
        _check_ours(point)
    if not _is_ours(read_plain(point.path / SENTINEL), point):
        # A launcher writes numbered letters only to a login node that says that it reads them.
        whose = {"instance": point.instance, "worker_id": point.worker_id, "root": str(point.root), LETTERS: VERSION}
        write(point.path / SENTINEL, whose)


def _check_ours(point: AccessPoint) -> None:
    if point.path.is_symlink() or not point.path.is_dir():
        raise FileExistsError(f"{point.path} is there, and it is not a folder; remove it, or use another access point")
    said = read_plain(point.path / SENTINEL)
    if _is_ours(said, point):
        return
    if said:
        whose = f"worker {said.get('worker_id')} of {said.get('instance')}"
        raise FileExistsError(f"{point.path} belongs to {whose}, not to worker {point.worker_id} of {point.instance}")
    # Left behind by a crash between mkdir and the sentinel; a part file of the sentinel is no content.
    if any(not entry.name.startswith(f".{SENTINEL}.") for entry in point.path.iterdir()):
        raise FileExistsError(f"{point.path} is there and holds files, but no {SENTINEL} that says whose it is; remove it")


def _is_ours(said: dict[str, object], point: AccessPoint) -> bool:
    return said.get("instance") == point.instance and said.get("worker_id") == point.worker_id


def _names_below(point: AccessPoint) -> tuple[str, ...]:
    """Return the folders from the root to the access point; () if it does not lie strictly below."""
    if not (point.path.is_absolute() and point.root.is_absolute() and point.path.is_relative_to(point.root)):
        return ()
    names = point.path.relative_to(point.root).parts
    return () if ".." in names else names


def remove(point: AccessPoint) -> str:
    """Remove the access point; "" if it is gone, else why it must stay.

    Every folder below the root is opened in its parent without following links, so that nothing can be slipped in
    between the check and the removal. Before anything in it goes, the folder gets a name that no worker uses.

    Raises:
        OSError: it could not be removed, or not wholly; the next call goes on with it.
    """
    if not shutil.rmtree.avoids_symlink_attacks:
        return "this system cannot remove a folder without following links"
    names = _names_below(point)
    if not names:
        return f"{point.path} does not lie below {point.root}"
    try:
        with _opened(point.root.resolve(strict=True), names[:-1]) as parent:
            trash = f".trash.{hashlib.sha256(f'{point.instance}/{point.worker_id}/{names[-1]}'.encode()).hexdigest()[:24]}"
            return _to_trash(point, parent, names[-1], trash) or _empty_trash(point, parent, trash)
    except FileNotFoundError:
        return ""
    except (NotADirectoryError, _Link) as error:
        return f"{point.path}: a part of it is a link, or no folder ({error})"


class _Link(Exception):
    """A link where a folder should be."""


@contextmanager
def _opened(root: Path, names: tuple[str, ...]) -> Iterator[int]:
    folder = os.open(root, _FOLDER)
    try:
        for name in names:
            below = _open_folder(name, folder)
            os.close(folder)
            folder = below
        yield folder
    finally:
        os.close(folder)


def _open_folder(name: str, parent: int) -> int:
    if stat.S_ISLNK(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
        raise _Link(name)
    return os.open(name, _FOLDER, dir_fd=parent)


def _open_leaf(name: str, parent: int) -> int:
    try:
        return _open_folder(name, parent)
    except PermissionError:
        # A payload has locked its own folder; whose it is can only be read after this.
        _let_in(name, parent)
        return _open_folder(name, parent)


def _to_trash(point: AccessPoint, parent: int, name: str, trash: str) -> str:
    try:
        folder = _open_leaf(name, parent)
    except FileNotFoundError:
        return ""
    try:
        if not _is_ours(_sentinel_in(folder), point):
            return f"{point.path} carries no {SENTINEL} of worker {point.worker_id} of {point.instance}"
        opened = os.fstat(folder)
        os.fchmod(folder, stat.S_IMODE(opened.st_mode) | 0o700)
    finally:
        os.close(folder)
    refusal = _empty_trash(point, parent, trash)
    if refusal:
        return refusal
    os.rename(name, trash, src_dir_fd=parent, dst_dir_fd=parent)
    moved = os.stat(trash, dir_fd=parent, follow_symlinks=False)
    if (moved.st_dev, moved.st_ino) != (opened.st_dev, opened.st_ino):
        os.rename(trash, name, src_dir_fd=parent, dst_dir_fd=parent)
        return f"{point.path} was exchanged while it was removed"
    return ""


def _empty_trash(point: AccessPoint, parent: int, trash: str) -> str:
    """Remove what was put into the trash; the sentinel goes last, so that a half-removed folder is known again."""
    try:
        folder = _open_folder(trash, parent)
    except FileNotFoundError:
        return ""
    try:
        entries = os.listdir(folder)  # noqa: PTH208  (of a descriptor)
        if entries and not _is_ours(_sentinel_in(folder), point):
            return f"{point.path}: {trash} beside it carries no {SENTINEL} of ours"
        for entry in entries:
            if entry != SENTINEL:
                _remove_entry(entry, folder)
        with suppress(FileNotFoundError):
            os.unlink(SENTINEL, dir_fd=folder)
    finally:
        os.close(folder)
    with suppress(FileNotFoundError):
        os.rmdir(trash, dir_fd=parent)
    return ""


def _remove_entry(entry: str, folder: int) -> None:
    with suppress(FileNotFoundError):
        if not stat.S_ISDIR(os.stat(entry, dir_fd=folder, follow_symlinks=False).st_mode):
            os.unlink(entry, dir_fd=folder)
            return
        try:
            shutil.rmtree(entry, dir_fd=folder)
        except PermissionError:
            # Payloads leave read-only folders behind (containers, module caches).
            _let_in(entry, folder)
            for _, below, _, opened in os.fwalk(entry, dir_fd=folder, follow_symlinks=False):
                for name in below:
                    _let_in(name, opened)
            shutil.rmtree(entry, dir_fd=folder)


def _let_in(name: str, parent: int) -> None:
    """Give ourselves all rights on a folder that may forbid even to be opened; never through a link."""
    with suppress(NotADirectoryError, PermissionError):
        handle = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
        try:
            mode = stat.S_IMODE(os.fstat(handle).st_mode)
            if mode & 0o700 != 0o700:
                Path(f"/proc/self/fd/{handle}").chmod(mode | 0o700)
        finally:
            os.close(handle)


def _sentinel_in(folder: int) -> dict[str, object]:
    try:
        descriptor = os.open(SENTINEL, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    except OSError:
        return {}
    try:
        said = json.loads(os.read(descriptor, 65536)) if stat.S_ISREG(os.fstat(descriptor).st_mode) else {}
    except (ValueError, RecursionError, OSError):
        return {}
    finally:
        os.close(descriptor)
    return said if isinstance(said, dict) else {}
