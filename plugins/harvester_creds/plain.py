"""A credential that others keep fresh: a password, a token of a service, a proxy from cron."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harvester_creds.certificate import chain_in
from harvester_creds.token_times import times_of
from harvester_hpc.errors import Unavailable
from harvester_hpc.ports.context import Context
from harvester_hpc.ports.credential import Form, NotRenewed, Renewal, Standing
from harvester_hpc.secret_file import read_secret, token_in

FORMS = tuple(str(form) for form in Form)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainSettings:
    """A file.

    Attributes:
        file: absolute; of mode 0600.
        holds: ``file`` (anything), ``token`` or ``proxy``: of these two the end is read from the content.
        max_age_hours: it must be written anew before it is so old; 0: it may be as old as it likes.
        remedy: what a person is told to do when it is missing or old.
    """

    file: str
    holds: str = "file"
    max_age_hours: float = 0.0
    remedy: str = ""

    def problems(self) -> Iterator[str]:
        """Give what types cannot tell. That the file is missing is no problem of the configuration."""
        if not self.file.startswith("/"):
            yield f"file: must be an absolute path, not {self.file!r}"
        if self.holds not in FORMS:
            yield f"holds: must be one of {', '.join(FORMS)}, not {self.holds!r}"
        if not 0 <= self.max_age_hours < 1e6:
            yield f"max_age_hours: must be 0 or more, not {self.max_age_hours:g}"


class PlainCredential:
    """Looks at the file, and can do nothing about it."""

    Settings = PlainSettings
    renews = False

    def __init__(self, settings: PlainSettings, context: Context) -> None:
        self.settings = settings
        self.form = Form(settings.holds)
        self.path = Path(settings.file)

    def check_credential(self) -> Standing:
        """Look at the file."""
        remedy = self.settings.remedy
        try:
            mark, content = read_secret(self.path)
            begins, until = self._times(content)
        except Unavailable as error:
            return Standing(why="; ".join(part for part in (error.what, error.why) if part), remedy=remedy or error.remedy)
        except ValueError as error:
            return Standing(why=f"{self.path}: {error}", remedy=remedy or "put the credential there")
        written = int(mark.rpartition(".")[2]) / 1e9
        if self.settings.max_age_hours:
            old = written + self.settings.max_age_hours * 3600
            until = old if until is None else min(until, old)
        return Standing(mark=mark, begins=begins or written, until=until, remedy=remedy or f"write a new one to {self.path}")

    def renew_credential(self, mark: str) -> Renewal:
        """Say that a person has to do it."""
        remedy = self.settings.remedy or f"write a new one to {self.path}"
        return NotRenewed(why="nobody told us how to renew it", remedy=remedy, final=True)

    def _times(self, content: bytes) -> tuple[float | None, float | None]:
        if self.form is Form.TOKEN:
            found = times_of(token_in(content, str(self.path)))
            return found.begins, found.until
        if self.form is Form.PROXY:
            chain = chain_in(content)
            return chain.begins, chain.until
        if not content.strip():
            raise ValueError("it is empty")
        return None, None
