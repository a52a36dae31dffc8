"""A file with a secret is its owner's alone, and whole."""
from __future__ import annotations

import os
from pathlib import Path

import pytest

from harvester_hpc.errors import Unavailable
from harvester_hpc.secret_file import LARGEST, drop_drafts, mark_of, put_secret, read_secret, read_token, token_in

SECRET = "s3cr3t-that-nobody-sees"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    put_secret(path, SECRET.encode())
    return path


def test_what_is_written_is_for_its_owner_alone_and_leaves_nothing_beside(secret: Path) -> None:
    assert secret.stat().st_mode & 0o777 == 0o600
    assert read_secret(secret) == (mark_of(secret), SECRET.encode())
    assert list(secret.parent.iterdir()) == [secret]


def test_every_content_has_another_mark(secret: Path) -> None:
    marks = {mark_of(secret)}
    for _ in range(5):
        put_secret(secret, SECRET.encode())
        marks.add(mark_of(secret))
    assert len(marks) == 6


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601, 0o777])
def test_what_others_may_read_is_not_used(secret: Path, mode: int) -> None:
    secret.chmod(mode)
    for use in (mark_of, read_secret, read_token):
        with pytest.raises(Unavailable, match=r"others may read it; chmod 600") as caught:
            use(secret)
        assert SECRET not in repr(caught.value)


@pytest.mark.parametrize(("mode", "safe"), [(0o700, True), (0o755, True), (0o770, False), (0o707, False), (0o1777, True)])
def test_what_others_may_replace_is_not_used(secret: Path, mode: int, safe: bool) -> None:
    secret.parent.chmod(mode)
    try:
        if safe:
            assert mark_of(secret)
        else:
            with pytest.raises(Unavailable, match=r"others may replace it.*chmod go-w"):
                mark_of(secret)
    finally:
        secret.parent.chmod(0o700)


def test_a_link_is_as_safe_as_the_folder_that_it_leads_to(secret: Path, tmp_path: Path) -> None:
    open_folder = tmp_path / "open"
    open_folder.mkdir()
    put_secret(open_folder / "there", b"x")
    open_folder.chmod(0o777)
    link = tmp_path / "link"
    link.symlink_to(open_folder / "there")
    with pytest.raises(Unavailable, match="others may replace it"):
        mark_of(link)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_belongs_to_somebody_else_is_not_used(secret: Path) -> None:
    os.chown(secret, 65534, -1)
    with pytest.raises(Unavailable, match="belongs to somebody else"):
        mark_of(secret)


def test_a_pipe_in_the_place_of_a_secret_keeps_nobody_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(Unavailable, match="it is no file"):
        read_secret(tmp_path / "pipe")


def test_what_is_missing_a_folder_or_too_large_is_said(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot be read; No such file"):
        read_secret(tmp_path / "missing")
    with pytest.raises(Unavailable, match="it is no file"):
        mark_of(tmp_path)
    put_secret(tmp_path / "large", b"x" * (LARGEST + 1))
    with pytest.raises(Unavailable, match="more than"):
        read_secret(tmp_path / "large")


@pytest.mark.parametrize("raw", [b"", b" \n", b"two words", b"a\x00b", "tök".encode()])
def test_what_is_no_word_is_no_token_and_is_not_shown(raw: bytes) -> None:
    with pytest.raises(Unavailable, match="holds no token") as caught:
        token_in(raw, "it")
    assert not raw.strip() or raw.decode(errors="replace") not in str(caught.value)


def test_what_a_killed_process_left_is_removed_and_nothing_else(secret: Path) -> None:
    left = secret.with_name(".secret.new.123.abcd")
    left.write_text("half")
    drop_drafts(secret)
    assert list(secret.parent.iterdir()) == [secret]


def test_a_full_disk_leaves_what_was_there(secret: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        put_secret(secret, b"new")
    assert secret.read_text() == SECRET
    assert list(secret.parent.iterdir()) == [secret]
