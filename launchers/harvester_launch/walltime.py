"""When the allocation ends."""
from __future__ import annotations

from collections.abc import Mapping

#: Variables that hold the end, seconds since 1970.
ENDS = ("SLURM_JOB_END_TIME", "COBALT_ENDTIME")
#: Variables that hold the length, seconds.
LENGTHS = ("PBS_WALLTIME",)


def end_of(environ: Mapping[str, str], started: float, walltime_s: float | None) -> float | None:
    """Return the end of the allocation in seconds since 1970; None if nobody knows. Of several answers, the earliest.

    Args:
        environ: environment of the batch job.
        started: start of the batch job, seconds since 1970.
        walltime_s: what was asked for, seconds; None if that is not known.
    """
    ends = [_number(environ.get(name)) for name in ENDS]
    ends += [started + length for name in LENGTHS if (length := _number(environ.get(name))) is not None]
    ends += [started + walltime_s] if walltime_s is not None else []
    return min((end for end in ends if end is not None), default=None)


def remaining_s(end: float | None, now: float) -> float | None:
    """Return the seconds that are left, at least 0; None if the end is not known."""
    return None if end is None else max(0.0, end - now)


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if 0 < number < 2**53 else None
