"""The two letters of a batch job itself, as the batch side reads them: its claim and its exit code."""
from __future__ import annotations

from pathlib import Path

from harvester_hpc.messenger.batch_letters import read_claim, read_exit
from harvester_hpc.messenger.names import NAMES
from harvester_hpc.messenger.values import Claim, Exit


def claim_of(access_point: str) -> Claim | None:
    """Return who owns the access point; None if nobody has said so (readably)."""
    return read_claim(Path(access_point) / NAMES.claim)


def exit_of(access_point: str) -> Exit | None:
    """Return how the batch script ended; None if it has not said so (readably)."""
    return read_exit(Path(access_point) / NAMES.exit)
