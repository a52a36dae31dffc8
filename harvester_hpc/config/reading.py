"""Reading the configuration with its remote parts: the newest if it can be used, else the last that could."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harvester_hpc.config.load import AlsoCheck, load
from harvester_hpc.config.remote import INSTANCE, Addresses, Remote, addresses, never_had
from harvester_hpc.config.values import Configuration
from harvester_hpc.errors import ConfigurationError, Unavailable

#: Characters of a trouble that are told.
SHOWN = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A configuration that can be used.

    Attributes:
        fresh: remote files that were fetched and are good, to be kept in ``folder``.
        trouble: why it is not the newest; "" if it is.
    """

    configuration: Configuration
    folder: Path
    fresh: tuple[Remote, ...] = ()
    trouble: str = ""


def read(home: Path, environ: Mapping[str, str], now: float, also: AlsoCheck | None = None, *, again: bool = False) -> Reading:
    """Return the configuration of now. Nothing is written.

    Args:
        now: seconds since 1970.
        also: one more check, as in ``load``.
        again: the instance runs: its own remote file counts as it was at the start.

    Raises:
        ConfigurationError: the files cannot be used, and those of before cannot either.
    """
    where = addresses(home, environ)
    newest: dict[str, Remote] = {}
    copies: dict[str, Remote] = {}
    troubles = []
    for what in where.urls:
        copy = where.kept(what)
        copies |= {what: copy} if copy else {}
        try:
            newest[what] = copy if copy and again and what == INSTANCE else where.fetched(what, now)
        except Unavailable as error:
            if copy is None:
                raise never_had(error) from error
            newest[what] = copy
            troubles.append(f"{error}; the copy from before is used")
    try:
        configuration = load(home, environ, also=also, remote=list(newest.values()))
    except ConfigurationError as error:
        return _of_copies(home, environ, also, where, newest, copies, error)
    fresh = tuple(one for what, one in newest.items() if one is not copies.get(what))
    return Reading(configuration=configuration, folder=where.folder, fresh=fresh, trouble="; ".join(troubles)[:SHOWN])


def _of_copies(
    home: Path, environ: Mapping[str, str], also: AlsoCheck | None, where: Addresses, newest: Mapping[str, Remote],
    copies: Mapping[str, Remote], error: ConfigurationError,
) -> Reading:
    """Return what the copies from before come to, if the newest files are others and cannot be used."""
    if set(copies) != set(newest) or all(one.text == copies[what].text for what, one in newest.items()):
        raise error
    try:
        configuration = load(home, environ, also=also, remote=list(copies.values()))
    except ConfigurationError:
        raise error from None
    trouble = f"a remote file cannot be used, the copy from before is: {error}"
    return Reading(configuration=configuration, folder=where.folder, trouble=trouble[:SHOWN])
