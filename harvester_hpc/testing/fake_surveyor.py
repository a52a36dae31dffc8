"""A batch system that describes itself as a test wants it."""
from __future__ import annotations

from collections.abc import Sequence

from harvester_hpc.errors import Unavailable
from harvester_hpc.ports.survey import Identity, Survey


class FakeSurveyor:
    """Answers with what it is given.

    Args:
        answer: the survey; or why nobody answers.
    """

    def __init__(self, answer: Survey | str) -> None:
        self.answer = answer
        self.commands: Sequence[str] = ("sh",)
        self.asked: list[float] = []

    def identify(self, within_s: float) -> Identity | None:
        """Return who it is."""
        return self.survey(within_s).identity

    def survey(self, within_s: float) -> Survey:
        """Return the survey, or raise."""
        self.asked.append(within_s)
        if isinstance(self.answer, str):
            raise Unavailable("it does not answer", why=self.answer)
        return self.answer
