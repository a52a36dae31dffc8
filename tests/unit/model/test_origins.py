"""Where a job says that its inputs lie."""
from __future__ import annotations

import pytest

from harvester_hpc.model.origins import origins_of


@pytest.mark.parametrize(
    ("source", "origin"),
    [
        ("/data/a", "/data/a"), ("file:///data/a%20b", "/data/a b"), ("file://localhost/data/a", "/data/a"), ("file://far/data/a", "file://far/data/a"),
        ("root://far//data/a", "root://far//data/a"), ("NULL", ""), ("", ""),
    ],
)  # fmt: skip
def test_an_address_of_this_machine_is_a_path_and_any_other_stays(source: str, origin: str) -> None:
    assert origins_of({"inFiles": "a,b", "inFileSources": f"{source},/data/b"}) == {"a": origin, "b": "/data/b"}


def test_a_job_without_a_word_on_it_has_no_origins() -> None:
    assert origins_of({"inFiles": "a"}) == {"a": ""}
    assert origins_of({}) == {"": ""}
