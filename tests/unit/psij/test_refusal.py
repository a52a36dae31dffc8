"""What the words of a submit command mean."""
from __future__ import annotations

from pathlib import Path

import pytest

from harvester_psij.refusal import Verdict
from harvester_psij.refusal import verdict as verdict_by
from harvester_psij.slurm_refusals import SLURM_VERDICTS

RECORDED = Path(__file__).parent / "recorded"
CASES = [
    tuple(line.split("\t", 1)) for line in (RECORDED / "sbatch-errors-22.05.8.txt").read_text().splitlines() if line.strip()
]


def verdict(exit_code: int, words: str) -> Verdict:
    return verdict_by(exit_code, words, SLURM_VERDICTS)


@pytest.mark.parametrize(("meaning", "words"), CASES)
def test_the_schedulers_words_decide(meaning: str, words: str) -> None:
    assert verdict(1, words) == meaning


@pytest.mark.parametrize("words", ["", "Zero Bytes were transmitted or received"])
def test_silence_and_a_broken_line_are_uncertain(words: str) -> None:
    assert verdict(1, words) is Verdict.UNCERTAIN


@pytest.mark.parametrize("words", ["sbatch: error: something new", "Segmentation fault", "sbatch: error: Say a project\nUnspecified error"])
def test_words_that_are_not_listed_are_told_apart(words: str) -> None:
    assert verdict(1, words) is Verdict.UNHEARD


def test_a_doubt_outweighs_a_refusal() -> None:
    assert verdict(1, "Invalid partition name specified\nSocket timed out on send/recv operation") is Verdict.UNCERTAIN


def test_a_command_ended_by_a_signal_is_uncertain_whatever_it_said() -> None:
    assert verdict(-9, "Invalid partition name specified") is Verdict.UNCERTAIN


def test_a_command_that_could_not_be_started_submitted_nothing() -> None:
    assert verdict(127, "sbatch: No such file or directory") is Verdict.BUSY
