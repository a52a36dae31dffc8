"""What surrounds the batch system of a computing centre: login nodes, networks, file systems, and how it is told apart from others."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """Who reaches the outside, and how.

    Attributes:
        compute_outbound, login_outbound: whether nodes of the class open connections to the outside; None: unknown.
        compute_proxy: address of the HTTP proxy for batch jobs; "" for none.
        login_proxy: the same for our own connections; "": none, whatever the environment says; None: as the environment says.
        no_proxy: hosts that are reached without it.
    """

    compute_outbound: bool | None = None
    login_outbound: bool | None = None
    compute_proxy: str = ""
    login_proxy: str | None = None
    no_proxy: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """What one user may take of a login node; 0: unknown.

    Attributes:
        cpu_percent: of all CPU of the node.
        cpu_minutes: CPU time after which a process is killed.
        ways: how a program that stays may run there, the preferred first (``surroundings_file.WAYS``); empty: unknown.
    """

    hosts: tuple[str, ...] = ()
    memory_mb: int = 0
    cpu_percent: int = 0
    cpu_minutes: int = 0
    processes: int = 0
    policy: str = ""
    ways: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSystem:
    """A file system of the centre.

    Attributes:
        path: where it is mounted; ``$NAME`` and ``<project>`` stand for what differs between users.
        quota_mb, max_files: of one user or project; 0: unknown.
        purge_days: files that nobody touches for so many days are removed; 0: unknown, or never.
        purges: whether that is done, as far as is known.
        for_jobs: whether batch jobs may work there.
    """

    path: str
    name: str = ""
    quota_mb: int = 0
    max_files: int = 0
    purge_days: int = 0
    purges: bool = True
    for_jobs: bool = True
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """A Globus collection: its identifier ("" if only its name is known), and what one sees there; ``gone`` says why it is of no use."""

    name: str
    id: str = ""
    path: str = ""
    sees: str = ""
    gone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """How the centre is told: all of ``environment``, or one of ``hosts`` (patterns of full host names), or of ``clusters``."""

    environment: Mapping[str, str] = field(default_factory=dict)
    hosts: tuple[str, ...] = ()
    clusters: tuple[str, ...] = ()
