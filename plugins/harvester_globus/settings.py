"""What the section of a queue says of Globus."""
from __future__ import annotations

import stat
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harvester_globus.layout import Layout


@dataclass(frozen=True, slots=True, kw_only=True)
class GlobusSettings:
    """One hop over Globus.

    Attributes:
        client_id: of the application, registered with Globus Auth.
        secret_file: file of mode 0600 with the secret of a client that acts for itself; "" if a person logs in once with
            ``harvester-hpc globus login``.
        local_collection: the collection that shows the file system of this machine.
        local_paths: {path here: path in the local collection}, the longest one that fits counts; empty: the same paths.
        remote_collection: where outputs go; where inputs lie of which the job says no place.
        remote_path: folder in the remote collection below which ``layout`` begins.
        layout: how paths in the remote collection are made.
        scope: of files whose job says none, such as zips of event outputs.
        via_collection, via_path: where this hop puts inputs that another hop brings on.
        files_per_batch: at most; a task may have many more, but what fails is then found late.
        gigabytes_per_batch: at most.
        wait: seconds for which the first file of a batch waits for others.
        active_batches: under way at a time; Globus works on three tasks of a person at a time.
        poll: seconds between two looks.
        tries: of one file.
        deadline_hours: after which a task is given up by the service, and its rest goes into a new one.
        external_checksums: let the service compare with the known checksum of each file. One wrong file ends the whole task.
        fail_on_quota: end a task that meets a full quota, rather than let it wait for space until its deadline.
        calls_per_second: to the service, on average.
    """

    client_id: str
    secret_file: str = ""
    local_collection: str = ""
    local_paths: Mapping[str, str] = field(default_factory=dict)
    remote_collection: str = ""
    remote_path: str = "/"
    layout: Layout | None = None
    scope: str = ""
    via_collection: str = ""
    via_path: str = ""
    files_per_batch: int = 10_000
    gigabytes_per_batch: int = 1_000
    wait: float = 60.0
    active_batches: int = 2
    poll: float = 30.0
    tries: int = 5
    deadline_hours: float = 48.0
    external_checksums: bool = False
    fail_on_quota: bool = False
    calls_per_second: float = 5.0

    def problems(self) -> tuple[str, ...]:
        """Return what types cannot tell, each with the name of the field."""
        return (*self._ids(), *self._paths(), *self._numbers(), *self._secret(), *self._halves())

    def collections(self) -> tuple[str, ...]:
        """Return the collections that are named, each once."""
        return tuple(dict.fromkeys(one for one in (self.local_collection, self.remote_collection, self.via_collection) if one))

    def _ids(self) -> Iterator[str]:
        for name in ("client_id", "local_collection", "remote_collection", "via_collection"):
            value = getattr(self, name)
            if (value or name == "client_id") and not _is_uuid(value):
                yield f"{name}: must be a UUID as Globus shows it, not {value!r}"

    def _paths(self) -> Iterator[str]:
        for name in ("secret_file", "remote_path", "via_path"):
            value = getattr(self, name)
            if value and not value.startswith("/"):
                yield f"{name}: must be an absolute path, not {value!r}"
        for here, there in self.local_paths.items():
            if not here.startswith("/") or not there.startswith(("/", "~")) or ".." in f"{here}/{there}".split("/"):
                yield f"local_paths: must map absolute paths, not {here!r} to {there!r}"

    def _numbers(self) -> Iterator[str]:
        for name, most in (("files_per_batch", 1_000_000), ("gigabytes_per_batch", 1_000_000), ("active_batches", 50), ("tries", 1000)):
            if not 1 <= getattr(self, name) <= most:
                yield f"{name}: must be from 1 to {most}, not {getattr(self, name)}"
        for name, least, top in (
            ("wait", 0.0, 86400.0), ("poll", 1.0, 3600.0), ("deadline_hours", 0.1, 2160.0), ("calls_per_second", 0.1, 9.0),
        ):
            if not least <= getattr(self, name) <= top:
                yield f"{name}: must be from {least:g} to {top:g}, not {getattr(self, name):g}"

    def _secret(self) -> Iterator[str]:
        if not self.secret_file.startswith("/"):
            return
        try:
            found = Path(self.secret_file).stat()
        except OSError as error:
            yield f"secret_file: {self.secret_file}: {error.strerror}"
            return
        if not stat.S_ISREG(found.st_mode) or found.st_size == 0:
            yield f"secret_file: {self.secret_file}: is no file with a secret in it"
        elif found.st_mode & 0o077:
            yield f"secret_file: {self.secret_file}: others may read it; chmod 600 {self.secret_file}"

    def _halves(self) -> Iterator[str]:
        if not self.collections():
            yield "local_collection: is missing; a hop needs two collections"
        if self.remote_collection and self.layout is None:
            yield f"layout: is missing; how paths in the remote collection are made: {', '.join(Layout)}"
        if bool(self.via_collection) != bool(self.via_path):
            yield "via_path: viaCollection and viaPath go together"


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False
