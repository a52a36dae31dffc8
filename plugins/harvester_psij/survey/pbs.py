"""The survey of a PBS (Pro, OpenPBS) and of a Torque: queues, their routes and limits, and nodes."""
from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Mapping, Sequence

from harvester_hpc.errors import Unavailable
from harvester_hpc.model.facility import JobLimits
from harvester_hpc.ports.survey import Identity, NodeKind, Survey, SurveyedQueue
from harvester_psij.survey.pbs_forms import blocks, is_true, json_nodes, limit_of, megabytes_of, seconds_of, server_settings
from harvester_psij.survey.questions import Asker, Questions, listed, number_of, this_user

OFF = ("down", "offline", "unknown", "unresolvable", "stale", "maintenance", "sleep", "provisioning")
#: What the server of Torque says of itself and that of PBS does not.
OF_TORQUE = frozenset({"tcp_timeout", "job_stat_rate", "net_counter", "poll_jobs", "mom_job_sync"})
#: What a chunk asks by default of numbers; other resources (Qlist=small) choose nodes.
COUNTED = ("ncpus", "mem", "vmem", "mpiprocs", "ompthreads", "ngpus", "nodect")


class PbsSurveyor:
    """Asks the commands of PBS Professional or OpenPBS."""

    commands: Sequence[str] = ("qstat", "pbsnodes", "qsub")
    scheduler = "pbs"

    def identify(self, within_s: float) -> Identity | None:
        """Return version and server's name; see ``ports.survey.Surveyor``."""
        identity = identity_of(Questions(within_s).answer("qstat", "-B", "-f"))
        return identity if identity.scheduler == self.scheduler else None

    def survey(self, within_s: float) -> Survey:
        """Return what PBS says; see ``ports.survey.Surveyor``."""
        ask = Questions(within_s)
        queues = ask.answer("qstat", "-Q", "-f")
        servers = ask.answer_if_any("qstat", "-B", "-f")
        nodes = json_nodes(ask.answer_if_any("pbsnodes", "-a", "-F", "json")) if self.scheduler == "pbs" else {}
        nodes = nodes or blocks(ask.answer_if_any("pbsnodes", "-a"), "")
        settings = "" if "default_queue" in servers else ask.answer_if_any("qmgr", "-c", "print server")
        return survey_of(self.scheduler, this_user(), queues=queues, servers=servers, nodes=nodes, settings=settings, gaps=ask.gaps)


class TorqueSurveyor(PbsSurveyor):
    """Asks the commands of Torque, which have the same names."""

    scheduler = "pbs_classic"


def identity_of(servers: str) -> Identity:
    """Return what ``qstat -B -f`` says of the server.

    Torque and PBS are told apart by what only one of them has, and by their versions: Torque ended with 6, PBS Professional says so
    or is at 10 and more.
    """
    for name, said in blocks(servers, "Server: ").items():
        version = said.get("pbs_version", "")
        is_torque = bool(OF_TORQUE & said.keys()) or re.match(r"[2-6]\.", version) is not None
        return Identity(scheduler="pbs_classic" if is_torque else "pbs", version=version, cluster=name)
    return Identity(scheduler="pbs")


def survey_of(
    scheduler: str, asker: Asker, *, queues: str, servers: str = "", nodes: Mapping[str, Mapping[str, str]] | None = None,
    settings: str = "", gaps: Sequence[str] = (),
) -> Survey:
    """Return the survey that these answers make; see PbsSurveyor for the commands that print them.

    Args:
        nodes: {node: {attribute: value}}.

    Raises:
        Unavailable: there is no queue in the answer.
    """
    told = blocks(queues, "Queue: ")
    complete = {name: said for name, said in told.items() if "queue_type" in said}
    if not complete:
        raise Unavailable("'qstat -Q -f' names no queue", why=" ".join(queues.split())[:200])
    identity = identity_of(servers)
    server = next(iter(blocks(servers, "Server: ").values()), {}) | server_settings(settings)
    made = tuple(_queue(name, said, server, nodes or {}, asker) for name, said in complete.items())
    lost = [f"qstat -Q -f: {name} is not told in full" for name in told if name not in complete]
    return Survey(
        identity=dataclasses.replace(identity, scheduler=scheduler), user=asker.user, queues=_routed(made), gaps=(*gaps, *lost),
        requeues=True,
    )


def _queue(
    name: str, said: Mapping[str, str], server: Mapping[str, str], nodes: Mapping[str, Mapping[str, str]], asker: Asker
) -> SurveyedQueue:
    takes, starts = is_true(said.get("enabled", "True")), is_true(said.get("started", "True"))
    routes = listed(said.get("route_destinations", "").replace(" ", "")) if said["queue_type"].lower().startswith("r") else ()
    return SurveyedQueue(
        name=name, is_default=server.get("default_queue", "") == name, takes_jobs=takes, starts_jobs=starts,
        state=f"enabled = {said.get('enabled', '?')}, started = {said.get('started', '?')}", closed_to_me=_closed(said, asker),
        min_nodes=_resource(said, server, "min", "nodect"), max_nodes=_resource(said, server, "max", "nodect"),
        min_walltime_s=seconds_of(said.get("resources_min.walltime", "")),
        max_walltime_s=seconds_of(said.get("resources_max.walltime", server.get("resources_max.walltime", ""))),
        default_walltime_s=seconds_of(said.get("resources_default.walltime", server.get("resources_default.walltime", ""))),
        limits=_limits(said, asker), routes_to=tuple(route.partition("@")[0] for route in routes),
        only_routed=is_true(said.get("from_route_only", "False")), nodes=_kinds(name, said, nodes),
    )


def _resource(said: Mapping[str, str], server: Mapping[str, str], end: str, resource: str) -> int | None:
    key = f"resources_{end}.{resource}"
    return number_of(said.get(key, server.get(key, "")))


def _limits(said: Mapping[str, str], asker: Asker) -> JobLimits:
    def limit(name: str, kind: str, older: str = "") -> int | None:
        found = limit_of(said.get(name, ""), kind, asker)
        return number_of(said.get(older, "")) if found is None and older else found

    return JobLimits(
        queued_per_user=limit("max_queued", "u", "max_user_queuable"), running_per_user=limit("max_run", "u", "max_user_run"),
        eligible_per_user=limit("queued_jobs_threshold", "u"), queued_per_project=limit("max_queued", "p"),
        running_per_project=limit("max_run", "p"), eligible_per_project=limit("queued_jobs_threshold", "p"),
        nodes_per_user=limit("max_run_res.nodect", "u"), nodes_per_project=limit("max_run_res.nodect", "p"),
    )


def _closed(said: Mapping[str, str], asker: Asker) -> str:
    users = [name.partition("@")[0] for name in listed(said.get("acl_users", ""))]
    if is_true(said.get("acl_user_enable", "False")) and asker.user not in users:
        return "for some users only (acl_users)"
    groups = listed(said.get("acl_groups", ""))
    if is_true(said.get("acl_group_enable", "False")) and not set(groups) & set(asker.groups):
        return f"for the groups {', '.join(groups)}"
    if limit_of(said.get("max_queued", ""), "u", asker) == 0:
        return "max_queued is 0"
    return ""


def _routed(queues: Sequence[SurveyedQueue]) -> tuple[SurveyedQueue, ...]:
    """Return the queues; a routing one has the nodes of those behind it."""
    known = {queue.name: queue for queue in queues}

    def nodes(queue: SurveyedQueue) -> tuple[NodeKind, ...]:
        behind = [known[name].nodes for name in queue.routes_to if name in known]
        return max(behind, key=lambda kinds: sum(kind.count for kind in kinds), default=())

    return tuple(dataclasses.replace(queue, nodes=nodes(queue)) if queue.routes_to else queue for queue in queues)


def _kinds(name: str, said: Mapping[str, str], nodes: Mapping[str, Mapping[str, str]]) -> tuple[NodeKind, ...]:
    """Return the nodes on which jobs of a queue run: those tied to it, and those that its default chunk asks for."""
    wanted = {
        key.removeprefix("default_chunk."): value for key, value in said.items()
        if key.startswith("default_chunk.") and key.removeprefix("default_chunk.") not in COUNTED
    }
    count: Counter[NodeKind] = Counter()
    usable: Counter[NodeKind] = Counter()
    for node in nodes.values():
        if node.get("queue", name) != name or not _has(node, wanted):
            continue
        kind = _kind(node)
        if kind is not None:
            count[kind] += 1
            usable[kind] += not any(word in OFF for word in re.split(r"[,\s]+", node.get("state", "")))
    return tuple(dataclasses.replace(kind, count=number, usable=usable[kind]) for kind, number in count.items())


def _has(node: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return all(value in node.get(f"resources_available.{name}", "").split(",") for name, value in wanted.items())


def _kind(node: Mapping[str, str]) -> NodeKind | None:
    cpus = number_of(node.get("resources_available.ncpus", node.get("np", "")))
    if not cpus:
        return None
    memory = node.get("resources_available.mem", "")
    if not memory:  # Torque: status = ...,physmem=65958844kb,...
        found = re.search(r"physmem=(\w+)", node.get("status", ""))
        memory = found.group(1) if found else ""
    return NodeKind(
        count=0, cores=cpus, memory_mb=megabytes_of(memory),
        gpus=number_of(node.get("resources_available.ngpus", node.get("gpus", ""))) or 0,
        features=tuple(filter(None, (node.get("resources_available.vntype", ""), *listed(node.get("properties", ""))))),
    )
