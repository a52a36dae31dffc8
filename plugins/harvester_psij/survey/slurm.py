"""The survey of a Slurm: partitions, nodes, and what its accounting says of me."""
from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence

from harvester_hpc.errors import Unavailable
from harvester_hpc.model.facility import JobLimits
from harvester_hpc.ports.survey import Account, Identity, NodeKind, Qos, Survey, SurveyedQueue
from harvester_psij.survey.questions import Asker, Questions, listed, number_of, this_user
from harvester_psij.survey.slurm_forms import (
    SINFO_FORMAT,
    configuration_of,
    fields_of,
    kinds_of,
    least,
    representatives,
    seconds_of,
    tables_of,
)

QOS_COLUMNS = "Name,MaxWall,MaxTRES,MinTRES,MaxJobsPU,MaxSubmitPU,MaxJobsPA,MaxSubmitPA,Preempt"
ACCOUNT_COLUMNS = "Cluster,Account,User,Partition,QOS,DefaultQOS,MaxJobs,MaxSubmit,MaxTRES,MaxWall"
NO_ACCOUNTING = ("not running a supported accounting_storage plugin", "accounting storage is disabled")
NO_CLUSTER = "Could not establish a configuration source"
#: Kinds of nodes that are looked at closely.
KINDS = 40

#: {State of a partition: it takes jobs, it starts jobs}. Source: slurm.conf(5), partition State.
STATES: Mapping[str, tuple[bool, bool]] = {
    "UP": (True, True), "DOWN": (True, False), "DRAIN": (False, True), "INACTIVE": (False, False),
}


class SlurmSurveyor:
    """Asks Slurm's own commands."""

    commands = ("scontrol", "sinfo", "sbatch")

    def identify(self, within_s: float) -> Identity | None:
        """Return version and cluster's name; see ``ports.survey.Surveyor``."""
        try:
            return identity_of(Questions(within_s).answer("scontrol", "show", "config"))
        except Unavailable as error:
            # The programs are installed, and no cluster is.
            if NO_CLUSTER in error.why:
                return None
            raise

    def survey(self, within_s: float) -> Survey:
        """Return what Slurm says; see ``ports.survey.Surveyor``."""
        ask = Questions(within_s)
        asker = this_user()
        partitions = ask.answer("scontrol", "--all", "--oneliner", "show", "partition")
        configuration = ask.answer_if_any("scontrol", "show", "config")
        sinfo = ask.answer_if_any("sinfo", "--all", "--exact", "--noheader", f"--format={SINFO_FORMAT}")
        sample = representatives(sinfo, KINDS)
        nodes = ask.answer_if_any("scontrol", "--oneliner", "show", "node", ",".join(sample)) if sample else ""
        identity = identity_of(configuration)
        table = ("sacctmgr", "--parsable2")
        qos = ask.answer_if_any(*table, "show", "qos", f"format={QOS_COLUMNS}", quietly=NO_ACCOUNTING)
        accounts = ask.answer_if_any(
            *table, "show", "assoc", f"user={asker.user}", *([f"cluster={identity.cluster}"] if identity.cluster else []),
            f"format={ACCOUNT_COLUMNS}", quietly=NO_ACCOUNTING,
        )
        users = ask.answer_if_any(*table, "show", "user", asker.user, "format=User,DefaultAccount", quietly=NO_ACCOUNTING)
        return survey_of(
            asker, partitions=partitions, configuration=configuration, sinfo=sinfo, nodes=nodes, qos=qos, accounts=accounts, users=users,
            gaps=ask.gaps,
        )


def identity_of(configuration: str) -> Identity:
    """Return version and cluster of ``scontrol show config``."""
    said = configuration_of(configuration)
    return Identity(scheduler="slurm", version=said.get("SLURM_VERSION", ""), cluster=said.get("ClusterName", ""))


def survey_of(
    asker: Asker, *, partitions: str, configuration: str = "", sinfo: str = "", nodes: str = "", qos: str = "", accounts: str = "",
    users: str = "", gaps: Sequence[str] = (),
) -> Survey:
    """Return the survey that these outputs make; see SlurmSurveyor for the commands that print them.

    Raises:
        Unavailable: there is no partition in the answer.
    """
    records, odd = fields_of(partitions, "PartitionName")
    complete = [record for record in records if {"MaxTime", "State", "TotalNodes"} <= record.keys()]
    if not complete:
        raise Unavailable("'scontrol show partition' names no partition", why=" ".join(partitions.split())[:200])
    said = configuration_of(configuration)
    shown = {record["NodeName"]: record for record in fields_of(nodes, "NodeName")[0]}
    classes = {one.name: one for one in _classes(tables_of(qos))}
    mine = _accounts(tables_of(accounts), tables_of(users))
    kinds = kinds_of(sinfo, shown)
    enforced = said.get("AccountingStorageEnforce", "")
    cut_off = [f"scontrol show partition: cannot be read: {line[:80]}" for line in odd]
    cut_off += [f"scontrol show partition: {record['PartitionName']} is not told in full" for record in records if record not in complete]
    return Survey(
        identity=identity_of(configuration), user=asker.user, qos=tuple(classes.values()), accounts=mine,
        queues=tuple(_queue(record, kinds, classes, mine, asker) for record in complete),
        accounts_known=bool(accounts), account_required=("associations" in enforced or "limits" in enforced) if enforced else None,
        mpi="" if said.get("MpiDefault", "none") in ("none", "(null)") else said["MpiDefault"],
        requeues=said["JobRequeue"] == "1" if "JobRequeue" in said else None, gaps=(*gaps, *cut_off),
    )


def _queue(
    record: Mapping[str, str], kinds: Mapping[str, tuple[NodeKind, ...]], classes: Mapping[str, Qos], accounts: Sequence[Account],
    asker: Asker,
) -> SurveyedQueue:
    name = record["PartitionName"]
    takes, starts = STATES.get(record["State"].upper(), (True, True))
    has_nodes = record["TotalNodes"] != "0"
    qos = classes.get(record.get("QoS", ""), Qos(name=""))
    allowed = tuple(word for word in listed(record.get("AllowAccounts", "ALL")) if word != "ALL")
    queue = SurveyedQueue(
        name=name, is_default=record.get("Default") == "YES", takes_jobs=takes, starts_jobs=starts and has_nodes,
        state=record["State"] if has_nodes else f"{record['State']}, without nodes",
        min_nodes=max(filter(None, (number_of(record.get("MinNodes", "")), qos.min_nodes)), default=None),
        max_nodes=least([number_of(record.get("MaxNodes", "")), qos.max_nodes]),
        max_walltime_s=least([seconds_of(record["MaxTime"]), qos.max_walltime_s]),
        default_walltime_s=seconds_of(record.get("DefaultTime", "")), limits=qos.limits, accounts=allowed,
        refused_accounts=listed(record.get("DenyAccounts", "")),
        qos=tuple(word for word in listed(record.get("AllowQos", "ALL")) if word != "ALL"),
        exclusive=record["OverSubscribe"].startswith("EXCLUSIVE") if "OverSubscribe" in record else None,
        preemptible=record.get("PreemptMode", "OFF") not in ("OFF", "GANG"), nodes=kinds.get(name, ()),
    )
    return dataclasses.replace(queue, closed_to_me=_closed(record, queue, accounts, asker))


def _closed(record: Mapping[str, str], queue: SurveyedQueue, accounts: Sequence[Account], asker: Asker) -> str:
    groups = [group for group in listed(record.get("AllowGroups", "ALL")) if group != "ALL"]
    if record.get("RootOnly") == "YES" and asker.user != "root":
        return "for root only"
    if groups and not set(groups) & set(asker.groups) and asker.user != "root":
        return f"for the groups {', '.join(groups)}"
    if record.get("ReqResv") == "YES":
        return "needs a reservation"
    names = {account.name for account in accounts if account.queue in ("", queue.name)}
    if queue.accounts and accounts and not names & set(queue.accounts):
        return f"for the accounts {', '.join(queue.accounts)}"
    if queue.refused_accounts and accounts and names <= set(queue.refused_accounts):
        return f"not for the accounts {', '.join(queue.refused_accounts)}"
    mine = {qos for account in accounts for qos in account.qos}
    if queue.qos and mine and not mine & set(queue.qos):
        return f"for the QOS {', '.join(queue.qos)}"
    return ""


def _classes(rows: Sequence[Mapping[str, str]]) -> list[Qos]:
    preempts = {row["Name"]: listed(row.get("Preempt", "")) for row in rows if row.get("Name")}
    return [_qos(row, tuple(name for name, others in preempts.items() if row["Name"] in others)) for row in rows if row.get("Name")]


def _qos(row: Mapping[str, str], preempted_by: tuple[str, ...]) -> Qos:
    return Qos(
        name=row["Name"], min_nodes=_nodes(row.get("MinTRES", "")), max_nodes=_nodes(row.get("MaxTRES", "")),
        max_walltime_s=seconds_of(row.get("MaxWall", "")), preempted_by=preempted_by,
        limits=JobLimits(
            queued_per_user=number_of(row.get("MaxSubmitPU", "")), running_per_user=number_of(row.get("MaxJobsPU", "")),
            queued_per_project=number_of(row.get("MaxSubmitPA", "")), running_per_project=number_of(row.get("MaxJobsPA", "")),
        ),
    )


def _accounts(rows: Sequence[Mapping[str, str]], users: Sequence[Mapping[str, str]]) -> tuple[Account, ...]:
    default = next((row.get("Def Acct", "") for row in users), "")
    return tuple(
        Account(
            name=row["Account"], is_default=row["Account"] == default, queue=row.get("Partition", ""), qos=listed(row.get("QOS", "")),
            default_qos=row.get("Def QOS", ""), max_walltime_s=seconds_of(row.get("MaxWall", "")),
            limits=JobLimits(queued_per_user=number_of(row.get("MaxSubmit", "")), running_per_user=number_of(row.get("MaxJobs", ""))),
        )
        for row in rows if row.get("Account")
    )


def _nodes(resources: str) -> int | None:
    """Return the nodes in trackable resources such as ``cpu=4,node=2``."""
    found = re.search(r"(?:^|,)node=(\d+)", resources)
    return int(found.group(1)) if found else None
