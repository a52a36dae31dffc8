"""A file lies whole and verified under its final name, or not at all."""
from __future__ import annotations

import errno
import hashlib
import os
import zlib
from pathlib import Path

import pytest

from harvester_hpc.model.checksum import BLOCK, adler32_of
from harvester_local import placing
from harvester_local.placing import Differs, NotNow, Occupied, Placed, Wanted, place

CONTENT = b"events " * 100
ADLER32 = f"ad:{zlib.adler32(CONTENT):08x}"
MD5 = f"md:{hashlib.md5(CONTENT).hexdigest()}"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "there" / "7" / "target"


def lies_alone(target: Path) -> bool:
    """Tell whether nothing but the target lies in its folder."""
    return [path.name for path in target.parent.iterdir()] == [target.name]


@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, 2 * BLOCK + 3])
def test_adler32_of_a_file_is_that_of_its_bytes(tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    (tmp_path / "file").write_bytes(content)
    assert adler32_of(tmp_path / "file") == f"ad:{zlib.adler32(content):08x}"


@pytest.mark.parametrize("link", [False, True])
@pytest.mark.parametrize(
    ("wanted", "checksum"),
    [
        (Wanted(), ADLER32), (Wanted(size=len(CONTENT)), ADLER32), (Wanted(checksum=ADLER32), ADLER32),
        (Wanted(checksum=ADLER32.upper().replace("AD", "ad")), ADLER32), (Wanted(checksum=MD5, size=len(CONTENT)), MD5),
    ],
)
def test_a_file_is_brought_and_verified(source: Path, target: Path, wanted: Wanted, checksum: str, link: bool) -> None:
    for _ in range(2):
        assert place(source, target, wanted, link=link) == Placed(size=len(CONTENT), checksum=checksum)
        assert target.read_bytes() == CONTENT
        assert target.samefile(source) is link
        assert lies_alone(target)


def test_a_checksum_without_its_leading_zeros_is_the_same() -> None:
    assert Wanted(checksum="ad:1b2c3").refuses(1, "ad:0001b2c3") == ""
    assert Wanted(checksum="ad:1b2c3").refuses(1, "ad:1b2c3000")


@pytest.mark.parametrize("link", [False, True])
@pytest.mark.parametrize(
    ("wanted", "both"),
    [
        (Wanted(size=5), ("5", str(len(CONTENT)))), (Wanted(checksum="ad:00000001"), ("ad:00000001", ADLER32)),
        (Wanted(checksum="md:" + "0" * 32), ("md:" + "0" * 32, MD5)),
    ],
)
def test_another_file_than_promised_never_gets_the_name(
    source: Path, target: Path, wanted: Wanted, both: tuple[str, str], link: bool
) -> None:
    answer = place(source, target, wanted, link=link)
    assert isinstance(answer, Differs)
    assert all(value in answer.why for value in both)
    assert not target.parent.exists() or not list(target.parent.iterdir())


def test_a_complete_copy_is_done_even_without_its_source(source: Path, target: Path) -> None:
    place(source, target, Wanted())
    source.unlink()
    assert place(source, target, Wanted(size=len(CONTENT), checksum=ADLER32)) == Placed(size=len(CONTENT), checksum=ADLER32)
    assert isinstance(place(source, target, Wanted()), NotNow)


def test_a_missing_source_may_come_later(source: Path, target: Path) -> None:
    source.unlink()
    answer = place(source, target, Wanted())
    assert isinstance(answer, NotNow)
    assert str(source) in answer.why


def test_a_folder_is_no_file(tmp_path: Path, source: Path, target: Path) -> None:
    assert isinstance(place(tmp_path, target, Wanted()), Differs)
    target.mkdir(parents=True)
    assert isinstance(place(source, target, Wanted()), Occupied)


def test_another_file_in_its_place_is_replaced_only_if_that_is_allowed(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True)
    target.write_text("another")
    answer = place(source, target, Wanted(), replace=False)
    assert isinstance(answer, Occupied)
    assert ADLER32 in answer.why or str(len(CONTENT)) in answer.why
    assert target.read_text() == "another"
    assert isinstance(place(source, target, Wanted()), Placed)
    assert target.read_bytes() == CONTENT


def test_what_a_killed_process_has_left_is_removed(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True)
    part = placing._part_of(target)
    part.write_bytes(CONTENT[:5])
    assert isinstance(place(source, target, Wanted()), Placed)
    assert lies_alone(target)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.ESTALE])
def test_trouble_of_the_system_is_told_in_its_words_and_leaves_nothing(
    source: Path, target: Path, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def trouble(descriptor: int, block: bytes) -> None:
        os.write(descriptor, block[:3])
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(placing, "_write_all", trouble)
    answer = place(source, target, Wanted())
    assert isinstance(answer, NotNow)
    assert os.strerror(code) in answer.why
    assert not list(target.parent.iterdir())
    monkeypatch.undo()
    assert isinstance(place(source, target, Wanted()), Placed)


def test_a_copy_that_is_not_what_was_read_never_gets_the_name(source: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placing, "_write_all", lambda descriptor, block: os.write(descriptor, block[::-1]))
    answer = place(source, target, Wanted())
    assert isinstance(answer, NotNow)
    assert "checksum" in answer.why
    assert not list(target.parent.iterdir())


def test_a_source_that_changes_while_it_is_read_is_tried_again(source: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def grow(descriptor: int, block: bytes) -> None:
        os.write(descriptor, block)
        with source.open("ab") as file:
            file.write(b"more")

    monkeypatch.setattr(placing, "_write_all", grow)
    assert isinstance(place(source, target, Wanted()), NotNow)
    monkeypatch.undo()
    assert isinstance(place(source, target, Wanted()), Placed)


def test_where_no_link_is_possible_a_copy_is_made(source: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(first: Path, second: Path) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(os, "link", refuse)
    assert isinstance(place(source, target, Wanted(), link=True), Placed)
    assert not target.samefile(source)


def test_a_program_stays_one(source: Path, target: Path) -> None:
    source.chmod(0o555)
    place(source, target, Wanted())
    assert os.access(target, os.X_OK)


def test_a_long_name_can_be_placed(source: Path, target: Path) -> None:
    assert isinstance(place(source, target.with_name("x" * 255), Wanted()), Placed)
