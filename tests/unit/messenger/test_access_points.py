"""An access point is made once, belongs to one worker, and nothing else is ever removed."""
from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harvester_hpc.messenger import access_point
from harvester_hpc.messenger.access_point import remove, set_up
from harvester_hpc.messenger.values import AccessPoint

SENTINEL = ".harvester_hpc"


@pytest.fixture
def new(tmp_path: Path) -> AccessPoint:
    return AccessPoint(root=tmp_path / "root", path=tmp_path / "root" / "a" / "7", instance="here", worker_id=7)


@pytest.fixture
def made(new: AccessPoint) -> AccessPoint:
    set_up(new)
    (new.path / "sub").mkdir()
    (new.path / "sub" / "out").write_text("x")
    return new


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    folder = tmp_path / "precious"
    folder.mkdir()
    (folder / "thesis").write_text("years")
    return folder


def test_it_is_ours_alone_and_says_whose_it_is(new: AccessPoint) -> None:
    set_up(new)
    assert new.path.stat().st_mode & 0o777 == 0o700
    assert json.loads((new.path / SENTINEL).read_text()) == {"instance": "here", "worker_id": 7, "root": str(new.root), "letters": 1}
    assert (new.root / ".doorbell").is_dir()


def test_it_may_be_set_up_again(made: AccessPoint) -> None:
    set_up(made)
    assert (made.path / "sub" / "out").exists()


@pytest.mark.parametrize("change", [{"worker_id": 8}, {"instance": "there"}], ids=str)
def test_another_worker_is_refused(made: AccessPoint, change: dict[str, object]) -> None:
    with pytest.raises(FileExistsError, match="belongs to worker 7 of here"):
        set_up(replace(made, **change))  # type: ignore[arg-type]


@pytest.mark.parametrize("sentinel", [None, "", "{", "[]", '{"instance": "here"}'])
def test_a_folder_with_files_and_no_good_sentinel_is_refused(new: AccessPoint, sentinel: str | None) -> None:
    new.path.mkdir(parents=True)
    (new.path / "thesis").touch()
    if sentinel is not None:
        (new.path / SENTINEL).write_text(sentinel)
    with pytest.raises(FileExistsError):
        set_up(new)


def test_a_crash_between_folder_and_sentinel_is_mended(new: AccessPoint) -> None:
    new.path.mkdir(parents=True)
    (new.path / f".{SENTINEL}.123.abcd.part").touch()
    set_up(new)
    assert remove(new) == ""


@pytest.mark.parametrize("kind", ["file", "link", "dangling"])
def test_a_file_or_link_in_its_place_is_refused(new: AccessPoint, precious: Path, kind: str) -> None:
    new.path.parent.mkdir(parents=True)
    if kind == "file":
        new.path.touch()
    else:
        new.path.symlink_to(precious if kind == "link" else precious / "nowhere")
    with pytest.raises(FileExistsError):
        set_up(new)
    assert remove(new) != ""
    assert (precious / "thesis").exists()


@pytest.mark.parametrize("path", ["/", ".", "..", "root/..", "root/../precious", "root/a/../../precious", "root", "rootless/7"])
def test_what_does_not_lie_strictly_below_the_root_is_refused(tmp_path: Path, precious: Path, path: str) -> None:
    point = AccessPoint(root=tmp_path / "root", path=tmp_path / path, instance="here", worker_id=7)
    with pytest.raises(PermissionError):
        set_up(point)
    (precious / SENTINEL).write_text('{"instance": "here", "worker_id": 7}')
    assert remove(point) != ""
    assert (precious / "thesis").exists()


def test_relative_paths_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PermissionError):
        set_up(AccessPoint(root=Path("root"), path=Path("root/7"), instance="here", worker_id=7))
    assert list(tmp_path.iterdir()) == []


def test_it_is_removed_with_all_that_is_in_it(made: AccessPoint) -> None:
    assert remove(made) == ""
    assert [entry.name for entry in made.path.parent.iterdir()] == []
    assert remove(made) == ""


def test_what_was_never_made_is_gone(new: AccessPoint) -> None:
    assert remove(new) == ""


@pytest.mark.parametrize("change", [{"worker_id": 8}, {"instance": "there"}, {"worker_id": "7"}], ids=str)
def test_the_folder_of_another_worker_stays(made: AccessPoint, change: dict[str, object]) -> None:
    assert "no .harvester_hpc of worker" in remove(replace(made, **change))  # type: ignore[arg-type]
    assert (made.path / "sub" / "out").exists()


def _no_sentinel(sentinel: Path) -> None:
    sentinel.unlink()


def _linked_sentinel(sentinel: Path) -> None:
    sentinel.rename(sentinel.parent.parent / "kept")
    sentinel.symlink_to(sentinel.parent.parent / "kept")


def _folder_as_sentinel(sentinel: Path) -> None:
    sentinel.unlink()
    sentinel.mkdir()


def _pipe_as_sentinel(sentinel: Path) -> None:
    sentinel.unlink()
    os.mkfifo(sentinel)


def _torn_sentinel(sentinel: Path) -> None:
    sentinel.write_text(sentinel.read_text()[:-1])


@pytest.mark.parametrize("spoil", [_no_sentinel, _linked_sentinel, _folder_as_sentinel, _pipe_as_sentinel, _torn_sentinel])
def test_without_a_good_sentinel_it_stays(made: AccessPoint, spoil: Callable[[Path], None]) -> None:
    spoil(made.path / SENTINEL)
    assert remove(made) != ""
    assert (made.path / "sub" / "out").exists()


def test_a_link_instead_of_the_folder_is_not_followed(made: AccessPoint, precious: Path) -> None:
    (precious / SENTINEL).write_text((made.path / SENTINEL).read_text())
    made.path.rename(made.path.with_name("moved"))
    made.path.symlink_to(precious)
    assert "is a link" in remove(made)
    assert (precious / "thesis").exists() and made.path.is_symlink()


def test_a_link_on_the_way_is_not_followed(made: AccessPoint, tmp_path: Path) -> None:
    (made.root / "a").rename(tmp_path / "moved")
    (made.root / "a").symlink_to(tmp_path / "moved")
    assert "is a link" in remove(made)
    assert (tmp_path / "moved" / "7" / "sub" / "out").exists()


def test_a_root_that_is_a_link_is_the_users_own_choice(made: AccessPoint, tmp_path: Path) -> None:
    (tmp_path / "scratch").symlink_to(made.root)
    assert remove(replace(made, root=tmp_path / "scratch", path=tmp_path / "scratch" / "a" / "7")) == ""
    assert not made.path.exists()


def test_links_in_it_are_removed_and_not_followed(made: AccessPoint, precious: Path) -> None:
    (made.path / "input").symlink_to(precious / "thesis")
    (made.path / "folder").symlink_to(precious)
    (made.path / "sub" / "deeper").symlink_to(precious, target_is_directory=True)
    os.link(precious / "thesis", made.path / "hard")
    assert remove(made) == ""
    assert (precious / "thesis").read_text() == "years"


def _trash_of(made: AccessPoint, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Die in the middle of a removal; return what is left."""
    def die(entry: str, folder: int) -> None:
        raise OSError(f"cannot remove {entry}")

    with monkeypatch.context() as patch:
        patch.setattr(access_point, "_remove_entry", die)
        with pytest.raises(OSError):
            remove(made)
    (trash,) = made.path.parent.iterdir()
    return trash


def test_a_half_removed_one_is_no_access_point_and_goes_next_time(made: AccessPoint, monkeypatch: pytest.MonkeyPatch) -> None:
    trash = _trash_of(made, monkeypatch)
    assert not made.path.exists() and trash.name.startswith(".trash.")
    assert remove(made) == ""
    assert list(made.path.parent.iterdir()) == []


def test_a_new_one_beside_a_half_removed_one_goes_with_it(made: AccessPoint, monkeypatch: pytest.MonkeyPatch) -> None:
    _trash_of(made, monkeypatch)
    set_up(made)
    assert remove(made) == ""
    assert list(made.path.parent.iterdir()) == []


def test_a_link_that_poses_as_trash_is_not_followed(made: AccessPoint, precious: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trash = _trash_of(made, monkeypatch)
    (precious / SENTINEL).write_text((trash / SENTINEL).read_text())
    trash.rename(trash.with_name("away"))
    trash.symlink_to(precious)
    assert remove(made) != ""
    assert (precious / "thesis").exists()


def test_trash_without_our_sentinel_stays(made: AccessPoint, monkeypatch: pytest.MonkeyPatch) -> None:
    trash = _trash_of(made, monkeypatch)
    (trash / SENTINEL).unlink()
    assert remove(made) != ""
    assert (trash / "sub" / "out").exists()


def test_a_folder_exchanged_in_the_middle_is_put_back(made: AccessPoint, precious: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    look = access_point._sentinel_in

    def exchange(folder: int) -> dict[str, object]:
        said = look(folder)
        if made.path.exists() and not (made.root / "moved").exists():
            made.path.rename(made.root / "moved")
            precious.rename(made.path)
        return said

    monkeypatch.setattr(access_point, "_sentinel_in", exchange)
    assert "exchanged" in remove(made)
    assert (made.path / "thesis").read_text() == "years"


LOCKED = """
import os, sys
from pathlib import Path
from harvester_hpc.messenger.access_point import remove, set_up
from harvester_hpc.messenger.values import AccessPoint
if os.geteuid() == 0:  # no folder is locked to root
    os.chown(sys.argv[1], 65534, 65534)
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
root = Path(sys.argv[1]) / "root"
point = AccessPoint(root=root, path=root / "7", instance="here", worker_id=7)
set_up(point)
inner = point.path / "cache" / "module" / "deep"
inner.mkdir(parents=True)
(inner / "file").touch()
for folder in (inner, inner.parent, inner.parent.parent, point.path):
    folder.chmod(int(sys.argv[2], 8))
print(repr(remove(point)), point.path.exists())
"""


@pytest.mark.parametrize("mode", ["500", "000", "200"])
def test_folders_that_a_payload_has_locked_are_removed(mode: str) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        done = subprocess.run([sys.executable, "-c", LOCKED, folder, mode], capture_output=True, text=True, timeout=60)
        assert done.stdout.strip() == "'' False", done.stderr
