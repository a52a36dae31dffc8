"""Whether inputs fit into their cache, and what leaves to make room."""
from __future__ import annotations

from dataclasses import dataclass

#: Bytes and files that are left to others on the file system.
SPARE_BYTES, SPARE_FILES = 1 << 30, 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """Bytes and files."""

    size: int = 0
    files: int = 0

    def __add__(self, other: Amount) -> Amount:
        return Amount(size=self.size + other.size, files=self.files + other.files)

    def __str__(self) -> str:
        return f"{self.files} files, {in_words(self.size)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """What there is.

    Attributes:
        limit: what the cache may hold; 0 for no limit.
        free: what the file system has left; None if it does not say.
        held: in the cache, or on its way into it.
        idle: the part of ``held`` that no job wants.
    """

    limit: Amount
    free: Amount | None
    held: Amount
    idle: Amount


def problem(wanted: Amount, space: Space) -> str:
    """Return why inputs do not fit now; "" if they fit, if need be after idle ones have left."""
    for what, limit, held, more in (
        ("bytes", space.limit.size, space.held.size - space.idle.size, wanted.size),
        ("files", space.limit.files, space.held.files - space.idle.files, wanted.files),
    ):
        if limit and held + more > limit:
            return f"waits for room in the cache of inputs: wants {_of(more, what)}; {_of(held, what)} of {_of(limit, what)} are in use"
    if space.free is None:
        return ""
    if wanted.size > space.free.size + space.idle.size - SPARE_BYTES:
        return f"waits for room on the file system: wants {in_words(wanted.size)}, and {in_words(space.free.size)} are free"
    if wanted.files > space.free.files + space.idle.files - SPARE_FILES:
        return f"waits for room on the file system: wants {wanted.files} files, and {space.free.files} more can be made"
    return ""


def never_fits(wanted: Amount, limit: Amount) -> str:
    """Return why inputs of one job will never fit into an empty cache; "" if they would."""
    if limit.size and wanted.size > limit.size:
        return f"its inputs have {in_words(wanted.size)}, and the cache of inputs may hold {in_words(limit.size)} (inputCache.limitMB)"
    if limit.files and wanted.files > limit.files:
        return f"it has {wanted.files} inputs, and the cache of inputs may hold {limit.files} (inputCache.maxFiles)"
    return ""


def to_leave(wanted: Amount, space: Space, high: int, low: int) -> Amount:
    """Return how much of what is idle must leave, bytes and files: down to the low mark once above the high one, and for what is wanted."""
    size = space.held.size - low if high and space.held.size > high else 0
    files = 0
    if space.limit.size:
        size = max(size, space.held.size + wanted.size - space.limit.size)
    if space.limit.files:
        files = max(files, space.held.files + wanted.files - space.limit.files)
    if space.free is not None:
        size = max(size, wanted.size + SPARE_BYTES - space.free.size)
        files = max(files, wanted.files + SPARE_FILES - space.free.files)
    return Amount(size=max(0, min(size, space.idle.size)), files=max(0, min(files, space.idle.files)))


def _of(number: int, what: str) -> str:
    return in_words(number) if what == "bytes" else f"{number} files"


def in_words(size: int) -> str:
    """Return bytes for people."""
    amount = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" or amount >= 10 else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"
