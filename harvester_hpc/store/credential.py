"""Credentials in the store: how they stand and who refused them, and never what is in them."""
from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable

from harvester_hpc.model.credential import Credential, CredentialState
from harvester_hpc.model.turn import CRED_MANAGER
from harvester_hpc.store.database import Write
from harvester_hpc.store.sql import sentences


def known(connection: sqlite3.Connection) -> dict[str, Credential]:
    """Return {name: how it stands}."""
    return {row[0]: _credential(tuple(row)) for row in connection.execute(sentences("credential")["all"])}


def is_another(connection: sqlite3.Connection, name: str, mark: str) -> bool:
    """Tell whether there is another content than the one with this mark; False if nothing is known."""
    row = connection.execute(sentences("credential")["mark"], (name,)).fetchone()
    return row is not None and row[0] != mark


def keep(write: Write, one: Credential) -> None:
    """Keep how it stands; which content was refused is left as it is."""
    write.connection.execute(sentences("credential")["keep"], (
        one.name, one.state, one.since, one.mark, one.changed, one.begins, one.until, one.source_until, one.source_mark, one.about,
        one.why, one.remedy, one.made, one.renewed, one.tries, one.due, int(one.final), one.warned, one.warned_of,
        one.failed,
    ))


def refused(write: Write, name: str, mark: str, why: str) -> None:
    """Somebody outside does not take this content; those who can renew it are called."""
    write.connection.execute(sentences("credential")["refused"], (name, write.now, mark, why))
    write.ring(CRED_MANAGER)


def accepted(write: Write, name: str, mark: str) -> None:
    """What was refused is taken again."""
    write.connection.execute(sentences("credential")["accepted"], (name, mark))
    write.ring(CRED_MANAGER)


def forget_others(write: Write, names: Iterable[str]) -> None:
    """Forget those that are not configured any more."""
    write.connection.execute(sentences("credential")["only"], (json.dumps(list(names)),))


def _credential(row: tuple[object, ...]) -> Credential:
    names = (
        "name", "state", "since", "mark", "changed", "begins", "until", "source_until", "source_mark", "about", "why", "remedy", "refused",
        "refused_why", "made", "renewed", "tries", "due", "final", "warned", "warned_of",
        "failed",
    )
    values = dict(zip(names, row, strict=True))
    values.update(state=CredentialState(str(values["state"])), final=bool(values["final"]))
    return Credential(**values)  # type: ignore[arg-type]
