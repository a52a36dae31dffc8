"""Which workers are made of those that are wished, and how their numbers are told."""
from __future__ import annotations

import pytest

from harvester_hpc.model.worker import WorkerState
from harvester_hpc.policy.wishes import divided, granted, kind_for
from harvester_hpc.policy.worker_numbers import numbers_of

MCORE, SCORE, USER = ("managed", "MCORE"), ("managed", "SCORE"), ("user", "ANY")


@pytest.mark.parametrize(("wishes", "room", "made"), [
    ({MCORE: 3, SCORE: 5}, 100, {MCORE: 3, SCORE: 5}),
    ({MCORE: 3, SCORE: 5}, 4, {MCORE: 2, SCORE: 2}),
    ({MCORE: 1, SCORE: 50}, 4, {MCORE: 1, SCORE: 3}),
    ({MCORE: 3, SCORE: 5}, 1, {MCORE: 1}),
    ({MCORE: 3}, 0, {}),
    ({MCORE: 0}, 9, {}),
    ({}, 9, {}),
])
def test_no_kind_is_forgotten_when_there_is_no_room_for_all(
    wishes: dict[tuple[str, str], int], room: int, made: dict[tuple[str, str], int]
) -> None:
    assert granted(wishes, room) == made


@pytest.mark.parametrize(("resource_type", "wishes", "kind"), [
    ("MCORE", {MCORE: 1, USER: 1}, MCORE), ("MCORE", {MCORE: 0, USER: 1}, USER), ("MCORE", {SCORE: 4}, None),
    ("", {SCORE: 4}, SCORE), ("SCORE", {}, None),
])
def test_a_worker_for_jobs_fulfils_the_wish_that_is_nearest(
    resource_type: str, wishes: dict[tuple[str, str], int], kind: tuple[str, str] | None
) -> None:
    assert kind_for(resource_type, wishes) == kind


def test_numbers_are_told_by_type_and_what_is_not_made_yet_is_among_them() -> None:
    counts = [
        ("managed", "MCORE", WorkerState.RUNNING, 3), ("managed", "MCORE", WorkerState.PLANNED, 1), ("", "", WorkerState.SUBMITTED, 2),
        ("", "SCORE", WorkerState.RUNNING, 4),
    ]
    assert numbers_of(counts, [("managed", "MCORE", 5), ("user", "ANY", 1)]) == {
        "managed": {"MCORE": {"running": 3, "submitted": 0, "to_submit": 6}},
        "ANY": {"ANY": {"running": 0, "submitted": 2, "to_submit": 0}, "SCORE": {"running": 4, "submitted": 0, "to_submit": 0}},
        "user": {"ANY": {"running": 0, "submitted": 0, "to_submit": 1}},
    }


def test_a_site_without_a_worker_says_so() -> None:
    assert numbers_of([]) == {"ANY": {"ANY": {"running": 0, "submitted": 0, "to_submit": 0}}}


@pytest.mark.parametrize(("types", "parts"), [
    ({"A": ""}, {"A": {MCORE: 3, SCORE: 5, USER: 1}}),
    ({"A": "", "B": ""}, {"A": {MCORE: 2, SCORE: 3, USER: 1}, "B": {MCORE: 1, SCORE: 2}}),
    ({"A": "SCORE", "B": ""}, {"A": {SCORE: 5, USER: 1}, "B": {MCORE: 3}}),
    ({"A": "SCORE"}, {"A": {SCORE: 5, USER: 1}}),
])
def test_what_is_wished_of_a_site_is_wished_once_of_its_queues(types: dict[str, str], parts: dict[str, dict[tuple[str, str], int]]) -> None:
    assert divided({MCORE: 3, SCORE: 5, USER: 1}, types) == parts
