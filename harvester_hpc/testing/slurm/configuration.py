"""The files that a private cluster reads: slurm.conf, the munge key, and what a node sees in place of /etc."""
from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from harvester_hpc.testing.slurm.errors import ClusterError
from harvester_hpc.testing.slurm.network import search_path
from harvester_hpc.testing.slurm.plan import Isolation, Plan

FOLDERS = ("etc", "log", "munge", "nodes", "run", "spool", "state")
ANOTHER_SLURM = ("SLURM", "SBATCH", "SALLOC", "SQUEUE", "SINFO", "SCANCEL", "SCONTROL", "MUNGE")
PARTITIONS = (
    "PartitionName=batch Nodes=ALL Default=YES DefaultTime=00:10:00 MaxTime=1-00:00:00 State=UP",
    "PartitionName=debug Nodes=ALL MaxNodes=2 DefaultTime=00:05:00 MaxTime=00:30:00 State=UP",
    "PartitionName=tiny Nodes=ALL DefaultTime=00:01:00 MaxTime=00:01:00 State=UP",
)


def settings_for(plan: Plan) -> dict[str, str]:
    """Return the global settings of slurm.conf; those of ``plan.settings`` replace ours whatever their letters' case.

    Source: slurm.conf(5), Slurm 22.05.
    """
    base = plan.base
    ours = {
        "ClusterName": f"hpc{plan.tag}",
        "SlurmctldHost": f"{plan.host}({plan.controller_address})",
        "SlurmctldPort": str(plan.controller_port),
        "SlurmUser": plan.user,
        "SlurmdUser": plan.user,
        "AuthType": "auth/munge",
        "CredType": "cred/munge",
        "AuthInfo": f"socket={base}/munge/socket",
        "StateSaveLocation": f"{base}/state",
        "SlurmdSpoolDir": f"{base}/spool/%n",
        "SlurmctldPidFile": f"{base}/run/slurmctld.pid",
        "SlurmdPidFile": f"{base}/run/slurmd.%n.pid",
        "SlurmctldLogFile": f"{base}/log/slurmctld.log",
        "SlurmdLogFile": f"{base}/log/slurmd.%n.log",
        # All nodes share the files of this machine; mpi/pmix clashes with itself in a shared TmpFS.
        "TmpFS": f"{base}/nodes/%n",
        "MailProg": "/bin/true",
        "ProctrackType": "proctrack/linuxproc",
        "TaskPlugin": "task/none",
        "JobAcctGatherType": "jobacct_gather/none",
        "JobCompType": "jobcomp/filetxt",
        "JobCompLoc": f"{base}/log/jobcomp.log",
        "SelectType": "select/cons_tres",
        "SelectTypeParameters": "CR_Core_Memory",
        "DefMemPerCPU": str(max(1, plan.memory_mb // plan.cpus)),
        # Nodes may claim CPUs and memory that this machine does not have.
        "SlurmdParameters": "config_overrides",
        "SchedulerType": "sched/backfill",
        "SchedulerParameters": "batch_sched_delay=0,bf_interval=5",
        "EnforcePartLimits": "ALL",
        "MpiDefault": "pmi2",
        "FirstJobId": "1001",    # nobody takes it for a number of something else
        "MaxJobCount": "20000",
        "MinJobAge": "300",      # seconds that squeue remembers an ended job
        "KillWait": "3",         # seconds from SIGTERM to SIGKILL
        "SlurmdTimeout": "5",    # seconds of silence until a node is DOWN
        "ReturnToService": "2",  # a node that registers again is used again
        "InactiveLimit": "0",
        "CompleteWait": "0",
    }
    known = {key.lower(): key for key in ours}
    wanted = {known.get(key.lower(), key): value for key, value in plan.settings.items()}
    return {key: value for key, value in {**ours, **wanted}.items() if value}


def slurm_conf(plan: Plan) -> str:
    """Return the text of slurm.conf for ``plan``."""
    lines = ["# Written by harvester_hpc.testing.slurm at each start of the cluster."]
    lines += [f"{key}={value}" for key, value in settings_for(plan).items()]
    lines += [
        f"NodeName={node.name} NodeHostname={node.host} NodeAddr={node.address} Port={node.port}"
        f" CPUs={plan.cpus} RealMemory={plan.memory_mb} State=UNKNOWN"
        for node in plan.nodes
    ]
    return "\n".join([*lines, *PARTITIONS, ""])


def hosts(plan: Plan) -> str:
    """Return what stands in /etc/hosts of every node: itself, the login node and the other nodes."""
    rows = [("127.0.0.1", "localhost"), (plan.controller_address, plan.host)]
    rows += [(node.address, node.host) for node in plan.nodes if plan.isolation is not Isolation.NONE]
    return "".join(f"{address} {name}\n" for address, name in rows)


def write_files(plan: Plan) -> None:
    """Make the cluster's folders and files, and the link that gives them a short name.

    Raises:
        ClusterError: the short name is taken by somebody else.
    """
    folder = Path(plan.folder)
    for name in FOLDERS:
        (folder / name).mkdir(mode=0o755, exist_ok=True)
    for node in plan.nodes:
        (folder / "spool" / node.name).mkdir(exist_ok=True)
        (folder / "nodes" / node.name).mkdir(exist_ok=True)
        (folder / "nodes" / node.name).chmod(0o1777)
    make_link(plan)
    (folder / "slurm.conf").write_text(slurm_conf(plan))
    (folder / "etc/hosts").write_text(hosts(plan))
    # A name that is not in hosts must fail at once: asking a server that is out of reach takes ten seconds a name.
    (folder / "etc/resolv.conf").write_text("")
    _write_key(folder / "munge/key")


def _write_key(path: Path) -> None:
    if path.exists():
        return
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
    with os.fdopen(handle, "wb") as key:
        key.write(os.urandom(1024))


def make_link(plan: Plan) -> None:
    """Make the short name of the cluster's folder, where it has one.

    Raises:
        ClusterError: something else has that name.
    """
    if plan.base == plan.folder:
        return
    link = Path(plan.base)
    try:
        link.symlink_to(plan.folder)
    except FileExistsError as error:
        if not _is_ours(link, plan.folder):
            raise ClusterError(f"{link} is not a link of ours to {plan.folder}", remedy="remove it, or use another folder") from error


def remove_link(plan: Plan) -> None:
    """Remove the short name of the cluster's folder, if it is ours."""
    if plan.base != plan.folder and _is_ours(Path(plan.base), plan.folder):
        Path(plan.base).unlink()


def _is_ours(link: Path, target: str) -> bool:
    return link.is_symlink() and str(link.readlink()) == target and link.lstat().st_uid == os.geteuid()


def environment(plan: Plan, inherited: Mapping[str, str]) -> dict[str, str]:
    """Return a whole environment for Slurm's programs: ``inherited`` without another Slurm's variables, with ours."""
    kept = {key: value for key, value in inherited.items() if not key.startswith(ANOTHER_SLURM)}
    return {**kept, **variables(plan), "PATH": search_path(inherited)}


def variables(plan: Plan) -> dict[str, str]:
    """Return what must be set so that sbatch, srun, squeue, ... speak to this cluster."""
    return {"SLURM_CONF": f"{plan.base}/slurm.conf"}
