"""The log directory: what of it others may read, and what cannot be configured."""
from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.model.facility import Facility
from harvester_hpc.ports.context import Context
from harvester_hpc.ports.log_exposer import LONGEST_URL, Shown
from harvester_hpc.ports.outcome import Failed
from harvester_hpc.testing.contracts.log_exposer import ready
from harvester_local.log_directory import DirectorySettings, LogDirectory

URL = "https://portal.test/~me"


def directory(place: Path, **settings: Any) -> LogDirectory:
    (place / "web").mkdir(exist_ok=True)
    context = Context(instance="test", tag="abcde", state_dir=place / "state", facility=Facility(name="here", scheduler="local"))
    return LogDirectory(DirectorySettings(**{"folder": str(place / "web"), "url": URL, **settings}), context)


@pytest.mark.parametrize(("mode", "of_folders"), [("0644", 0o755), ("0640", 0o750), ("0600", 0o700)])
def test_a_copy_has_the_mode_that_was_asked_for_whatever_the_umask_says(tmp_path: Path, mode: str, of_folders: int) -> None:
    shown = directory(tmp_path, mode=mode).show_log(ready(b"x", worker_id=1234567))
    assert isinstance(shown, Shown)
    (file,) = (tmp_path / "web").rglob("*.txt")
    assert shown.url == f"{URL}/{file.relative_to(tmp_path / 'web')}"
    assert stat.S_IMODE(file.stat().st_mode) == int(mode, 8)
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in (file.parent, file.parent.parent)} == {of_folders}


def test_a_draft_that_a_crash_has_left_is_replaced_and_no_draft_stays(tmp_path: Path) -> None:
    exposer = directory(tmp_path)
    exposer.show_log(ready(b"first"))
    (file,) = (tmp_path / "web").rglob("*.txt")
    file.with_name(f".{file.name}.draft").write_bytes(b"half")
    exposer.show_log(ready(b"second"))
    assert [(one.name, one.read_bytes()) for one in file.parent.iterdir()] == [(file.name, b"second")]


def test_folders_that_are_empty_go(tmp_path: Path) -> None:
    exposer = directory(tmp_path)
    exposer.show_log(ready(b"x", "a.txt", 5))
    exposer.show_log(ready(b"x", "b.txt", 5))
    exposer.hide_log("a.txt", 5)
    exposer.hide_log("b.txt", 5)
    assert [one.name for one in (tmp_path / "web").rglob("*")] == ["test"]


def test_a_name_leads_nowhere_else(tmp_path: Path) -> None:
    directory(tmp_path).show_log(ready(b"x", "../../../escape.txt"))
    assert not (tmp_path / "escape.txt").exists()
    assert [one.name for one in (tmp_path / "web").rglob("*.txt")] == ["escape.txt"]


def test_the_address_of_the_file_itself_is_that_of_the_nearest_folder(tmp_path: Path) -> None:
    exposer = directory(tmp_path, live={"/scratch": "https://a.test", "/scratch/me": "https://b.test/~me/"})
    assert exposer.live_address("/scratch/me/a b/1/batch.log") == "https://b.test/~me/a%20b/1/batch.log"
    assert exposer.live_address("/scratch/other/1/batch.log") == "https://a.test/other/1/batch.log"
    for path in ("/scratchy/1/batch.log", "/scratch/me/../other", "/scratch/" + "x" * LONGEST_URL):
        assert exposer.live_address(path) == ""


def test_without_a_folder_for_copies_the_file_itself_is_shown_as_long_as_it_is_there(tmp_path: Path) -> None:
    exposer = directory(tmp_path, folder="", url="", live={"/work": "https://a.test"})
    assert exposer.show_log(ready(b"x")) == Shown(url="https://a.test/7/payload.stdout")
    elsewhere = directory(tmp_path, folder="", url="", live={"/elsewhere": "https://a.test"})
    assert isinstance(elsewhere.show_log(ready(b"x")), Failed)


@pytest.mark.parametrize(("change", "word"), [
    ({"folder": "web"}, "folder"), ({"url": ""}, "url"), ({"url": "portal.test"}, "url"), ({"folder": "", "url": ""}, "folder"),
    ({"mode": "0666"}, "mode"), ({"mode": "rw"}, "mode"), ({"mode": "0744"}, "mode"), ({"mode": "0000"}, "mode"),
    ({"live": {"scratch": URL}}, "live"), ({"live": {"/scratch": "here"}}, "live"),
])
def test_what_cannot_be_is_told_with_its_key(change: dict[str, Any], word: str) -> None:
    problems = list(DirectorySettings(**{"folder": "/web", "url": URL, **change}).problems())
    assert problems and all(line.startswith(f"{word}:") for line in problems)


def test_a_good_section_has_no_problem_and_an_address_that_would_be_cut_has_one(tmp_path: Path) -> None:
    context = Context(instance="i" * 50, tag="abcde", state_dir=tmp_path, facility=Facility(name="here", scheduler="local"))
    good = DirectorySettings(folder="/web", url=URL, live={"/scratch": URL})
    assert [*good.problems(), *LogDirectory.problems(good, context)] == []
    (problem,) = LogDirectory.problems(DirectorySettings(folder="/web", url=URL + "/x" * 60), context)
    assert problem.startswith("url:")
    (problem,) = LogDirectory.problems(DirectorySettings(folder=str(tmp_path / "web"), url=URL), context)
    assert problem.startswith("folder:")


def test_the_longest_address_that_passes_is_not_too_long(tmp_path: Path) -> None:
    (tmp_path / "web").mkdir()
    context = Context(instance="i" * 50, tag="abcde", state_dir=tmp_path / "s", facility=Facility(name="here", scheduler="local"))
    url = URL
    while not list(LogDirectory.problems(DirectorySettings(folder=str(tmp_path / "web"), url=url + "x"), context)):
        url += "x"
    exposer = LogDirectory(DirectorySettings(folder=str(tmp_path / "web"), url=url), context)
    shown = exposer.show_log(ready(b"x", f"{'i' * 50}__{10**11}.stdout.txt", 10**11))
    assert isinstance(shown, Shown)
    assert len(shown.url) <= LONGEST_URL
