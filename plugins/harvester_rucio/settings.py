"""What the plugins that move files themselves have in common."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from harvester_hpc.ports.carrier import Limits
from harvester_rucio.account import AccountSettings
from harvester_rucio.mounts import problems_of


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSettings(AccountSettings):
    """The keys that say how files are put together.

    Attributes:
        scope: of files whose job says none.
        mounts: {beginning of PFNs: folder of this machine}: RSEs that are mounted here. What they hold is read and written as files.
        domain: ``wan`` or ``lan``: which protocols of an RSE are taken.
        scheme: of the protocol; "" for the one that the RSE prefers.
        batch_files, batch_gb: in one batch.
        wait_s: seconds for which the first file of a batch waits for others.
        batches: under way at the same time.
        poll_s: seconds between two looks.
        tries: of one file, before it has failed.
    """

    scope: str = ""
    mounts: Mapping[str, str] = field(default_factory=dict)
    domain: str = "wan"
    scheme: str = ""
    batch_files: int = 1000
    batch_gb: float = 1000.0
    wait_s: float = 30.0
    batches: int = 2
    poll_s: float = 30.0
    tries: int = 5

    def problems(self) -> tuple[str, ...]:
        """Return what types cannot tell."""
        numbers = (
            ("batch_files", self.batch_files), ("batch_gb", self.batch_gb), ("batches", self.batches), ("poll_s", self.poll_s),
            ("tries", self.tries),
        )
        found = [f"{name}: must be more than 0, not {value:g}" for name, value in numbers if value <= 0]
        if self.wait_s < 0:
            found.append(f"wait_s: must not be less than 0, not {self.wait_s:g}")
        if self.domain not in ("wan", "lan"):
            found.append(f"domain: must be wan or lan, not {self.domain!r}")
        return (*AccountSettings.problems(self), *found, *problems_of(self.mounts, "mounts"))

    def limits(self) -> Limits:
        """Return how large batches may be."""
        return Limits(
            files=self.batch_files, size=int(self.batch_gb * 1e9), wait_s=self.wait_s, active=self.batches, poll_s=self.poll_s,
            tries=self.tries,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CopySettings(BatchSettings):
    """The keys that say how files are copied.

    Attributes:
        threads: files on their way at the same time.
        file_timeout_s: seconds after which the protocol of an RSE gives one file up.
    """

    threads: int = 4
    file_timeout_s: float = 3600.0

    def problems(self) -> tuple[str, ...]:
        """Return what types cannot tell."""
        found = [f"{name}: must be more than 0, not {value:g}" for name, value in (
            ("threads", self.threads), ("file_timeout_s", self.file_timeout_s),
        ) if value <= 0]
        return (*BatchSettings.problems(self), *found)
