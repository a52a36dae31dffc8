"""Finds a range by its name: a hash table of numbers in one array, 8 to 16 bytes a range where a dictionary takes 70."""
from __future__ import annotations

from array import array
from collections.abc import Sequence

FREE = -1
SMALLEST = 1 << 10


class Index:
    """Numbers of ranges by (job, name).

    Args:
        ids, jobs: name and job (a small number) of each range, by its number; they grow elsewhere, before ``put``.
    """

    def __init__(self, ids: Sequence[str], jobs: Sequence[int]) -> None:
        self._ids, self._jobs = ids, jobs
        self._used = 0
        self._table = array("i", [FREE]) * SMALLEST

    def find(self, job: int, range_id: str) -> int:
        """Return the number of a range; -1 for one that is not known."""
        return self._table[self._place(job, range_id)]

    def put(self, number: int) -> None:
        """Take in a range that is not known yet."""
        self._used += 1
        if 2 * self._used > len(self._table):
            self._grow()
        self._table[self._place(self._jobs[number], self._ids[number])] = number

    def _place(self, job: int, range_id: str) -> int:
        """Return where the range is in the table, or where it belongs."""
        table, ids, jobs = self._table, self._ids, self._jobs
        mask = len(table) - 1
        at = (hash(range_id) + 7919 * job) & mask
        while (number := table[at]) != FREE and not (ids[number] == range_id and jobs[number] == job):
            at = (at + 1) & mask
        return at

    def _grow(self) -> None:
        before = self._table
        self._table = array("i", [FREE]) * (2 * len(before))
        ids, jobs, table, mask = self._ids, self._jobs, self._table, 2 * len(before) - 1
        for number in before:
            if number != FREE:
                # All are different: no names need to be compared.
                at = (hash(ids[number]) + 7919 * jobs[number]) & mask
                while table[at] != FREE:
                    at = (at + 1) & mask
                table[at] = number
