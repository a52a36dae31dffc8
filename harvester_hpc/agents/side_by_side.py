"""Many items in parts, side by side: how they are divided, and what is ready first."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


def as_ready(futures: Sequence[Future[Sequence[Answer]]]) -> Iterator[list[Answer]]:
    """Yield the results of those that are done by then, in their order, until all are; nothing of one that has raised."""
    waiting = set(futures)
    while waiting:
        ready, waiting = wait(waiting, return_when=FIRST_COMPLETED)
        results = [result for future in futures if future in ready and future.exception() is None for result in future.result()]
        if results:
            yield results


#: Fewer items than this are not worth a thread of their own.
SMALLEST_PART = 8


def parts(items: Sequence[Item], number: int) -> Iterator[Sequence[Item]]:
    """Give the items in groups, one for each of ``number`` threads unless they are too few."""
    size = max(1, -(-len(items) // number)) if len(items) <= number else max(SMALLEST_PART, -(-len(items) // number))
    for start in range(0, len(items), size):
        yield items[start:start + size]
