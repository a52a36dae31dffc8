"""A credential in memory, renewed at once, or as a test says."""
from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from harvester_hpc.clock import Clock, SystemClock
from harvester_hpc.ports.context import Context
from harvester_hpc.ports.credential import Form, NotRenewed, Renewal, Renewed, Standing


class FakeCredential:
    """Its content is a number; 0: there is none.

    Attributes:
        content, until: what there is, and its end in seconds since 1970; None: it does not say.
        answers: what the next renewals come to instead.
        asked: marks of the contents that were to be replaced, in order.
        source: changes when a person has mended what it is renewed from.
        source_until: end of that, in seconds since 1970.
    """

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Settings:
        """The section of the credential: where its file pretends to lie, what is in it, and how long it lasts (seconds)."""

        file: str = "/fake/token"
        holds: str = "token"
        renews: bool = True
        lasts_s: float = 86400.0

    def __init__(self, settings: Settings, context: Context, clock: Clock | None = None) -> None:
        self.settings = settings
        self.form = Form(settings.holds)
        self.path = Path(settings.file)
        self.renews = settings.renews
        self.clock = clock or SystemClock()
        self.content = 0
        self.begins: float | None = None
        self.until: float | None = None
        self.answers: deque[Renewal] = deque()
        self.asked: list[str] = []
        self.source = "1"
        self.source_until: float | None = None
        self._lock = threading.Lock()

    @property
    def mark(self) -> str:
        """Tells one content from another; "" if there is none."""
        return str(self.content) if self.content else ""

    def put(self) -> None:
        """Put another content in place, which lasts as long as the settings say."""
        self.content += 1
        self.begins = self.clock.now()
        self.until = self.begins + self.settings.lasts_s

    def check_credential(self) -> Standing:
        """Tell what there is."""
        if not self.content:
            return Standing(source_mark=self.source, source_until=self.source_until, why="it is not there", remedy="put it there")
        return Standing(
            mark=self.mark, begins=self.begins, until=self.until, source_mark=self.source, source_until=self.source_until, about="fake",
        )

    def renew_credential(self, mark: str) -> Renewal:
        """Put another content in place, unless somebody has done so."""
        with self._lock:
            if self.mark and self.mark != mark:
                return Renewed()
            self.asked.append(mark)
            if not self.renews:
                return NotRenewed(why="it cannot be renewed", remedy="put another one there", final=True)
            answer = self.answers.popleft() if self.answers else Renewed()
            if isinstance(answer, Renewed):
                self.put()
            return answer
