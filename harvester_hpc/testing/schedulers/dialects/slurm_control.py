"""scontrol and sinfo: partitions, nodes, configuration, and what an operator does to jobs, nodes and partitions."""
from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import replace

from harvester_hpc.testing.schedulers import behaviour as settings
from harvester_hpc.testing.schedulers.behaviour import Behaviour, Queue
from harvester_hpc.testing.schedulers.dialects.options import clock, parsed
from harvester_hpc.testing.schedulers.dialects.slurm_listing import WORDS, code, lined, moment, reason, span
from harvester_hpc.testing.schedulers.dialects.slurm_request import folded, unfolded
from harvester_hpc.testing.schedulers.engine import Engine
from harvester_hpc.testing.schedulers.values import Answer, Call, Cause, Job

VERSION = "22.05.8"


def scontrol(call: Call, engine: Engine) -> Answer:
    """Show, update, hold, release, requeue, suspend, resume."""
    options, words = parsed(call.argv, "adFhoQuv", ["all", "details", "future", "hide", "oneliner", "quiet"])
    one_line = any(name in ("-o", "--oneliner") for name, _ in options)
    verb, rest = (words[0] if words else ""), words[1:]
    if verb == "show":
        return _shown(rest, one_line, call, engine)
    if verb == "update":
        return _updated(dict(word.partition("=")[::2] for word in rest), engine)
    if verb in ("hold", "release", "requeue", "suspend", "resume"):
        return _on_jobs(verb, [number for word in rest for number in word.split(",")], engine)
    if verb == "ping":
        return Answer(out="Slurmctld(primary) at login is UP\n")
    return Answer(err=f"invalid keyword: {verb}\n", exit_code=1)


def _shown(words: Sequence[str], one_line: bool, call: Call, engine: Engine) -> Answer:
    kind, name = (*words, "", "")[:2]
    site = engine.behaviour
    if kind == "hostnames":
        return Answer(out="".join(f"{host}\n" for host in unfolded(name)))
    if kind == "config":
        return Answer(out=_configuration(site))
    if kind.startswith("part"):
        texts = [_partition(queue, site, is_first=queue is site.queues[0]) for queue in site.queues if name in ("", queue.name)]
        absent = f"Partition {name} not found\n"
    elif kind.startswith("node"):
        wanted = unfolded(name) if name else site.node_names
        texts = [_node(host, engine) for host in wanted if host in site.node_names]
        absent = f"Node {name} not found\n"
    elif kind.startswith("job"):
        texts = [_job(job, engine, call) for job in engine.visible() if name in ("", str(job.number))]
        absent = "slurm_load_jobs error: Invalid job id specified\n"
    else:
        return Answer(err=f"invalid entity:{kind} for keyword:show \n", exit_code=1)
    if not texts and name:
        return Answer(**({"err": absent} if kind.startswith("job") else {"out": absent}), exit_code=1)
    lined_up = [" ".join(text.split("\n   ")) for text in texts] if one_line else [f"{text}\n" for text in texts]
    return Answer(out="".join(f"{text}\n" for text in lined_up))


def _partition(queue: Queue, site: Behaviour, *, is_first: bool) -> str:
    state = {(True, True): "UP", (True, False): "DOWN", (False, True): "DRAIN", (False, False): "INACTIVE"}[queue.open, queue.started]
    longest = "UNLIMITED" if not queue.max_walltime_s else long_span(queue.max_walltime_s)
    cores = site.cpus * site.nodes
    return f"""PartitionName={queue.name}
   AllowGroups=ALL AllowAccounts=ALL AllowQos=ALL
   AllocNodes=ALL Default={'YES' if is_first else 'NO'} QoS=N/A
   DefaultTime={long_span(queue.default_walltime_s)} DisableRootJobs=NO ExclusiveUser=NO GraceTime=0 Hidden=NO
   MaxNodes={queue.max_nodes or 'UNLIMITED'} MaxTime={longest} MinNodes={queue.min_nodes if queue.min_nodes > 1 else 0} LLN=NO \
MaxCPUsPerNode=UNLIMITED
   Nodes={folded(site.node_names)}
   PriorityJobFactor=1 PriorityTier=1 RootOnly=NO ReqResv=NO OverSubscribe=NO
   OverTimeLimit=NONE PreemptMode=OFF
   State={state} TotalCPUs={cores} TotalNodes={site.nodes} SelectTypeParameters=NONE
   JobDefaults=(null)
   DefMemPerNode=UNLIMITED MaxMemPerNode=UNLIMITED
   TRES=cpu={cores},mem={site.memory_mb * site.nodes}M,node={site.nodes},billing={cores}"""


def long_span(total: int) -> str:
    """Return ``[days-]hours:minutes:seconds``."""
    return f"{total // 86400}-{clock(total % 86400)}" if total >= 86400 else clock(total)


def _used(name: str, engine: Engine) -> int:
    jobs = [job for job in engine.books.active() if job.occupies and name in job.hosts]
    return sum(engine.behaviour.cpus if job.request.exclusive else job.request.cores for job in jobs)


def node_state(name: str, engine: Engine) -> str:
    """Return a node's state in one word."""
    if name in engine.books.down():
        return "DOWN"
    used = _used(name, engine)
    return "IDLE" if not used else "ALLOCATED" if used >= engine.behaviour.cpus else "MIXED"


def _node(name: str, engine: Engine) -> str:
    site = engine.behaviour
    used = _used(name, engine)
    gpus = f"gpu:{site.gpus}" if site.gpus else "(null)"
    return f"""NodeName={name} Arch=x86_64 CoresPerSocket={site.cpus} \n   CPUAlloc={used} CPUEfctv={site.cpus} CPUTot={site.cpus} \
CPULoad=0.00
   AvailableFeatures=(null)
   ActiveFeatures=(null)
   Gres={gpus}
   NodeAddr={name} NodeHostName={name} Version={VERSION}
   OS=Linux \n   RealMemory={site.memory_mb} AllocMem=0 FreeMem={site.memory_mb} Sockets=1 Boards=1
   State={node_state(name, engine)} ThreadsPerCore=1 TmpDisk=0 Weight=1 Owner=N/A MCS_label=N/A
   Partitions={','.join(queue.name for queue in site.queues)} \n   CfgTRES=cpu={site.cpus},mem={site.memory_mb}M,billing={site.cpus}
   AllocTRES=
"""


def _job(job: Job, engine: Engine, call: Call) -> str:
    request = job.request
    return f"""JobId={job.number} JobName={job.name}
   UserId={request.user}({os.getuid()}) GroupId={request.user}({os.getgid()}) MCS_label=N/A
   Priority=4294901757 Nice=0 Account={request.account or '(null)'} QOS=(null)
   JobState={WORDS.get(code(job), code(job))} Reason={reason(job)} Dependency=(null)
   Requeue={int(request.rerunnable)} Restarts={job.restarts} BatchFlag=1 Reboot=0 ExitCode={job.exit_code or 0}:{job.signal}
   RunTime={clock((job.ended or time.time()) - job.started if job.started else 0)} TimeLimit={long_span(request.walltime_s)} TimeMin=N/A
   SubmitTime={moment(job.submitted, call, 'Unknown')} StartTime={moment(job.started, call, 'Unknown')} \
EndTime={moment(job.ended, call, 'Unknown')}
   Partition={request.queue} NodeList={folded(job.hosts) or '(null)'} NumNodes={request.nodes}
   WorkDir={request.cwd} StdErr={request.stderr} StdOut={request.stdout}"""


def _configuration(site: Behaviour) -> str:
    values = {
        "AccountingStorageType": "accounting_storage/slurmdbd" if site.accounting else "accounting_storage/none",
        "ClusterName": site.server,
        "EnforcePartLimits": "ALL", "JobRequeue": "1", "KillWait": f"{site.kill_wait_s:g} sec", "MaxJobCount": "10000",
        "MinJobAge": f"{site.remembered_s:g} sec", "SchedulerType": "sched/backfill", "SelectType": "select/cons_tres",
        "SLURM_VERSION": VERSION,
    }
    head = time.strftime("Configuration data as of %Y-%m-%dT%H:%M:%S\n")
    return head + "".join(f"{name:<23} = {value}\n" for name, value in values.items()) + "\nSlurmctld(primary) at login is UP\n"


def _updated(said: dict[str, str], engine: Engine) -> Answer:
    values = {name.lower(): value for name, value in said.items()}
    if name := values.get("nodename"):
        return _update_nodes(unfolded(name), values.get("state", "").lower(), engine)
    if name := values.get("partitionname"):
        return _update_partition(name, values.get("state", "").upper(), engine)
    number = values.get("jobid", "")
    job = engine.books.get(int(number)) if number.isdigit() else None
    if job is None:
        return Answer(err=f"Invalid job id specified for job {number}\n", exit_code=1)
    if values.get("endtime", "").lower() == "now":
        engine.end(job, Cause.TIME_LIMIT)
    return Answer()


def _update_nodes(names: Sequence[str], state: str, engine: Engine) -> Answer:
    for name in names:
        if name not in engine.behaviour.node_names:
            return Answer(err="slurm_update error: Invalid node name specified\n", exit_code=1)
        if state in ("down", "fail"):
            engine.fail_node(name)
        elif state in ("resume", "idle"):
            engine.books.set_down(name, False)
    return Answer()


def _update_partition(name: str, state: str, engine: Engine) -> Answer:
    site = engine.behaviour
    if site.queue(name) is None:
        return Answer(err="slurm_update error: Invalid partition name specified\n", exit_code=1)
    is_open, started = {"UP": (True, True), "DOWN": (True, False), "DRAIN": (False, True), "INACTIVE": (False, False)}[state]
    queues = tuple(replace(queue, open=is_open, started=started) if queue.name == name else queue for queue in site.queues)
    engine.behaviour = replace(site, queues=queues)
    settings.write(engine.books.folder, engine.behaviour)
    return Answer()


def _on_jobs(verb: str, numbers: Sequence[str], engine: Engine) -> Answer:
    errors = ""
    for number in numbers:
        job = engine.books.get(int(number)) if number.isdigit() else None
        if job is None or job.has_ended:
            words = "Job/step already completing or completed" if job else "Invalid job id specified"
            errors += f"{words} for job {number}\n"
        elif verb == "requeue":
            engine.end(job, Cause.REQUEUED)
        else:
            {"hold": engine.hold, "release": engine.release, "suspend": engine.suspend, "resume": engine.resume}[verb](job)
    return Answer(err=errors, exit_code=1 if errors else 0)


def sinfo(call: Call, engine: Engine) -> Answer:
    """List partitions, one line a state of nodes."""
    options, _ = parsed(
        call.argv, "adehiln:No:O:p:rRst:v",
        ["all", "exact", "noheader", "Node", "format=", "partition=", "nodes=", "states=", "summarize", "long", "responding", "dead"],
    )
    said = dict(options)
    form = said.get("-o") or said.get("--format") or "%9P %.5a %.10l %.6D %.6t %N"
    chosen = said.get("-p") or said.get("--partition") or ""
    by_node = "-N" in said or "--Node" in said
    lines = [] if "-h" in said or "--noheader" in said else [lined(form, HEADS).rstrip()]
    for queue in engine.behaviour.queues:
        if chosen and queue.name not in chosen.split(","):
            continue
        for names in _groups(engine, by_node):
            lines.append(lined(form, _sinfo_fields(queue, names, engine)).rstrip())
    return Answer(out="".join(f"{line}\n" for line in lines))


def _groups(engine: Engine, by_node: bool) -> list[list[str]]:
    names = engine.behaviour.node_names
    if by_node:
        return [[name] for name in names]
    states = dict.fromkeys(node_state(name, engine) for name in names)
    return [[name for name in names if node_state(name, engine) == state] for state in states]


HEADS = {
    "P": "PARTITION", "R": "PARTITION", "a": "AVAIL", "l": "TIMELIMIT", "D": "NODES", "t": "STATE", "T": "STATE", "N": "NODELIST",
    "c": "CPUS",
    "m": "MEMORY", "G": "GRES", "s": "JOB_SIZE", "f": "AVAIL_FEATURES", "b": "ACTIVE_FEATURES", "C": "CPUS(A/I/O/T)", "L": "DEFAULTTIME",
    "n": "HOSTNAMES", "z": "S:C:T", "X": "SOCKETS", "Y": "CORES", "Z": "THREADS", "h": "OVERSUBSCRIBE", "F": "NODES(A/I/O/T)",
    "d": "TMP_DISK",
}
SHORT_STATES = {"IDLE": "idle", "ALLOCATED": "alloc", "MIXED": "mix", "DOWN": "down"}


def _sinfo_fields(queue: Queue, names: Sequence[str], engine: Engine) -> dict[str, str]:
    site = engine.behaviour
    state = node_state(names[0], engine)
    used = sum(_used(name, engine) for name in names)
    up = {(True, True): "up", (True, False): "down", (False, True): "drain", (False, False): "inact"}[queue.open, queue.started]
    least = str(queue.min_nodes)
    most = str(queue.max_nodes or "infinite")
    return {
        "P": queue.name + ("*" if queue is site.queues[0] else ""), "R": queue.name, "a": up,
        "l": span_of_limit(queue.max_walltime_s), "L": span(queue.default_walltime_s), "D": str(len(names)), "t": SHORT_STATES[state],
        "T": state.lower(), "N": folded(names), "n": names[0], "c": str(site.cpus), "m": str(site.memory_mb),
        "G": f"gpu:{site.gpus}" if site.gpus else "(null)", "s": least if least == most else f"{least}-{most}", "f": "(null)",
        "b": "(null)",
        "C": f"{used}/{len(names) * site.cpus - used}/0/{len(names) * site.cpus}", "z": f"1:{site.cpus}:1", "X": "1", "Y": str(site.cpus),
        "Z": "1", "h": "NO", "F": f"{len(names) if used else 0}/{0 if used else len(names)}/0/{len(names)}", "d": "0",
    }


def span_of_limit(total: int) -> str:
    """Return a partition's limit as sinfo prints it."""
    return span(total) if total else "infinite"
