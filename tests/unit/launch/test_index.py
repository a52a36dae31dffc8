"""The index of ranges finds what was put into it, and nothing else."""
from __future__ import annotations

import random
from array import array

import pytest

from harvester_launch.index import SMALLEST, Index
from harvester_launch.ledger import Ledger, Place, Told


@pytest.mark.parametrize("seed", range(5))
def test_an_index_answers_as_a_dictionary_does(seed: int) -> None:
    chance = random.Random(seed)
    ids: list[str] = []
    jobs = array("i")
    index, known = Index(ids, jobs), dict[tuple[int, str], int]()
    for _ in range(3 * SMALLEST):
        job, name = chance.randrange(3), f"r{chance.randrange(2 * SMALLEST)}"
        assert index.find(job, name) == known.get((job, name), -1)
        if (job, name) not in known:
            known[job, name] = len(ids)
            ids.append(name)
            jobs.append(job)
            index.put(len(ids) - 1)
    assert all(index.find(job, name) == number for (job, name), number in known.items())


def test_names_of_one_hash_are_told_apart() -> None:
    class Same(str):
        __slots__ = ()

        def __hash__(self) -> int:
            return 7

    ids = [Same(f"r{number}") for number in range(50)]
    index = Index(ids, array("i", [0] * 50))
    for number in range(50):
        assert index.find(0, ids[number]) == -1
        index.put(number)
    assert [index.find(0, one) for one in ids] == list(range(50)) and index.find(1, ids[0]) == -1


def test_a_job_knows_its_own_ranges_only() -> None:
    made = Ledger()
    for job in (5, 6):
        made.add(job, [Told(f"r{number}", number, number, "{}") for number in range(3)])
    assert list(made.numbers_of(6)) == [3, 4, 5] and list(made.numbers_of(7)) == [] and made.number_of(7, "r0") is None
    assert made.number_of(6, "r1") == 4 and made.number_of(6, "r9") is None and made.place(4) is Place.WAITING
