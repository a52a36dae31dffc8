"""The page of job files names every key, and its example is a job."""
from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from harvester_local.description import EVENT_READERS, INPUT_READERS, READERS, JobDescription, description_of

PAGE = (Path(__file__).parents[2] / "docs" / "jobs.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("key", [*READERS, *INPUT_READERS, *EVENT_READERS])
def test_every_key_is_on_the_page(key: str) -> None:
    assert f"`{key}`" in PAGE


def test_no_other_key_stands_in_its_table() -> None:
    rows = re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE)
    named = {key for row in rows for key in re.findall(r"`([a-zA-Z_]+)`", row)}
    assert named == set(READERS)


def test_the_example_is_a_job() -> None:
    example = "".join(re.findall(r"^    (.*)$", PAGE, re.MULTILINE))
    assert description_of(json.loads(example)).cores == 8


def test_what_stands_there_as_default_is_the_default() -> None:
    plain = description_of({"executable": "x"})
    assert plain == JobDescription(executable="x")
    for key, value in (("name", plain.name), ("priority", plain.priority), ("cores", plain.cores), ("log", plain.log)):
        (row,) = re.findall(rf"^\| `{key}` \|.*$", PAGE, re.MULTILINE)
        assert row.rstrip(" |").split("|")[-1].strip().strip("`") == str(value)
