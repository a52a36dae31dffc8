"""What the live batch system allows a user in one queue, all of its limits together."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields

from harvester_hpc.model.facility import JobLimits
from harvester_hpc.ports.survey import Account, NodeKind, Qos, Survey, SurveyedQueue


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """Limits of batch jobs in a queue; None: none that the batch system tells.

    Attributes:
        min_nodes, max_nodes: of one batch job; the nodes that there are limit it too.
        max_walltime_s: seconds.
        by_nodes: whether max_nodes is only how many nodes there are.
    """

    min_nodes: int | None = None
    max_nodes: int | None = None
    min_walltime_s: int | None = None
    max_walltime_s: int | None = None
    limits: JobLimits = field(default_factory=JobLimits)
    by_nodes: bool = False


def allowed(survey: Survey, queue: SurveyedQueue, *, qos: str = "", account: str = "") -> Allowed:
    """Return what a job may ask for in ``queue``.

    Args:
        qos: named with it; "": the default of the account.
        account: charged; "": the user's default.
    """
    charged = account_of(survey, account)
    named = qos or (charged.default_qos if charged else "")
    classes = [one for one in survey.qos if one.name == named][:1]
    ceilings: list[SurveyedQueue | Qos] = [queue, *classes]
    stated = least(one.max_nodes for one in ceilings)
    known = least([stated, queue.node_count])
    own = [charged] if charged else []
    return Allowed(
        min_nodes=max((one.min_nodes for one in ceilings if one.min_nodes is not None), default=None), max_nodes=known,
        min_walltime_s=queue.min_walltime_s, max_walltime_s=least(one.max_walltime_s for one in [*ceilings, *own]),
        limits=narrowest(one.limits for one in [*ceilings, *own]), by_nodes=known is not None and known != stated,
    )


def account_of(survey: Survey, name: str) -> Account | None:
    """Return what is known of an account, or for "" of the user's default one; None if nothing is."""
    wanted = [one for one in survey.accounts if (one.name == name if name else one.is_default)]
    return wanted[0] if wanted else None


def smallest(kinds: Iterable[NodeKind]) -> NodeKind | None:
    """Return the kind of nodes whose cores every node of a queue has; None if no kind is known."""
    return min(kinds, key=lambda kind: (kind.cores, kind.memory_mb, kind.gpus), default=None)


def narrowest(limits: Iterable[JobLimits]) -> JobLimits:
    """Return the least of each limit."""
    many = list(limits)
    return JobLimits(**{one.name: least(getattr(each, one.name) for each in many) for one in fields(JobLimits)})


def least(limits: Iterable[int | None]) -> int | None:
    """Return the least limit; None if there is none."""
    return min((limit for limit in limits if limit is not None), default=None)
