"""Credentials, as the core talks to those who keep them fresh."""
from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol


class Form(StrEnum):
    """What stands in the file of a credential."""

    TOKEN = "token"
    PROXY = "proxy"
    FILE = "file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a credential stands. Times are seconds since 1970; None: it does not say.

    Attributes:
        mark: tells this content from any other; "" if there is none that could be used.
        begins, until: its time.
        source_until: end of the time of what it is renewed from (a certificate, a long proxy).
        source_mark: tells one content of what it is renewed from another; "" if that is no file.
        about: what it is, in a few words (its user, the group); never anything secret.
        why: why it cannot be used; "" if it can. That its time is over is no such reason: that is for the clock of the core.
        remedy: what a person should do.
    """

    mark: str = ""
    begins: float | None = None
    until: float | None = None
    source_until: float | None = None
    source_mark: str = ""
    about: str = ""
    why: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewed:
    """There is another content now, by us or by somebody who was faster."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotRenewed:
    """What was there is there still. ``final``: only a person can mend it; else it is tried again later."""

    why: str
    remedy: str = ""
    final: bool = False


Renewal = Renewed | NotRenewed


class CredentialManager(Protocol):
    """Keeps one credential, which lies in one file. Safe for several threads and several processes."""

    @property
    def form(self) -> Form:
        """What stands in the file."""
        ...

    @property
    def path(self) -> Path:
        """The file, absolute; for those who use the credential."""
        ...

    @property
    def renews(self) -> bool:
        """Whether it can be renewed without a person."""
        ...

    def check_credential(self) -> Standing:
        """Look at the file; nothing outside is asked. Never raises for what is wrong with the file."""
        ...

    def renew_credential(self, mark: str) -> Renewal:
        """Put another content in the place of the one with this mark; if that has been done meanwhile, nothing is done.

        Whatever happens, and wherever it is killed, the file is whole: the old content or the new one.
        """
        ...
