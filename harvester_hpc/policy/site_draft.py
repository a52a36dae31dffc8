"""Which queues of a live batch system a first site file has, and with what limits."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harvester_hpc.policy.allowed import Allowed, account_of, allowed, smallest
from harvester_hpc.ports.survey import Account, NodeKind, Survey, SurveyedQueue


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueDraft:
    """A queue of the live batch system as this user may use it.

    Attributes:
        account: to be named in place of the usual one; "" for that.
        qos: to be named; "" for the default.
        node: what every node of it has; None: unknown.
        why_not: why it is not used; "" if it is.
        behind: execution queues behind it, the smallest jobs first, and what they allow.
    """

    queue: SurveyedQueue
    allowed: Allowed
    account: str = ""
    qos: str = ""
    node: NodeKind | None = None
    why_not: str = ""
    behind: tuple[tuple[str, Allowed], ...] = ()


def drafts(survey: Survey) -> tuple[QueueDraft, ...]:
    """Return all queues: the default first if it can be used, then the others that can be, then the rest."""
    usual = usual_account(survey)
    made = [_draft(queue, survey, usual) for queue in survey.queues]
    return tuple(sorted(made, key=lambda draft: (bool(draft.why_not), not draft.queue.is_default, not _is_production(draft))))


def usual_account(survey: Survey) -> Account | None:
    """Return the account that is charged where nothing else is said: the user's default one, else the first."""
    return account_of(survey, "") or next(iter(sorted(survey.accounts, key=lambda account: account.name)), None)


def _draft(queue: SurveyedQueue, survey: Survey, usual: Account | None) -> QueueDraft:
    account = _account(queue, survey.accounts, usual)
    name = account.name if account and account != usual else ""
    charged = account or usual
    qos = _qos(queue, charged)
    may = allowed(survey, queue, qos=qos, account=charged.name if charged else "")
    behind = tuple(_behind(queue, survey))
    if behind and may.max_walltime_s is None and may.max_nodes is None:
        may = allowed(survey, queue)
    return QueueDraft(
        queue=queue, allowed=may, account=name, qos=qos, node=smallest(kind for kind in queue.nodes if kind.usable or not _any(queue)),
        why_not=_why_not(queue, account, usual, may), behind=behind,
    )


def _any(queue: SurveyedQueue) -> bool:
    return any(kind.usable for kind in queue.nodes)


def _account(queue: SurveyedQueue, accounts: Sequence[Account], usual: Account | None) -> Account | None:
    """Return an account that the queue takes, the usual one if it can be; None if there is none, or accounts do not matter."""
    fits = [
        one for one in accounts
        if one.queue in ("", queue.name) and (not queue.accounts or one.name in queue.accounts) and one.name not in queue.refused_accounts
        and (not queue.qos or not one.qos or set(one.qos) & set(queue.qos))
    ]
    return usual if usual in fits else next(iter(fits), None)


def _qos(queue: SurveyedQueue, account: Account | None) -> str:
    """Return a QOS to be named, where the default one is not taken."""
    if not queue.qos or (account and account.default_qos in queue.qos):
        return ""
    mine = [one for one in queue.qos if account is None or not account.qos or one in account.qos]
    return next(iter(mine), "")


def _why_not(queue: SurveyedQueue, account: Account | None, usual: Account | None, may: Allowed) -> str:
    if queue.closed_to_me:
        return queue.closed_to_me
    if queue.only_routed:
        return "jobs come into it through another queue"
    if not queue.takes_jobs or not queue.starts_jobs:
        return f"it does not run jobs now ({queue.state})"
    if usual and account is None:
        return "it takes none of your accounts"
    if may.max_nodes == 0 or (may.max_walltime_s is not None and may.max_walltime_s < 60):
        return "it leaves no room for a job"
    return ""


def _behind(queue: SurveyedQueue, survey: Survey) -> list[tuple[str, Allowed]]:
    """Return the execution queues behind a routing queue, if they tell jobs apart by their nodes."""
    found = [one for name in queue.routes_to if (one := survey.queue(name)) is not None and one.takes_jobs and not one.closed_to_me]
    rows = sorted(((one.name, allowed(survey, one)) for one in found), key=lambda row: (row[1].min_nodes or 1, row[1].max_nodes or 0))
    taken = 0
    kept: list[tuple[str, Allowed]] = []
    for name, may in rows:
        if may.max_nodes is None or may.max_walltime_s is None or (may.min_nodes or 1) <= taken:
            continue
        kept.append((name, may))
        taken = may.max_nodes
    return kept


def _is_production(draft: QueueDraft) -> bool:
    return not any(word in draft.queue.name.lower() for word in ("debug", "test", "devel", "interactive"))
