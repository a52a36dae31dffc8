"""One file brought to its place: whole and compared, or not there at all."""
from __future__ import annotations

from pathlib import Path

import pytest

from harvester_rucio.names import Known, measured
from harvester_rucio.placing import Stopped, Wrong, bring, fill, part_of, stands


def _never() -> bool:
    return False


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(b"content" * 1000)
    return path


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "er" / "target"


def test_a_copy_is_the_source_and_nothing_else_is_there(source: Path, target: Path) -> None:
    for _ in range(2):
        assert bring(source, target, Known(), _never) == measured(source)
        assert list(target.parent.iterdir()) == [target] and target.read_bytes() == source.read_bytes()


@pytest.mark.parametrize("wanted", [Known(size=1), Known(adler32="01020304"), Known(md5="0" * 32)])
def test_what_is_not_wanted_does_not_come(source: Path, target: Path, wanted: Known) -> None:
    with pytest.raises(Wrong):
        bring(source, target, wanted, _never)
    assert list(target.parent.iterdir()) == []


def test_a_copy_that_is_stopped_leaves_nothing_and_what_was_there_stays(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True)
    target.write_bytes(b"old")
    with pytest.raises(Stopped):
        bring(source, target, Known(), lambda: True)
    assert list(target.parent.iterdir()) == [target] and target.read_bytes() == b"old"


def test_a_source_that_changes_while_it_is_read_does_not_come(source: Path, target: Path) -> None:
    def grow() -> bool:
        with source.open("ab") as file:
            file.write(b"more")
        return False

    with pytest.raises(Wrong, match="changed"):
        bring(source, target, Known(), grow)
    assert list(target.parent.iterdir()) == []


def test_a_copy_that_is_not_what_was_read_does_not_count(target: Path) -> None:
    def damaged(part: Path) -> Known:
        part.write_bytes(b"damaged")
        return Known(size=7, adler32="01020304")

    with pytest.raises(Wrong, match="the copy"):
        fill(target, Known(), damaged, "somewhere")
    assert list(target.parent.iterdir()) == []


def test_a_folder_in_the_way_stays(source: Path, target: Path) -> None:
    target.mkdir(parents=True)
    for attempt in (lambda: bring(source, target, Known(), _never), lambda: stands(target, measured(source))):
        with pytest.raises(Wrong):
            attempt()
    assert target.is_dir()


def test_a_link_in_the_way_is_not_followed(source: Path, target: Path, tmp_path: Path) -> None:
    target.parent.mkdir(parents=True)
    precious = tmp_path / "precious"
    precious.write_bytes(b"precious")
    target.symlink_to(precious)
    bring(source, target, Known(), _never)
    assert precious.read_bytes() == b"precious" and not target.is_symlink()


def test_only_what_has_a_checksum_can_be_there_already(source: Path) -> None:
    known = measured(source)
    assert stands(source, known) == known
    assert stands(source, Known(size=known.size)) is None
    assert stands(source, Known(adler32="01020304")) is stands(source, Known(size=1, adler32=known.adler32)) is None
    assert stands(source.with_name("nothing"), known) is None


def test_a_part_has_a_name_that_is_never_too_long_and_always_the_same(tmp_path: Path) -> None:
    long = tmp_path / ("x" * 255)
    assert part_of(long) == part_of(long) != part_of(tmp_path / ("x" * 254)) and len(part_of(long).name) < 60
