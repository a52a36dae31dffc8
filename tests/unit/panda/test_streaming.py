"""A long answer is read as it arrives, and says the same as if it were read at once."""
from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.errors import Unavailable
from harvester_hpc.model.job import JobId
from harvester_local.served.server import Service
from harvester_panda.event_reports import Wanted, statuses_in
from harvester_panda.streaming import entries
from tests.unit.panda.served import pair

DOCUMENTS: list[Any] = [
    {}, {"a": 1}, {"a": {}}, {"a": {}, "b": {"c": {}}}, {"a": {"b": {"c": {"d": 1}}, "e": 12.5}, "f": [1, {"g": 2}], "h": None},
    {"succèss": True, "data": {"10": {"1-2-3": {"status": 'odd "} \\ é😀', "error": None}}}, "message": ""}, {"n": -17, "m": 1e9},
]


def _flat(document: Mapping[str, Any], depth: int, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in document.items():
        if isinstance(value, dict) and value and len(path) + 1 < depth:
            yield from _flat(value, depth, (*path, key))
        else:
            yield (*path, key), value


@pytest.mark.parametrize("document", DOCUMENTS)
@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_it_says_the_same_however_the_document_is_cut(document: Any, depth: int) -> None:
    for indent, ascii_only in ((None, True), (2, False)):
        text = json.dumps(document, indent=indent, ensure_ascii=ascii_only).encode()
        for size in (1, 2, 3, 7, 64, 10_000):
            blocks = [text[start:start + size] for start in range(0, len(text), size)]
            assert list(entries(blocks, depth)) == list(_flat(document, depth))


@pytest.mark.parametrize("text", [
    "", " ", "[]", "1", "null", "{", '{"a": 1.', '{"a": 1x}', '{"a": 1 2}', '{"a": "b"1}',
     '{"a"', '{"a":', '{"a": 1', '{"a": {', '{"a": 1,', '{"a": 1,}', '{"a": 1 "b": 2}', '{"a": 1} x', '{"a": 1}}',
    '{a: 1}', '{1: 2}', '{"a": tru', '{"a": {"b": 1}', "{'a': 1}", "<html>",
])
def test_what_is_no_whole_object_is_never_taken_for_one(text: str) -> None:
    for size in (1, 5, 100):
        raw = text.encode()
        with pytest.raises(ValueError):
            list(entries([raw[start:start + size] for start in range(0, len(raw), size)], 3))


def test_every_beginning_of_a_document_is_refused() -> None:
    text = json.dumps(DOCUMENTS[5]).encode()
    for end in range(len(text)):
        with pytest.raises(ValueError):
            list(entries([text[:end]], 3))


@pytest.mark.parametrize("enveloped", [True, False])
def test_of_many_ranges_only_those_that_are_wanted_are_kept(enveloped: bool) -> None:
    data = {
        "10": {f"5-10-1-{number}-{number % 3 + 1}": {"status": "sent" if number % 1000 == 0 else "finished"} for number in range(20_000)},
        "11": {"5-11-1-1-1": {"status": "sent"}}, "12": {}, "x": {"5-1-1-1-1": {"status": "sent"}},
    }
    text = json.dumps({"success": True, "data": data} if enveloped else data).encode()
    wanted = Wanted({JobId(10): ["5-10-1-7-1", "5-10-1-8-3", "5-10-1-99999-1"], JobId(11): None})
    beside, found = statuses_in([text], wanted, enveloped=enveloped)
    assert found == {10: {"5-10-1-7-2": "finished", "5-10-1-8-3": "finished"}, 11: {"5-11-1-1-1": "sent"}}
    assert beside == ({"success": True} if enveloped else {})
    open_ones = statuses_in([text], Wanted({JobId(10): None}), enveloped=enveloped)[1]
    assert len(open_ones[JobId(10)]) == 20
    assert open_ones[JobId(11)] == {}


@pytest.mark.parametrize("data", [[1], "text", 7, {"10": [1]}, {"10": "sent"}])
def test_statuses_that_are_none_are_an_error(data: Any) -> None:
    with pytest.raises(ValueError):
        statuses_in([json.dumps({"data": data}).encode()], Wanted({}), enveloped=True)


@pytest.mark.parametrize("service", [Service(), Service(v1=False, old=True)], ids=["v1", "old"])
@pytest.mark.parametrize("answer", [
    b"{'success': True}", b'{"success": true, "data": {"1": [1]}}', b'{"success": true, "data": {"1": {', b"<html></html>", b"[]", b"",
])
def test_an_answer_that_is_none_says_nothing_of_ranges(
    tmp_path: Path, service: Service, answer: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pair(tmp_path, service) as both:
        both.panda.dialect()
        monkeypatch.setattr(both.served, "_answer", lambda asked, path: (200, answer))
        with pytest.raises(Unavailable, match="something else"):
            both.panda.event_statuses({JobId(1): None}, {JobId(1): 1})
        monkeypatch.undo()
        assert both.panda.event_statuses({JobId(1): None}, {JobId(1): 1}) == {1: {}}
