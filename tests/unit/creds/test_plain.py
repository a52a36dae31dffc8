"""A file that others keep fresh is looked at, and its age and content tell how long it lasts."""
from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harvester_creds.plain import PlainCredential, PlainSettings
from harvester_hpc.ports.credential import NotRenewed
from tests.unit.creds.made import context, proxy, put, token


def made(path: Path, **more: Any) -> PlainCredential:
    settings = PlainSettings(file=str(path), **more)
    assert list(settings.problems()) == []
    return PlainCredential(settings, context(path.parent))


def test_a_file_lasts_until_it_is_too_old(tmp_path: Path) -> None:
    path = put(tmp_path / "password", "secret\n")
    assert made(path).check_credential().until is None
    os.utime(path, (time.time(), 1_000_000.0))
    found = made(path, max_age_hours=2.0).check_credential()
    assert (found.until, found.begins) == (1_000_000.0 + 7200.0, 1_000_000.0)


@pytest.mark.parametrize(("holds", "content", "seconds"), [
    ("token", lambda: f" {token(5000)}\n", 5000), ("proxy", lambda: proxy(7000), 7000),
    ("proxy", lambda: proxy(9000, voms_seconds=6000), 6000),
], ids=["token", "proxy", "proxy with attributes that end before"])
def test_what_says_its_own_end_is_believed(
    tmp_path: Path, holds: str, content: Callable[[], str | bytes], seconds: float
) -> None:
    path = put(tmp_path / "it", content())
    assert made(path, holds=holds).check_credential().until == pytest.approx(time.time() + seconds, abs=300)
    assert made(path, holds=holds, max_age_hours=1.0).check_credential().until == pytest.approx(time.time() + 3600, abs=300)


@pytest.mark.parametrize(("holds", "content", "words"), [
    ("file", "", "it is empty"), ("token", "two words", "no token"), ("proxy", "-----BEGIN", "no certificate"),
])
def test_what_it_does_not_hold_is_said_with_what_to_do(tmp_path: Path, holds: str, content: str, words: str) -> None:
    path = put(tmp_path / "it", content)
    found = made(path, holds=holds, remedy="ask the site").check_credential()
    assert words in found.why
    assert (found.mark, found.remedy) == ("", "ask the site")
    path.chmod(0o644)
    assert "others may read it" in made(path).check_credential().why
    path.unlink()
    assert "No such file" in made(path).check_credential().why


def test_only_a_person_can_renew_it(tmp_path: Path) -> None:
    answer = made(tmp_path / "it", remedy="ask the site").renew_credential("")
    assert isinstance(answer, NotRenewed)
    assert (answer.final, answer.remedy, PlainCredential.renews) == (True, "ask the site", False)


@pytest.mark.parametrize("given", [{"file": "it"}, {"file": "/it", "holds": "x"}, {"file": "/it", "max_age_hours": -1.0}])
def test_settings_that_cannot_work_are_found(given: dict[str, Any]) -> None:
    (problem,) = PlainSettings(**given).problems()
    assert problem.partition(":")[0] in given
