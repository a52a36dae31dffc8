"""What the live batch system says of itself: its queues, nodes and accounts, as a value."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from harvester_hpc.model.facility import JobLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeKind:
    """Nodes of a queue that are alike.

    Attributes:
        count: how many there are, and ``usable`` of them take jobs now.
        cores: cores that jobs may use, without ``reserved_cores``.
        threads_per_core: hardware threads of a core that the batch system counts as CPUs; 1: it counts cores.
        memory_mb: MB; 0: unknown.
        features: words by which such nodes can be asked for.
    """

    count: int
    cores: int
    usable: int = 0
    reserved_cores: int = 0
    threads_per_core: int = 1
    memory_mb: int = 0
    gpus: int = 0
    gpu_type: str = ""
    features: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SurveyedQueue:
    """A queue or partition as the batch system describes it; None: it says nothing of that.

    Attributes:
        takes_jobs: whether it accepts new jobs now; ``starts_jobs``: whether it starts them now.
        state: both in the batch system's own words.
        closed_to_me: why this user may not submit to it; "" if he may, as far as can be seen.
        min_nodes, max_nodes: nodes of one batch job, as its limits say; the nodes that there are limit it too.
        min_walltime_s, max_walltime_s, default_walltime_s: seconds.
        accounts, qos: those that it takes; () for all.
        routes_to: execution queues behind a routing queue; () if it is none.
        only_routed: jobs come into it through a routing queue only.
        nodes: () if the batch system does not tell.
    """

    name: str
    is_default: bool = False
    takes_jobs: bool = True
    starts_jobs: bool = True
    state: str = ""
    closed_to_me: str = ""
    min_nodes: int | None = None
    max_nodes: int | None = None
    min_walltime_s: int | None = None
    max_walltime_s: int | None = None
    default_walltime_s: int | None = None
    limits: JobLimits = field(default_factory=JobLimits)
    accounts: tuple[str, ...] = ()
    refused_accounts: tuple[str, ...] = ()
    qos: tuple[str, ...] = ()
    routes_to: tuple[str, ...] = ()
    only_routed: bool = False
    exclusive: bool | None = None
    preemptible: bool = False
    nodes: tuple[NodeKind, ...] = ()

    @property
    def node_count(self) -> int | None:
        """Nodes behind the queue; None: unknown."""
        return sum(kind.count for kind in self.nodes) if self.nodes else None

    @property
    def is_usable(self) -> bool:
        """Whether this user can have a job run in it now, by whatever way."""
        return self.takes_jobs and self.starts_jobs and not self.closed_to_me


@dataclass(frozen=True, slots=True, kw_only=True)
class Qos:
    """A quality of service and what it allows; None: it says nothing of that."""

    name: str
    min_nodes: int | None = None
    max_nodes: int | None = None
    max_walltime_s: int | None = None
    limits: JobLimits = field(default_factory=JobLimits)
    preempted_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A project that this user may charge.

    Attributes:
        queue: the one that it is for; "" for all.
        qos: those that he may name with it; () for any.
    """

    name: str
    is_default: bool = False
    queue: str = ""
    qos: tuple[str, ...] = ()
    default_qos: str = ""
    max_walltime_s: int | None = None
    limits: JobLimits = field(default_factory=JobLimits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Which batch system this is: its version, and the name of its cluster or server ("" where it has none)."""

    scheduler: str
    version: str = ""
    cluster: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """The answers of one batch system at one time.

    Attributes:
        user: who asked; accounts and permissions are his.
        accounts: () if there are none, or ``accounts_known`` is false.
        account_required: whether a job without an account is refused; None: unknown. A user's default account is one.
        mpi: how the launcher starts MPI ranks if it is told nothing (Slurm: MpiDefault).
        requeues: whether a job runs again after a node failure if it says nothing; None: unknown.
        gaps: what was asked in vain, or could not be read, a line each in the batch system's own words.
    """

    identity: Identity
    user: str = ""
    queues: tuple[SurveyedQueue, ...] = ()
    qos: tuple[Qos, ...] = ()
    accounts: tuple[Account, ...] = ()
    accounts_known: bool = False
    account_required: bool | None = None
    mpi: str = ""
    requeues: bool | None = None
    gaps: tuple[str, ...] = ()

    def queue(self, name: str) -> SurveyedQueue | None:
        """Return the queue of that name; None if there is none."""
        return next((queue for queue in self.queues if queue.name == name), None)


class Surveyor(Protocol):
    """Asks one kind of batch system; made without arguments, and touches nothing until it is asked."""

    #: Commands that must be on PATH, the first of which tells the kind from others.
    commands: Sequence[str]

    def identify(self, within_s: float) -> Identity | None:
        """Return which batch system answers; None if another kind does, with commands of the same names.

        Args:
            within_s: seconds that it may take in all.

        Raises:
            Unavailable: nobody answers.
        """
        ...

    def survey(self, within_s: float) -> Survey:
        """Return what the batch system says.

        Args:
            within_s: seconds that it may take in all; what was not asked until then is a gap.

        Raises:
            Unavailable: it does not even tell its queues.
        """
        ...
