"""Logs in a folder that a web server of the centre shows."""
from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from harvester_hpc.errors import Unavailable
from harvester_hpc.ports.context import Context
from harvester_hpc.ports.log_exposer import LONGEST_URL, ReadyLog, Shown
from harvester_hpc.ports.outcome import Done, Failed, Retry

#: Logs of so many workers lie in one folder.
IN_A_FOLDER = 1000
#: Bytes that the name of an instance and of its longest log may have within an address.
LONGEST_NAME = 20 + len("12345678/__123456789012.stdout.txt")
PREFIX = ("https://", "http://")


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectorySettings:
    """The section ``logExposer``.

    Attributes:
        folder: absolute folder into which copies are put; "": none, only ``live`` is told.
        url: address under which the web server shows it.
        mode: permissions of a copy, as text in octal; folders are made with those that go with it.
        live: {folder: address under which the web server shows it}: a worker in such a folder is told with the addresses of its own
            files while it runs. They are shown as they are, with what secrets are in them.
    """

    folder: str = ""
    url: str = ""
    mode: str = "0644"
    live: Mapping[str, str] = field(default_factory=dict)

    def problems(self) -> Iterator[str]:
        """Give what types cannot tell, each with the name of the field."""
        if bool(self.folder) != bool(self.url):
            yield "url: folder and url go together"
        if self.folder and not self.folder.startswith("/"):
            yield f"folder: must be an absolute path, not {self.folder!r}"
        if self.url and not self.url.startswith(PREFIX):
            yield f"url: must be an address, https://..., not {self.url!r}"
        if not self.folder and not self.live:
            yield "folder: names nothing; say where copies are put, or what is shown as it is (live)"
        try:
            bits = int(self.mode, 8)
        except ValueError:
            bits = 0
        if not 0o400 <= bits <= 0o777 or not bits & 0o400 or bits & 0o022 or bits & 0o111:
            yield f"mode: must be such as 0644 or 0640: to be read by its owner, and written by nobody else, not {self.mode!r}"
        for folder, url in self.live.items():
            if not folder.startswith("/") or not url.startswith(PREFIX):
                yield f"live: must map absolute folders to addresses, not {folder!r} to {url!r}"


class LogDirectory:
    """Copies logs into ``folder``: a copy outlives the worker's own folder. Its name and address follow from the worker."""

    Settings = DirectorySettings
    shared = True

    def __init__(self, settings: DirectorySettings, context: Context) -> None:
        self.settings = settings
        self._folder = Path(settings.folder) / context.instance if settings.folder else None
        self._url = f"{settings.url.rstrip('/')}/{quote(context.instance)}"
        self._mode = int(settings.mode, 8)

    @staticmethod
    def problems(settings: DirectorySettings, context: Context) -> Iterator[str]:
        """Give what only the surroundings tell."""
        room = LONGEST_URL - 2 * len(quote(context.instance)) - LONGEST_NAME
        if len(settings.url) > room:
            yield f"url: is too long: {len(settings.url)} characters, and the whole address of a log may have {LONGEST_URL}; at most {room}"
        if settings.folder and Path(settings.folder).is_relative_to(context.state_dir):
            yield f"folder: must not lie in the state folder {context.state_dir}, which is closed to others"

    def live_address(self, path: str) -> str:
        """Return the address of the file itself, if it lies in a folder that is shown; the longest that fits counts."""
        fitting = [folder for folder in self.settings.live if PurePosixPath(path).is_relative_to(folder)]
        if not fitting or ".." in PurePosixPath(path).parts:
            return ""
        shown = max(fitting, key=len)
        address = f"{self.settings.live[shown].rstrip('/')}/{quote(str(PurePosixPath(path).relative_to(shown)))}"
        return address if len(address) <= LONGEST_URL else ""

    def show_log(self, ready: ReadyLog) -> Shown | Retry | Failed:
        """Write the copy beside its place and rename it.

        Raises:
            Unavailable: the folder cannot be written.
        """
        if self._folder is None:
            address = self.live_address(ready.path)
            return Shown(url=address) if address else Failed(why=f"no folder is shown that has {ready.path}")
        place = self._place(self._folder, ready.name, ready.worker_id)
        try:
            self._make(place.parent)
            self._write(ready, place)
        except OSError as error:
            raise Unavailable(f"the log folder {self.settings.folder} cannot be written", why=str(error)) from error
        return Shown(url=f"{self._url}/{place.parent.name}/{quote(place.name)}")

    def hide_log(self, name: str, worker_id: int) -> Done | Retry | Failed:
        """Remove the copy, and its folder if that is empty then.

        Raises:
            Unavailable: it cannot be removed.
        """
        if self._folder is None:
            return Done()
        place = self._place(self._folder, name, worker_id)
        try:
            place.unlink(missing_ok=True)
        except OSError as error:
            raise Unavailable(f"the log {place} cannot be removed", why=str(error)) from error
        with suppress(OSError):
            place.parent.rmdir()
        return Done()

    def _place(self, folder: Path, name: str, worker_id: int) -> Path:
        return folder / str(worker_id // IN_A_FOLDER) / PurePosixPath(name).name

    def _make(self, folder: Path) -> None:
        """Make the folders below the one that the user has named, which has to be there: an unmounted disk is not filled."""
        root = Path(self.settings.folder)
        if not root.is_dir():
            raise FileNotFoundError(f"there is no folder {root}")
        for made in (folder.parent, folder):
            if not made.is_dir():
                made.mkdir(exist_ok=True)
                made.chmod(0o755 if self._mode & 0o004 else 0o750 if self._mode & 0o040 else 0o700)

    def _write(self, ready: ReadyLog, place: Path) -> None:
        draft = place.with_name(f".{place.name}.draft")
        draft.unlink(missing_ok=True)  # of a process that was killed
        try:
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as stream:
                for block in ready.blocks():
                    stream.write(block)
                stream.flush()
                os.fsync(stream.fileno())
            draft.chmod(self._mode)
            draft.rename(place)
        except BaseException:
            with suppress(OSError):
                draft.unlink()
            raise
