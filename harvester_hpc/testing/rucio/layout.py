"""What a server looks like: its folder, port, accounts, scopes and RSEs."""
from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = "root"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account and how it logs in (userpass, the user's name is that of the account)."""

    name: str
    password_file: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """One server, all of it in ``folder``.

    Attributes:
        port: on 127.0.0.1.
        rses: names of RSEs, each a folder below ``disks``; deterministic, protocol ``file``.
        accounts: beside root, each with a scope ``user.NAME``; ordinary users with no right to write to any RSE.
        scopes: of root.
        admins: those of ``accounts`` that may register files and make rules.
    """

    folder: Path
    port: int
    rses: tuple[str, ...] = ("SRC-DISK", "HPC-SCRATCH", "DST-DISK")
    scopes: tuple[str, ...] = ("tests", "other")
    accounts: tuple[str, ...] = ("harvester", "guest")
    admins: tuple[str, ...] = ("harvester",)

    @property
    def url(self) -> str:
        """The address of the REST service, and of its login."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def database(self) -> str:
        """The address of the catalogue."""
        return f"sqlite:///{self.folder}/rucio.db"

    @property
    def server_file(self) -> Path:
        """The configuration of the server and its daemons."""
        return self.folder / "etc/server.cfg"

    @property
    def client_file(self) -> Path:
        """The configuration of a client of root."""
        return self.folder / "etc/rucio.cfg"

    def disk(self, rse: str) -> Path:
        """Return the folder in which the files of an RSE lie."""
        return self.folder / "disks" / rse

    def account(self, name: str) -> Account:
        """Return an account."""
        return Account(name=name, password_file=self.folder / "etc" / f"password-{name}")


def read_layout(folder: Path) -> Layout | None:
    """Return the server that was made in a folder; None if there was none."""
    try:
        told = json.loads((folder / "layout.json").read_text())
    except FileNotFoundError:
        return None
    return Layout(
        folder=folder, port=told["port"], rses=tuple(told["rses"]), scopes=tuple(told["scopes"]), accounts=tuple(told["accounts"]),
        admins=tuple(told["admins"]),
    )


def write_layout(layout: Layout) -> None:
    """Keep it, whole or not at all."""
    fresh = layout.folder / ".layout.json"
    fresh.write_text(json.dumps(asdict(layout), default=str))
    fresh.replace(layout.folder / "layout.json")
