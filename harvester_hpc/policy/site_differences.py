"""A site file held against the live batch system: what differs, and whether it matters."""
from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from harvester_hpc.errors import did_you_mean
from harvester_hpc.model.facility import BatchQueue, Facility
from harvester_hpc.policy.allowed import Allowed, account_of, allowed
from harvester_hpc.policy.difference import Difference, clock_of, some_of
from harvester_hpc.policy.node_differences import node_differences
from harvester_hpc.ports.survey import Survey, SurveyedQueue


def differences(facility: Facility, survey: Survey) -> tuple[Difference, ...]:
    """Return in what ``facility`` and its batch system differ, by the order of the file."""
    return tuple(_differences(facility, survey))


def _differences(facility: Facility, survey: Survey) -> Iterator[Difference]:
    identity = survey.identity
    if identity.scheduler != facility.scheduler:
        yield Difference(
            where="scheduler", file_says=facility.scheduler, scheduler_says=identity.scheduler, fails=True,
            remedy="this is another batch system; see: harvester-hpc site detect",
        )
        return
    clusters = facility.detection.clusters
    if clusters and identity.cluster and not any(fnmatchcase(identity.cluster, one) for one in clusters):
        yield Difference(
            where="detect.clusters", file_says=", ".join(clusters), scheduler_says=identity.cluster,
            remedy="this is another machine, or it has a new name; see: harvester-hpc site detect",
        )
    yield from _of_account(facility, survey)
    for queue in facility.queues:
        yield from _of_queue(facility, queue, survey)
    yield from _unknown_queues(facility, survey)


def _of_account(facility: Facility, survey: Survey) -> Iterator[Difference]:
    names = sorted({account.name for account in survey.accounts})
    if facility.account and names and facility.account not in names:
        yield Difference(
            where="account", file_says=facility.account, scheduler_says=f"{survey.user} may charge: {', '.join(names)}", fails=True,
            remedy=f"name one of these{did_you_mean(facility.account, names)}",
        )
    has_default = account_of(survey, "") is not None
    if not facility.account and survey.account_required and survey.accounts_known and not has_default:
        yield Difference(
            where="account", file_says="none", scheduler_says="jobs need one, and there is no default", fails=True,
            remedy=f"name one: {', '.join(names) or 'ask the centre for a project'}",
        )
    if facility.account_required and not facility.account and has_default:
        default = account_of(survey, "")
        yield Difference(
            where="account", file_says="none, and that one is required", scheduler_says=f"default {default.name if default else ''}",
            remedy="name the account that is meant",
        )


def _of_queue(facility: Facility, queue: BatchQueue, survey: Survey) -> Iterator[Difference]:
    where = f"queues.{queue.name}"
    account = facility.attributes_of(queue).get("account") or facility.account
    yield from _of_qos(where, queue, survey, account)
    live = _live(queue, survey)
    if live is None and not queue.destination:
        return
    if live is None:
        there = [one.name for one in survey.queues]
        yield Difference(
            where=where, file_says=queue.destination, scheduler_says="no such queue", fails=True,
            remedy=f"remove it, or name one of: {some_of(there)}{did_you_mean(queue.destination, there)}",
        )
        return
    yield from _of_access(where, live, account, survey)
    may = allowed(survey, live, qos=queue.qos, account=account)
    yield from _of_nodes(where, queue, may)
    yield from _of_walltime(where, queue, may)
    yield from _of_bins(where, queue, may, survey)
    yield from _of_limits(where, queue, may)
    yield from node_differences(where, facility, queue, live)


def _live(queue: BatchQueue, survey: Survey) -> SurveyedQueue | None:
    """Return what is there; for a queue that is not named the default one, or where a QOS decides nothing but that."""
    if queue.destination:
        return survey.queue(queue.destination)
    if queue.qos:
        return SurveyedQueue(name=queue.name, nodes=tuple({kind for one in survey.queues for kind in one.nodes}))
    return next((one for one in survey.queues if one.is_default), None)


def _of_qos(where: str, queue: BatchQueue, survey: Survey, account: str) -> Iterator[Difference]:
    names = [one.name for one in survey.qos]
    if not queue.qos:
        return
    if not names:
        says = "tells no QOS: what this one allows is not compared"
        yield Difference(where=f"{where}.qos", file_says=queue.qos, scheduler_says=says, remedy="ask the centre, or try a submission")
        return
    charged = account_of(survey, account)
    live = survey.queue(queue.destination)
    if queue.qos not in names:
        remedy = f"name one of: {some_of(names)}{did_you_mean(queue.qos, names)}"
        yield Difference(where=f"{where}.qos", file_says=queue.qos, scheduler_says="no such QOS", remedy=remedy, fails=True)
    elif charged and charged.qos and queue.qos not in charged.qos:
        yield Difference(
            where=f"{where}.qos", file_says=queue.qos, scheduler_says=f"account {charged.name} may name: {', '.join(charged.qos)}",
            remedy="name one of these, or another account", fails=True,
        )
    elif live and live.qos and queue.qos not in live.qos:
        says = f"{live.name} takes: {', '.join(live.qos)}"
        yield Difference(where=f"{where}.qos", file_says=queue.qos, scheduler_says=says, remedy="name one of these", fails=True)


def _of_access(where: str, live: SurveyedQueue, account: str, survey: Survey) -> Iterator[Difference]:
    charged = account_of(survey, account)
    name = charged.name if charged else account
    if live.closed_to_me:
        yield Difference(
            where=where, file_says="may be used", scheduler_says=f"not by {survey.user or 'you'}: {live.closed_to_me}", fails=True,
            remedy="use another queue, or ask the centre for access",
        )
    elif live.only_routed:
        before = [one.name for one in survey.queues if live.name in one.routes_to]
        yield Difference(
            where=where, file_says="may be used", scheduler_says="takes jobs from routing queues only", fails=True,
            remedy=f"submit to {' or '.join(before) or 'the routing queue'}, with this one as one of its bins",
        )
    elif name and ((live.accounts and name not in live.accounts) or name in live.refused_accounts):
        says = f"for {', '.join(live.accounts)}" if live.accounts else f"not for {', '.join(live.refused_accounts)}"
        remedy = 'another queue, or another account for this one: "attributes": {"account": ...}'
        yield Difference(where=where, file_says=f"account {name}", scheduler_says=says, remedy=remedy, fails=True)
    if not live.takes_jobs:
        yield Difference(
            where=where, file_says="may be used", scheduler_says=f"takes no jobs now ({live.state})", fails=True,
            remedy="wait, or use another queue",
        )
    elif not live.starts_jobs:
        yield Difference(
            where=where, file_says="may be used", scheduler_says=f"starts no jobs now ({live.state})", remedy="jobs wait until it does",
        )
    elif live.nodes and not any(kind.usable for kind in live.nodes):
        says = f"none of its {live.node_count} nodes serves now"
        yield Difference(where=where, file_says="may be used", scheduler_says=says, remedy="jobs wait until one does")


def _of_nodes(where: str, queue: BatchQueue, may: Allowed) -> Iterator[Difference]:
    most = max([one.max_nodes for one in queue.bins], default=queue.max_nodes)
    because = "there are" if may.by_nodes else "at most"
    # A file that gives less than all nodes there are has its reason.
    is_less = may.by_nodes and most is not None and may.max_nodes is not None and most < may.max_nodes
    if may.max_nodes is not None and most != may.max_nodes and not is_less:
        more = most is not None and most > may.max_nodes
        yield Difference(
            where=f"{where}.maxNodes", file_says="no limit" if most is None else str(most), scheduler_says=f"{because} {may.max_nodes}",
            remedy=f"write {may.max_nodes}" if most is None or more else f"up to {may.max_nodes} may be written", fails=more,
        )
    lowest = min([one.min_nodes for one in queue.bins], default=queue.min_nodes)
    if may.min_nodes is not None and may.min_nodes > max(lowest, queue.min_nodes):
        yield Difference(
            where=f"{where}.minNodes", file_says=str(lowest), scheduler_says=f"at least {may.min_nodes}", remedy=f"write {may.min_nodes}",
            fails=True,
        )


def _of_walltime(where: str, queue: BatchQueue, may: Allowed) -> Iterator[Difference]:
    most, live = queue.max_walltime_s, may.max_walltime_s
    if live is not None and most != live and not (most is None and queue.bins):
        more = most is not None and most > live
        yield Difference(
            where=f"{where}.maxWalltime", file_says="no limit" if most is None else clock_of(most), scheduler_says=clock_of(live),
            remedy=f'write "{clock_of(live)}"' if most is None or more else f'up to "{clock_of(live)}" may be written', fails=more,
        )
    if may.min_walltime_s and may.min_walltime_s > queue.min_walltime_s:
        yield Difference(
            where=f"{where}.minWalltime", file_says=clock_of(queue.min_walltime_s), scheduler_says=clock_of(may.min_walltime_s),
            remedy=f'write "{clock_of(may.min_walltime_s)}"', fails=True,
        )


def _of_bins(where: str, queue: BatchQueue, may: Allowed, survey: Survey) -> Iterator[Difference]:
    for number, one in enumerate(queue.bins):
        place = f"{where}.bins.{number}"
        behind = survey.queue(one.queue) if one.queue else None
        if one.queue and behind is None:
            remedy = "remove the bin, or name the queue that is meant"
            yield Difference(where=place, file_says=one.queue, scheduler_says="no such queue", remedy=remedy, fails=True)
            continue
        limit = allowed(survey, behind, qos=queue.qos) if behind else may
        if limit.max_walltime_s is not None and one.max_walltime_s > limit.max_walltime_s:
            yield Difference(
                where=f"{place}.maxWalltime", file_says=clock_of(one.max_walltime_s), scheduler_says=clock_of(limit.max_walltime_s),
                remedy=f'write "{clock_of(limit.max_walltime_s)}"', fails=True,
            )
        if behind and limit.max_nodes is not None and one.max_nodes > limit.max_nodes:
            yield Difference(
                where=f"{place}.maxNodes", file_says=str(one.max_nodes), scheduler_says=f"at most {limit.max_nodes} in {one.queue}",
                remedy=f"write {limit.max_nodes}", fails=True,
            )


def _of_limits(where: str, queue: BatchQueue, may: Allowed) -> Iterator[Difference]:
    """Give limits on the number of jobs that the file does not have: who ignores them is only told to wait."""
    for whose in ("user", "project"):
        for what in ("queued", "running", "eligible", "nodes"):
            ours, live = (getattr(limits, f"{what}_per_{whose}") for limits in (queue.limits, may.limits))
            if live is not None and (ours is None or ours > live):
                yield Difference(
                    where=f"{where}.limits.{whose}.{what}", file_says="no limit" if ours is None else str(ours), scheduler_says=str(live),
                    remedy=f"write {live}, and submission is held back in time",
                )


def _unknown_queues(facility: Facility, survey: Survey) -> Iterator[Difference]:
    known = {queue.destination for queue in facility.queues} | {one.queue for queue in facility.queues for one in queue.bins}
    others = [one.name for one in survey.queues if one.is_usable and not one.only_routed and one.name not in known]
    if others and not any(queue.destination == "" and queue.qos for queue in facility.queues):
        yield Difference(
            where="queues", file_says=f"{len(facility.queues)} of them", scheduler_says=f"also open to you: {some_of(others)}",
            remedy="add those that you want",
        )
