"""``logs``: kinds, addresses, pages of the monitor, following, and terminals that are not to obey a log."""
from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from harvester_hpc.cli.exits import Exit
from harvester_hpc.cli.log_following import Followed, follow
from harvester_hpc.cli.log_text import Visible, Writer
from harvester_hpc.model.job import JobState
from tests.unit.cli.rows_and_answers import Command, Stored


@pytest.fixture
def worker(stored: Stored, tmp_path: Path) -> Path:
    point = tmp_path / "work" / "3"
    (point / "1700").mkdir(parents=True)
    (point / "batch.log").write_text("batch says\n")
    (point / "1700" / "payload.stdout").write_text("out says\n")
    (point / "1700" / "payload.stderr").write_text("err says\n")
    stored.add_job(1700, JobState.FINISHED)
    stored.add_worker(3, point, "finished", job_id=1700)
    return point


def shown(stored: Stored, worker: int = 3) -> None:
    stored.sql("INSERT INTO worker_log (worker_id, queue, state, since) VALUES (?, 'Q', 'shown', 0)", worker)
    for kind in ("batch", "stdout"):
        row = (worker, kind, f"{kind}.txt", f"https://portal.test/{worker}.{kind}.txt")
        stored.sql("INSERT INTO log_copy (worker_id, kind, name, url, size, stamp) VALUES (?, ?, ?, ?, 0, 0)", *row)


@pytest.mark.parametrize(("options", "said"), [
    (["--stdout"], {"out"}), (["--stderr"], {"err"}), (["--batch"], {"batch"}), (["--stdout", "--stderr"], {"out", "err"}),
    ([], {"batch", "out", "err"}),
])
def test_only_the_logs_that_are_asked_for_are_shown(command: Command, worker: Path, options: list[str], said: set[str]) -> None:
    text = command("logs", 3, *options).out
    assert {word for word in ("batch", "out", "err") if f"{word} says" in text} == said


def test_a_number_that_no_worker_has_is_that_of_a_job(command: Command, worker: Path) -> None:
    assert command("logs", 1700, "--json").json == command("logs", 3, "--json").json


def test_addresses_are_told_alone_or_with_the_text(command: Command, stored: Stored, worker: Path) -> None:
    shown(stored)
    assert command("logs", 3, "--url", "--stdout").out == "3 stdout https://portal.test/3.stdout.txt\n"
    assert command("logs", 1700, "--url").out.splitlines() == [
        "3 batch https://portal.test/3.batch.txt", "3 stdout https://portal.test/3.stdout.txt"]
    assert "published: https://portal.test/3.batch.txt" in command("logs", 3).out
    assert [one["log"] for one in command("logs", 3, "--json").json["published"]] == ["batch", "stdout"]


def test_without_an_address_that_is_said(command: Command, worker: Path) -> None:
    said = command("logs", 3, "--url")
    assert (said.code, said.out, "logExposer" in said.err) == (Exit.NOTHING, "", True)


def test_of_a_swept_worker_and_of_one_that_is_forgotten_it_is_told_where_the_logs_went(
    command: Command, stored: Stored, tmp_path: Path
) -> None:
    stored.add_worker(4, tmp_path / "gone", "finished")
    shown(stored, 4)
    shown(stored, 5)
    for number in (4, 5):
        said = command("logs", number)
        assert (said.code, f"https://portal.test/{number}.batch.txt" in said.out) == (Exit.DONE, True)


def test_pages_of_the_monitor(command: Command, worker: Path, home: Path) -> None:
    base = "https://bigpanda.cern.ch"
    pages = {
        "job 1700": f"{base}/job/1700/", "worker 3": f"{base}/harvester/worker/3/?harvesterid=test",
        "instance test": f"{base}/harvester/workers/?instance=test",
    }
    assert command("logs", 3, "--bigpandamon", "--json").json == pages
    assert command("logs", "--job", 1700, "--bigpandamon", "--json").json == pages
    assert command("logs", "--bigpandamon").out.split() == ["instance", "test", pages["instance test"]]
    assert command("logs", 99, "--bigpandamon").code == Exit.NOTHING
    text = (home / "harvester.json").read_text()
    (home / "harvester.json").write_text(text.replace("{", '{"bigpandamon": "https://mon.test/", ', 1))
    assert command("logs", 3, "--bigpandamon", "--json").json["job 1700"] == "https://mon.test/job/1700/"


@pytest.mark.parametrize("options", [["--json"], ["--paths"], ["--url"]])
def test_following_goes_with_text_only(command: Command, worker: Path, options: list[str]) -> None:
    assert command("logs", 3, "--follow", *options).code == Exit.USAGE


def test_to_follow_a_worker_that_has_ended_shows_its_end_and_ends(command: Command, worker: Path) -> None:
    said = command("logs", 3, "--follow", "--batch", "-n", 5)
    assert (said.code, said.out) == (Exit.DONE, f"==> {worker / 'batch.log'} <==\nbatch says\n")


# -- terminals ----------------------------------------------------------------------------------------


HOSTILE = b"\x1b[2J\x1b]0;title\x07red\x00\x7f\xff\xc2\x9b31m tab\tok\r\nprogress 1%\rprogress 2%\n"


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_a_terminal_gets_nothing_that_it_would_obey(size: int) -> None:
    visible = Visible()
    parts = [visible.feed(HOSTILE[start:start + size]) for start in range(0, len(HOSTILE), size)]
    text = "".join(parts) + visible.feed(b"", final=True)
    assert text == "^[[2J^[]0;title^Gred^@^?\ufffd\\x9b31m tab\tok\nprogress 1%\nprogress 2%\n"


def test_a_pipe_gets_the_log_as_it_is(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    Writer().write(Path("log"), HOSTILE)
    assert capfdbinary.readouterr().out == HOSTILE
    Writer(raw=False).write(Path("log"), b"\x1b[31m")
    assert capfdbinary.readouterr().out == b"^[[31m"


# -- following ----------------------------------------------------------------------------------------


class Script:
    """Follows one file; after each look at it the next of these things happens, and then it is over."""

    def __init__(self, file: Path, *acts: Callable[[], object]) -> None:
        self.file = file
        self.acts = list(acts)
        self.text = b""

    def run(self, lines: int = 10) -> bytes:
        follow(self._look, lines, self._write, self._wait)
        return self.text

    def _look(self) -> Followed:
        return Followed(files=[self.file], over=not self.acts)

    def _write(self, file: Path, block: bytes) -> None:
        assert len(block) <= 1 << 16
        self.text += block

    def _wait(self, seconds: float) -> None:
        if self.acts:
            self.acts.pop(0)()


def append(file: Path, content: bytes) -> Callable[[], object]:
    def act() -> None:
        with file.open("ab") as stream:
            stream.write(content)

    return act


def test_a_file_that_is_not_there_yet_is_waited_for_and_what_comes_is_shown_once(tmp_path: Path) -> None:
    file = tmp_path / "log"
    assert Script(file, lambda: None, append(file, b"one\n"), lambda: None, append(file, b"two"), append(file, b" three\n")).run() == (
        b"one\ntwo three\n")


def test_a_pipe_in_the_place_of_a_log_keeps_nobody_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "log")
    assert Script(tmp_path / "log", lambda: None).run() == b""


def test_of_what_is_there_only_the_last_lines_are_shown(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_bytes(b"".join(b"%d\n" % number for number in range(100)))
    assert Script(file, append(file, b"new\n")).run(lines=2) == b"98\n99\nnew\n"


def test_a_file_that_is_replaced_is_read_to_its_end_and_then_the_new_one(tmp_path: Path) -> None:
    file, old = tmp_path / "log", tmp_path / "log.1"
    file.write_bytes(b"first\n")

    def rotate() -> None:
        append(file, b"last of the old\n")()
        file.rename(old)

    assert Script(file, rotate, append(file, b"first of the new\n")).run() == b"first\nlast of the old\nfirst of the new\n"


def test_a_file_that_is_cut_is_read_from_its_beginning(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_bytes(b"a long line\n")
    assert Script(file, lambda: os.truncate(file, 0), append(file, b"short\n")).run() == b"a long line\nshort\n"


def test_what_was_written_before_the_end_is_shown(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_bytes(b"x\n")
    (tmp_path / "gone").touch()
    script = Script(file, append(file, b"the end\n"))
    assert script.run() == b"x\nthe end\n"


def test_a_huge_file_is_followed_in_small_blocks(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.touch()
    assert len(Script(file, append(file, b"x" * 5_000_000)).run()) == 5_000_000


def test_waiting_can_be_interrupted(tmp_path: Path) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Script(tmp_path / "log", interrupt).run()
