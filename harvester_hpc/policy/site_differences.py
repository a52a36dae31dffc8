"""A site file held against the live batch system: what differs, and whether it matters."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from harvester_hpc.errors import did_you_mean
from harvester_hpc.model.facility import BatchQueue, Facility, NodeShape
from harvester_hpc.policy.allowed import Allowed, account_of, allowed
from harvester_hpc.ports.survey import NodeKind, Survey, SurveyedQueue


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing in which a site file and the batch system do not agree.

    Attributes:
        where: path in the file, elements of lists by their names.
        file_says, scheduler_says: the two, in words.
        remedy: what to do.
        fails: whether batch jobs that follow the file would be refused, or never start.
    """

    where: str
    file_says: str
    scheduler_says: str
    remedy: str
    fails: bool = False


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
    if not queue.destination:
        return
    live = survey.queue(queue.destination)
    if live is None:
        there = [one.name for one in survey.queues]
        yield Difference(
            where=where, file_says=queue.destination, scheduler_says="no such queue", fails=True,
            remedy=f"remove it, or name one of: {_some(there)}{did_you_mean(queue.destination, there)}",
        )
        return
    yield from _of_access(where, live, account, survey)
    may = allowed(survey, live, qos=queue.qos, account=account)
    yield from _of_nodes(where, queue, may)
    yield from _of_walltime(where, queue, may)
    yield from _of_bins(where, queue, may, survey)
    yield from _of_limits(where, queue, may)
    yield from _of_shape(where, facility, queue, live)


def _of_qos(where: str, queue: BatchQueue, survey: Survey, account: str) -> Iterator[Difference]:
    names = [one.name for one in survey.qos]
    if not queue.qos or not names:
        return
    charged = account_of(survey, account)
    live = survey.queue(queue.destination)
    if queue.qos not in names:
        remedy = f"name one of: {_some(names)}{did_you_mean(queue.qos, names)}"
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
    if may.max_nodes is not None and most != may.max_nodes:
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


def _of_shape(where: str, facility: Facility, queue: BatchQueue, live: SurveyedQueue) -> Iterator[Difference]:
    if not live.nodes:
        return
    asked = facility.attributes_of(queue).get("constraint") or ""
    kinds = _with_features(live.nodes, asked)
    own = queue.node is not None
    where = f"{where}.node" if own else "node"
    if not kinds:
        says = f"nodes have: {_some(sorted({word for kind in live.nodes for word in kind.features})) or 'no features'}"
        yield Difference(where="attributes.constraint", file_says=asked, scheduler_says=says, remedy="name one of these", fails=True)
        return
    node = facility.node_of(queue)
    yield from _of_cores(where, node, live.name, kinds)
    memory = max(kind.memory_mb for kind in kinds)
    if memory and node.memory_mb > memory:
        says = f"{memory} in {live.name}"
        remedy = f"write {memory}"
        yield Difference(where=f"{where}.memoryMB", file_says=str(node.memory_mb), scheduler_says=says, remedy=remedy, fails=True)
    gpus = max(kind.gpus for kind in kinds)
    if node.gpus != gpus and (own or node.gpus > gpus):
        says = f"{gpus} in {live.name}"
        remedy = f'write {gpus}, under "node" of the queue where the queues differ'
        yield Difference(where=f"{where}.gpus", file_says=str(node.gpus), scheduler_says=says, remedy=remedy, fails=node.gpus > gpus)


def _of_cores(where: str, node: NodeShape, name: str, kinds: Sequence[NodeKind]) -> Iterator[Difference]:
    cpus = {kind.cores * kind.threads_per_core for kind in kinds}
    ours = node.cores * node.threads_per_core
    if ours in cpus:
        return
    most = max(cpus)
    says = f"{_some(sorted({_cores(kind) for kind in kinds}))} in {name}"
    idle = f"write {_written(kinds)}; {most - ours} of {most} CPUs stay idle"
    remedy = f"ask for no more than the batch system has, {most} CPUs" if ours > most else idle
    yield Difference(where=f"{where}.cores", file_says=f"{ours} CPUs for jobs", scheduler_says=says, remedy=remedy, fails=ours > most)


def _unknown_queues(facility: Facility, survey: Survey) -> Iterator[Difference]:
    known = {queue.destination for queue in facility.queues} | {one.queue for queue in facility.queues for one in queue.bins}
    others = [one.name for one in survey.queues if one.is_usable and not one.only_routed and one.name not in known]
    if others and "" not in known:
        yield Difference(
            where="queues", file_says=f"{len(facility.queues)} of them", scheduler_says=f"also open to you: {_some(others)}",
            remedy="add those that you want",
        )


def _written(kinds: Sequence[NodeKind]) -> str:
    """Return the most cores as a site file says them."""
    most = max(kinds, key=lambda kind: kind.cores * kind.threads_per_core)
    kept = f' and "reservedCores": {most.reserved_cores}' if most.reserved_cores else ""
    threads = f' and "threadsPerCore": {most.threads_per_core}' if most.threads_per_core > 1 else ""
    return f"{most.cores + most.reserved_cores}{kept}{threads}"


def _with_features(kinds: Sequence[NodeKind], asked: str) -> list[NodeKind]:
    """Return the kinds that a constraint means; all of them where it is more than words joined by & or |."""
    if not asked or not all(character.isalnum() or character in "&|,_-." for character in asked):
        return list(kinds)
    ways = [way.replace(",", "&").split("&") for way in asked.split("|")]
    return [kind for kind in kinds if any(set(words) <= set(kind.features) for words in ways)]


def _cores(kind: NodeKind) -> str:
    kept = f" ({kind.reserved_cores} more are reserved)" if kind.reserved_cores else ""
    threads = f" of {kind.threads_per_core} threads" if kind.threads_per_core > 1 else ""
    return f"{kind.cores} cores{threads}{kept}"


def _some(names: Sequence[str], most: int = 12) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def clock_of(seconds: int) -> str:
    """Return seconds as ``26:00:00``, the form that a site file takes."""
    return f"{seconds // 3600:02d}:{seconds % 3600 // 60:02d}:{seconds % 60:02d}"
