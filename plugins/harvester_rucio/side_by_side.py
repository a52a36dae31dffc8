"""Files one beside the other, in a few threads that end with the batch."""
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

Thing = TypeVar("Thing")
Outcome = TypeVar("Outcome")


def side_by_side(
    things: Sequence[Thing], threads: int, act: Callable[[Thing], Outcome], stopped: Callable[[], bool]
) -> Iterator[tuple[Thing, Outcome]]:
    """Give each thing with what came of it, as they are done; begin no more once ``stopped()``, or once one has raised.

    What an act raises is raised here when those under way have ended.
    """
    left = iter(things)
    with ThreadPoolExecutor(threads) as pool:
        running: dict[Future[Outcome], Thing] = {}
        while True:
            for thing in left:
                if stopped():
                    break
                running[pool.submit(act, thing)] = thing
                if len(running) >= threads:
                    break
            if not running:
                return
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield running.pop(future), future.result()
