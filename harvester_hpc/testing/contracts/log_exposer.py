"""The rules that every log exposer keeps.

Derive a test class, and give it the plugin and a way to look at an address as people do.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from harvester_hpc.errors import Unavailable
from harvester_hpc.ports.log_exposer import LONGEST_URL, LogExposer, ReadyLog, Shown
from harvester_hpc.ports.outcome import Done

#: Odd bytes: no text in any encoding, control characters, a line without end.
HOSTILE = bytes(range(256)) * 40 + b"\x1b[31mred" + b"x" * 100_000 + b"\r\n\0"


def ready(content: bytes, name: str = "test__7.stdout.txt", worker_id: int = 7) -> ReadyLog:
    """Return a log as the core gives it, in small blocks."""
    return ReadyLog(
        name=name, worker_id=worker_id, path=f"/work/{worker_id}/payload.stdout",
        blocks=lambda: (content[start:start + 1000] for start in range(0, len(content), 1000)),
    )


class LogExposerContract:
    """Run over every log exposer."""

    #: Whether what is hidden is gone at once; a server may remove it by itself.
    hides = True

    @pytest.fixture
    def exposer(self) -> LogExposer:
        """Give the plugin."""
        raise NotImplementedError

    @pytest.fixture
    def look(self) -> Callable[[str], bytes | None]:
        """Give a function from an address to what people see there; None if nothing."""
        raise NotImplementedError

    @pytest.fixture
    def spoil(self) -> Callable[[], None]:
        """Give a function that lets the outside be away from now on."""
        raise NotImplementedError

    @pytest.mark.parametrize("content", [b"", b"one line\n", HOSTILE], ids=["empty", "line", "hostile"])
    def test_people_see_what_was_shown(self, exposer: LogExposer, look: Callable[[str], bytes | None], content: bytes) -> None:
        shown = exposer.show_log(ready(content))
        assert isinstance(shown, Shown)
        assert look(shown.url) == content

    def test_an_address_can_be_told(self, exposer: LogExposer) -> None:
        shown = exposer.show_log(ready(b"x"))
        assert isinstance(shown, Shown)
        assert shown.url.startswith(("https://", "http://"))
        assert len(shown.url.encode()) <= LONGEST_URL
        assert not any(character.isspace() for character in shown.url)

    def test_a_log_of_the_same_name_is_replaced_and_keeps_its_address(
        self, exposer: LogExposer, look: Callable[[str], bytes | None]
    ) -> None:
        first, second = exposer.show_log(ready(b"long " * 1000)), exposer.show_log(ready(b"short"))
        assert isinstance(second, Shown)
        assert first == second
        assert look(second.url) == b"short"

    def test_logs_of_different_names_have_different_addresses(
        self, exposer: LogExposer, look: Callable[[str], bytes | None]
    ) -> None:
        names = [
            ("a__1.stdout.txt", 1), ("a__1.batch.txt", 1), ("a__2.stdout.txt", 2), ("b__1.stdout.txt", 1), ("a__123456.batch.txt", 123456),
        ]
        shown = [exposer.show_log(ready(name.encode(), name, number)) for name, number in names]
        seen = [look(one.url) for one in shown if isinstance(one, Shown)]
        assert seen == [name.encode() for name, _ in names]

    def test_what_is_hidden_may_be_hidden_again(self, exposer: LogExposer, look: Callable[[str], bytes | None]) -> None:
        shown = exposer.show_log(ready(b"x"))
        assert isinstance(shown, Shown)
        assert exposer.hide_log("test__7.stdout.txt", 7) == exposer.hide_log("test__7.stdout.txt", 7) == Done()
        assert look(shown.url) == (None if self.hides else b"x")

    def test_a_log_whose_end_cannot_be_read_does_not_replace_a_good_one(
        self, exposer: LogExposer, look: Callable[[str], bytes | None]
    ) -> None:
        good = exposer.show_log(ready(b"good"))
        assert isinstance(good, Shown)

        def broken() -> Iterator[bytes]:
            yield b"half of "
            raise Unavailable("the file system is away")

        bad = ReadyLog(name="test__7.stdout.txt", worker_id=7, path="/work/7/payload.stdout", blocks=broken)
        with pytest.raises(Unavailable):
            exposer.show_log(bad)
        assert look(good.url) == b"good"

    def test_an_outage_is_told_as_one(self, exposer: LogExposer, spoil: Callable[[], None]) -> None:
        spoil()
        with pytest.raises(Unavailable):
            exposer.show_log(ready(b"x"))

    def test_a_file_that_nobody_shows_has_no_address(self, exposer: LogExposer) -> None:
        assert exposer.live_address("/nowhere/at/all/batch.log") == ""
