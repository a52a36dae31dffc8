"""Tables, spans, and what a terminal gets."""
from __future__ import annotations

import pytest
from click import BadParameter

from harvester_hpc.cli import paper
from harvester_hpc.cli.times import iso, seconds_of, span


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("1.5m", 90), (" 2h ", 7200), ("1 d", 86400), ("1w", 604800)])
def test_spans_are_read(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "2", "h", "-2h", "2 hours", "1e3s"])
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(BadParameter):
        seconds_of(text)


@pytest.mark.parametrize(("seconds", "text"), [
    (-5, "0s"), (59.9, "59s"), (60, "1m00s"), (3599, "59m59s"), (3600, "1h00m"), (90000, "1d01h"),
])
def test_spans_are_written_in_two_units(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_times_are_written_in_utc() -> None:
    assert (iso(0.0), iso(None)) == ("1970-01-01T00:00:00Z", None)


def test_columns_are_aligned_and_numbers_stand_to_the_right(capsys: pytest.CaptureFixture[str]) -> None:
    paper.write_table(("name", "n", "why"), [("a", 1, ""), ("longer", 1000, "x"), ("b", None, None)])
    assert capsys.readouterr().out == "name       n  why\na          1\nlonger  1000  x\nb\n"


def test_a_terminal_gets_a_drawing_with_the_same_words(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paper, "on_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    paper.write_table(("state", "why"), [("failed", "x" * 100), ("[bold]", None)])
    out = capsys.readouterr().out
    assert out.count("x") == 100  # folded, never cut
    assert "[bold]" in out


@pytest.mark.parametrize("terminal", ["dumb", ""])
def test_a_terminal_that_cannot_draw_gets_plain_text(monkeypatch: pytest.MonkeyPatch, terminal: str) -> None:
    monkeypatch.setenv("TERM", terminal or "dumb")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    assert not paper.on_terminal()


@pytest.mark.parametrize("draws", [True, False])
def test_words_of_others_give_the_terminal_no_orders(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, draws: bool
) -> None:
    monkeypatch.setattr(paper, "on_terminal", lambda: draws)
    why = "queue \x1b]52;c;eA==\x07\x1b[2Jfull\x9b5A"
    paper.write_table(("state", "why"), [("failed", why)])
    paper.write_facts({"why": why})
    paper.warn(why)
    said = "".join(capsys.readouterr())
    assert not {"\x1b", "\x07", "\x9b"} & set(said)
    assert said.count("^[[2Jfull") == 3
