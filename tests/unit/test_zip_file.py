"""A zip is finished or not there, holds what it was given, and says what it could not take."""
from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from harvester_hpc.zip_file import SMALL, write_zip


@pytest.fixture
def files(tmp_path: Path) -> list[tuple[str, Path]]:
    made = []
    for number, size in enumerate((0, 1, 10_000, 3_000_000, SMALL, 2 * SMALL + 1, 2 * SMALL)):
        path = tmp_path / f"in{number}"
        path.write_bytes(os.urandom(size))
        made.append((f"name{number}", path))
    return made


def test_members_come_out_as_they_went_in(tmp_path: Path, files: list[tuple[str, Path]]) -> None:
    packed = write_zip(tmp_path / "deep" / "er" / "a.zip", files)
    assert (packed.lost, packed.size) == ({}, (tmp_path / "deep/er/a.zip").stat().st_size)
    with zipfile.ZipFile(tmp_path / "deep/er/a.zip") as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == {name: path.read_bytes() for name, path in files}
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}


def test_names_of_all_scripts_come_out_as_they_went_in(tmp_path: Path, files: list[tuple[str, Path]]) -> None:
    names = ["plain", "grün.root", "数据", "with blank", "a/b"]
    write_zip(tmp_path / "a.zip", [(name, files[1][1]) for name in names])
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.namelist() == names
        assert archive.testzip() is None


@pytest.mark.parametrize("size", [10_000, 2 * SMALL])
def test_a_file_that_grows_is_taken_as_it_was_and_one_that_shrinks_as_it_is(
    tmp_path: Path, size: int, monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "in"
    look = os.fstat
    for change in (size // 2, 2 * size):
        path.write_bytes(b"x" * size)

        def and_change(descriptor: int, change: int = change) -> os.stat_result:
            found = look(descriptor)
            os.truncate(path, change)
            return found

        with monkeypatch.context() as patched:
            patched.setattr(os, "fstat", and_change)
            write_zip(tmp_path / "a.zip", [("member", path), ("other", tmp_path)])
        with zipfile.ZipFile(tmp_path / "a.zip") as archive:
            assert archive.read("member") == b"x" * min(change, size)


def test_a_name_that_no_zip_can_hold_is_lost_alone(tmp_path: Path, files: list[tuple[str, Path]]) -> None:
    odd = [("x" * 70_000, files[1][1]), ("half \ud800", files[1][1]), ("nul", tmp_path / "a\0b")]
    packed = write_zip(tmp_path / "a.zip", [*odd, files[0]])
    assert [name[:4] for name in packed.lost] == ["xxxx", "half", "nul"]
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.namelist() == [files[0][0]]


def test_the_same_members_make_the_same_zip(tmp_path: Path, files: list[tuple[str, Path]]) -> None:
    write_zip(tmp_path / "a.zip", files)
    os.utime(files[1][1], (1, 1))
    write_zip(tmp_path / "b.zip", files)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_what_cannot_be_read_is_lost_alone(tmp_path: Path, files: list[tuple[str, Path]]) -> None:
    os.mkfifo(tmp_path / "pipe")
    odd = [("gone", tmp_path / "gone"), ("folder", tmp_path), ("pipe", tmp_path / "pipe"), ("name0", files[1][1])]
    packed = write_zip(tmp_path / "a.zip", [*files, *odd])
    assert set(packed.lost) == {"gone", "folder", "pipe", "name0"}
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.namelist() == [name for name, _ in files]


def test_a_zip_that_is_not_finished_is_not_there(tmp_path: Path, files: list[tuple[str, Path]]) -> None:
    write_zip(tmp_path / "a.zip", files[:1])
    before = (tmp_path / "a.zip").read_bytes()
    calls: list[int] = []

    def stop() -> bool:
        calls.append(1)
        return len(calls) > 2

    with pytest.raises(InterruptedError):
        write_zip(tmp_path / "a.zip", files, stop)
    assert (tmp_path / "a.zip").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".part")] == []


def test_the_part_of_a_dead_process_is_overwritten(tmp_path: Path, files: list[tuple[str, Path]]) -> None:
    (tmp_path / ".a.zip.part").write_bytes(b"x" * 5_000_000)
    packed = write_zip(tmp_path / "a.zip", files[:2])
    assert packed.size < 5000
    assert not (tmp_path / ".a.zip.part").exists()


def test_a_place_that_cannot_be_written_is_an_error(tmp_path: Path, files: list[tuple[str, Path]]) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError):
        write_zip(tmp_path / "file" / "a.zip", files)
    (tmp_path / ".l.zip.part").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError):
        write_zip(tmp_path / "l.zip", files)
    assert not (tmp_path / "elsewhere").exists()
