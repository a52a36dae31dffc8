"""How many ranges a Droid gets, and when it speaks: pure functions of measured durations."""
from __future__ import annotations

import math
from collections.abc import Iterable

#: Seconds for which the ranges that a Droid holds should keep its slots busy.
HORIZON_S = 5.0
#: Ranges that one message carries at most; and that a Droid holds at most: a bunch is on its way while another is worked on.
MOST = 2048
HELD = 2 * MOST
#: A range may take this much longer than the mean and still end in time.
CAUTION = 1.5
#: Results are told after this many seconds, or when there are this many.
RESULTS_S, RESULTS = 5.0, 1024
#: A Droid that has nothing to tell says so after this many seconds.
SIGN_OF_LIFE_S = 30.0


def target(slots: int, mean_s: float | None, horizon_s: float = HORIZON_S, most: int = HELD) -> int:
    """Return how many ranges a Droid should hold, those that run included: the more, the shorter they are.

    Args:
        slots: payloads that run side by side, >= 1.
        mean_s: measured seconds of a range; None before the first has ended.
    """
    if mean_s is None:
        return min(most, 2 * slots)
    each = math.ceil(min(horizon_s / max(mean_s, 1e-9), float(most)))
    return max(min(most, slots * each), slots) + (slots if each == 1 else 0)


def bunch(
    *, held: int, slots: int, mean_s: float | None, waiting: int, share: float, remaining_s: float | None, most: int = MOST
) -> int:
    """Return how many ranges a Droid is given now.

    Args:
        held: ranges that it holds, those that run included.
        waiting: ranges that wait for anybody.
        share: its part of all slots, 0 to 1: towards the end nobody takes what others could begin at once.
        remaining_s: seconds in which a range must end; None if nobody knows.
        most: what one message carries.
    """
    wanted = target(slots, mean_s) - held
    if remaining_s is not None:
        wanted = min(wanted, in_time(slots, mean_s, remaining_s) - held)
    fair = max(math.ceil(waiting * share / 2), slots - held, 1)
    return max(0, min(wanted, fair, waiting, most))


def in_time(slots: int, mean_s: float | None, remaining_s: float) -> int:
    """Return how many ranges a Droid can end in ``remaining_s`` seconds."""
    if remaining_s <= 0:
        return 0
    if mean_s is None:
        return 2 * slots
    return slots * int(min(remaining_s / max(CAUTION * mean_s, 1e-9), 2.0**31))


def runs_low(waiting: int, slots: int, mean_s: float | None) -> bool:
    """Tell whether a Droid with ``waiting`` ranges that nobody has begun should ask for more: at half of its target."""
    return 2 * waiting <= max(0, target(slots, mean_s) - slots) or waiting == 0


def speaks(*, low: bool, asked: bool, urgent: bool, results: int, silent_s: float) -> bool:
    """Tell whether a Droid reports now.

    Args:
        low: it runs low.
        asked: it has said so already, and got nothing since.
        urgent: results are wanted at once: one has failed, or nothing runs any more, or the end is near.
        results: how many are not told yet.
        silent_s: seconds since its last report.
    """
    if (low and not asked) or (urgent and results):
        return True
    return results >= RESULTS or (results > 0 and silent_s >= RESULTS_S) or silent_s >= SIGN_OF_LIFE_S


def smoothed(mean_s: float | None, durations: Iterable[float], weight: float = 0.1) -> float | None:
    """Return the running mean of durations, in seconds, with some more; None as long as there is none."""
    for seconds in durations:
        mean_s = seconds if mean_s is None else mean_s + weight * (seconds - mean_s)
    return mean_s


def wanted_stock(rate: float, lead_s: float, slots: int, remaining_s: float | None) -> int:
    """Return how many ranges the worker should have in stock.

    Args:
        rate: ranges that end in a second; 0.0 before the first.
        lead_s: seconds for which the stock should last: an answer from the login node may take that long.
    """
    seconds = lead_s if remaining_s is None else min(lead_s, max(0.0, remaining_s))
    return max(2 * slots, math.ceil(rate * seconds)) if seconds > 0 else 0
