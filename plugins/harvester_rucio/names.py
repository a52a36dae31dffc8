"""Names of Rucio: data identifiers, and what is known of a file."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from zlib import adler32

from harvester_hpc.model.checksum import BLOCK
from harvester_hpc.model.transfer import Parcel
from harvester_hpc.ports.outcome import Failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Did:
    """A data identifier: a file or dataset."""

    scope: str
    name: str

    def __str__(self) -> str:
        return f"{self.scope}:{self.name}"

    def to_json(self) -> dict[str, str]:
        """Return it as the REST service wants it."""
        return {"scope": self.scope, "name": self.name}


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of a file: bytes (None: unknown), adler32 as 8 and md5 as 32 hex digits ("": unknown)."""

    size: int | None = None
    adler32: str = ""
    md5: str = ""

    @property
    def checksum(self) -> str:
        """One of the checksums as the core writes it; "" if none is known."""
        if self.adler32:
            return f"ad:{self.adler32}"
        return f"md:{self.md5}" if self.md5 else ""

    def like(self, wanted: str) -> str:
        """Return the checksum of the same kind as ``wanted`` if it is known, else the other one."""
        return f"md:{self.md5}" if wanted.startswith("md:") and self.md5 else self.checksum

    def unlike(self, other: Known) -> str:
        """Return in words how this file differs from what ``other`` says; "" if it does not, as far as both know."""
        if None not in (self.size, other.size) and self.size != other.size:
            return f"has {self.size} bytes, not {other.size}"
        for kind, mine, its in (("adler32", self.adler32, other.adler32), ("md5", self.md5, other.md5)):
            if mine and its and mine != its:
                return f"has {kind} {mine}, not {its}"
        return ""

    def joined(self, other: Known) -> Known:
        """Return what both know together; this one wins."""
        return Known(
            size=other.size if self.size is None else self.size, adler32=self.adler32 or other.adler32, md5=self.md5 or other.md5
        )


def promised(parcel: Parcel) -> Known:
    """Return what the job says of a file."""
    kind, _, digits = parcel.checksum.lower().partition(":")
    return Known(size=parcel.size, adler32=f"{digits:0>8}" if kind == "ad" else "", md5=digits if kind == "md" else "")


def catalogued(size: object, adler: object, md5: object) -> Known:
    """Return what Rucio says of a file; some clients have registered an adler32 without its leading zeros."""
    digits = str(adler or "").lower()
    return Known(size=size if isinstance(size, int) else None, adler32=f"{digits:0>8}" if digits else "", md5=str(md5 or "").lower())


def measured(path: Path, *, md5: bool = False) -> Known:
    """Return size and checksums of a file here, from one reading.

    Raises:
        OSError: it cannot be read.
    """
    import hashlib

    digest = hashlib.md5(usedforsecurity=False) if md5 else None
    size, sum32 = 0, 1
    with path.open("rb", buffering=0) as file:
        while block := file.read(BLOCK):
            size += len(block)
            sum32 = adler32(block, sum32)
            if digest is not None:
                digest.update(block)
    return Known(size=size, adler32=f"{sum32:08x}", md5=digest.hexdigest() if digest is not None else "")


def did_of(parcel: Parcel, scope: str = "") -> Did | Failed:
    """Return the identifier of a file; its name may carry the scope (``scope:name``).

    Args:
        scope: of files whose job says none.
    """
    before, colon, name = parcel.lfn.rpartition(":")
    found = (before if colon else "") or parcel.scope or scope
    if not found:
        return Failed(why=f"{parcel.lfn}: neither the job nor 'scope' of the queue's section says in which scope it is")
    return Did(scope=found, name=name)
