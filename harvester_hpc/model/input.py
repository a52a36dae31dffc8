"""An input that jobs share: who it is, and whether it lies in the cache."""
from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

InputId = NewType("InputId", int)
"""Number of an input row in the store."""


class InputState(StrEnum):
    """Whether an input lies in the cache."""

    WANTED = "wanted"    # on its way
    READY = "ready"      # whole and right
    FAILED = "failed"    # it will not come
    LEAVING = "leaving"  # being removed to make room


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What tells one input from another.

    Attributes:
        root: folder of the cache; the same file may lie in two caches.
        size: bytes; None if unknown.
        checksum: "" if unknown.
        origin: where a job says that it lies; "" if it does not say.
    """

    root: str
    scope: str
    lfn: str
    checksum: str = ""
    size: int | None = None
    origin: str = ""

    def place(self) -> str:
        """Return the path in the cache, below ``root``: never the same for two identities, whatever their names are."""
        words = "\0".join((self.scope, self.lfn, self.checksum, str(self.size), self.origin))
        digest = hashlib.sha256(words.encode("utf-8", "surrogateescape")).hexdigest()
        return f"{self.root}/{digest[:2]}/{digest[2:18]}/{self.lfn}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One row of the store.

    Attributes:
        path: where it lies, or will.
        bytes: what it takes in the cache, as far as that is known.
        used: when a job last wanted it, seconds since 1970.
    """

    id: InputId
    identity: Identity
    path: str
    state: InputState
    bytes: int = 0
    why: str = ""
    used: float = 0.0
