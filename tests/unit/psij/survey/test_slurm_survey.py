"""What is read of a Slurm that describes itself: recorded answers, and answers that no Slurm should give."""
from __future__ import annotations

from pathlib import Path

import pytest

from harvester_hpc.errors import Unavailable
from harvester_hpc.model.facility import JobLimits
from harvester_hpc.ports.survey import NodeKind, Survey
from harvester_psij.survey.questions import Asker
from harvester_psij.survey.slurm import identity_of, survey_of
from harvester_psij.survey.slurm_forms import first_node, gpus_of, kinds_of, seconds_of, serves

RECORDED = Path(__file__).parent / "recorded"
ALICE = Asker(user="alice", groups=("users",))
PARTITION = (
    "PartitionName={name} AllowGroups=ALL AllowAccounts=ALL AllowQos=ALL Default=NO QoS=N/A MaxNodes=UNLIMITED MaxTime=1:00:00 MinNodes=0"
    " OverSubscribe=NO State=UP TotalCPUs=8 TotalNodes=2\n"
)


def recorded(name: str) -> str:
    return (RECORDED / f"slurm-{name}-22.05.8.txt").read_text()


def whole(asker: Asker = ALICE) -> Survey:
    return survey_of(
        asker, partitions=recorded("partitions"), configuration=recorded("config"), sinfo=recorded("sinfo"), nodes=recorded("nodes"),
        qos=recorded("qos"), accounts=recorded("assoc"), users=recorded("user"),
    )


def test_every_recorded_partition_is_read() -> None:
    survey = whole()
    assert [queue.name for queue in survey.queues] == ["batch", "debug", "cpu", "gpu", "closed", "drain", "admins", "empty", "ops"]
    assert survey.gaps == ()
    assert (survey.identity.version, survey.mpi, survey.requeues, survey.account_required) == ("22.05.8", "pmi2", True, True)


def test_limits_of_the_partition_and_of_its_qos_hold_together() -> None:
    queue = whole().queue("cpu")
    assert queue is not None
    assert (queue.min_nodes, queue.max_nodes, queue.max_walltime_s) == (1, 2, 12 * 3600)
    assert queue.limits == JobLimits(queued_per_user=50, running_per_user=10)


def test_nodes_are_counted_by_kind_whatever_their_state() -> None:
    queue = whole().queue("batch")
    assert queue is not None and queue.is_default
    assert queue.nodes == (NodeKind(count=3, usable=2, cores=4, memory_mb=4000, gpus=2),)
    assert queue.node_count == 3


@pytest.mark.parametrize(
    ("name", "takes", "starts", "why"),
    [
        ("batch", True, True, ""), ("closed", True, False, ""), ("drain", False, True, ""), ("empty", True, False, ""),
        ("admins", True, True, "for root only"), ("ops", True, True, "for the groups shadow"),
    ],
)
def test_a_partition_says_who_may_use_it_and_when(name: str, takes: bool, starts: bool, why: str) -> None:
    queue = whole().queue(name)
    assert queue is not None
    assert (queue.takes_jobs, queue.starts_jobs, queue.closed_to_me) == (takes, starts, why)


def test_a_group_opens_a_partition() -> None:
    queue = whole(Asker(user="alice", groups=("shadow",))).queue("ops")
    assert queue is not None and queue.is_usable


def test_accounts_qos_and_defaults_are_those_of_the_user() -> None:
    survey = whole()
    assert [account.name for account in survey.accounts if account.is_default] == ["m1234"]
    other = next(account for account in survey.accounts if account.name == "m1234_g")
    assert (other.qos, other.default_qos, other.limits) == (
        ("preempt", "regular"), "regular", JobLimits(queued_per_user=20, running_per_user=8),
    )
    assert next(one for one in survey.qos if one.name == "preempt").preempted_by == ("regular",)


def test_an_account_that_a_partition_refuses_does_not_open_it() -> None:
    only = "Cluster|Account|User|Partition|QOS|Def QOS|MaxJobs|MaxSubmit|MaxTRES|MaxWall\nc|m1234|alice||normal,regular|regular||||\n"
    queue = survey_of(ALICE, partitions=recorded("partitions"), accounts=only).queue("gpu")
    assert queue is not None and queue.closed_to_me == "not for the accounts m1234"


def test_without_accounting_nothing_is_said_of_accounts() -> None:
    survey = survey_of(ALICE, partitions=recorded("partitions"), configuration=recorded("config").replace("associations,", ""))
    assert (survey.accounts, survey.accounts_known) == ((), False)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30", 1800), ("30:15", 1815), ("01:00:00", 3600), ("1-00:00:00", 86400), ("2-12", 216000), ("1-01:30", 91800),
        ("UNLIMITED", None), ("NONE", None), ("infinite", None), ("", None), ("1:2:3:4", None), ("-1", None), ("١", None),
    ],
)
def test_times_are_read_as_sbatch_reads_them(text: str, seconds: int | None) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize(
    ("names", "first"), [("n1", "n1"), ("n[1-3]", "n1"), ("nid[001-003,007],x1", "nid001"), ("r[01-02]n", "r01n"), ("", ""), ("[", "")]
)
def test_the_first_of_a_list_of_nodes(names: str, first: str) -> None:
    assert first_node(names) == first


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("(null)", ("", 0)), ("gpu:2", ("", 2)), ("gpu:a100:4(S:0-1)", ("a100", 4)), ("craynetwork:4,gpu:mi250:8", ("mi250", 8)),
        ("gpu:a100:2(S:0),gpu:a100:2(S:1)", ("a100", 4)), ("gpu", ("", 0)), ("shard:8", ("", 0)),
    ],
)
def test_gpus_are_read_from_generic_resources(text: str, found: tuple[str, int]) -> None:
    assert gpus_of(text) == found


@pytest.mark.parametrize(
    ("state", "is_serving"),
    [("idle", True), ("mixed", True), ("allocated", True), ("idle~", True), ("planned", True), ("down", False), ("idle*", False),
     ("drained", False), ("draining", False), ("maint", False), ("unknown", False)],
)
def test_a_node_that_is_down_or_silent_does_not_serve(state: str, is_serving: bool) -> None:
    assert serves(state) is is_serving


def test_reserved_threads_are_no_cores_for_jobs() -> None:
    sinfo = "batch|9000|128|2|512000|gpu:mi250:8|(null)|idle|frontier[00001-09000]\n"
    shown = {"frontier00001": {"CPUTot": "128", "CPUEfctv": "112"}}
    (kind,) = kinds_of(sinfo, shown)["batch"]
    assert (kind.cores, kind.reserved_cores, kind.threads_per_core, kind.count) == (56, 8, 2, 9000)


@pytest.mark.parametrize("text", ["", "\n", "slurm_load_partitions: Unable to contact slurm controller\n", "PartitionName=x\n", "\x00\n"])
def test_an_answer_without_a_partition_is_no_answer(text: str) -> None:
    with pytest.raises(Unavailable):
        survey_of(ALICE, partitions=text)


def test_half_an_answer_costs_the_partition_that_was_cut_off() -> None:
    text = PARTITION.format(name="a") + PARTITION.format(name="b")
    survey = survey_of(ALICE, partitions=text[: text.index("MaxTime", len(PARTITION))])
    assert [queue.name for queue in survey.queues] == ["a"]


def test_an_unknown_line_costs_only_itself_and_is_told() -> None:
    survey = survey_of(ALICE, partitions="warning: something\n" + PARTITION.format(name="a") + "PartitionName=odd State=UP\n")
    assert [queue.name for queue in survey.queues] == ["a"]
    assert any("something" in gap for gap in survey.gaps) and any("odd" in gap for gap in survey.gaps)


def test_an_unknown_state_of_a_partition_keeps_nobody_out() -> None:
    queue = survey_of(ALICE, partitions=PARTITION.format(name="a").replace("State=UP", "State=FUTURE")).queue("a")
    assert queue is not None and queue.is_usable and queue.state == "FUTURE"


def test_a_thousand_partitions_are_read() -> None:
    sinfo = "".join(f"p{number}|2|8|1|1000|(null)|(null)|idle|n[1-2]\n" for number in range(1000))
    survey = survey_of(ALICE, partitions="".join(PARTITION.format(name=f"p{number}") for number in range(1000)), sinfo=sinfo)
    assert len(survey.queues) == 1000
    assert all(queue.node_count == 2 for queue in survey.queues)


@pytest.mark.parametrize("text", ["", "no table", "A|B\n1\n", "sacctmgr: error: x\n", "Name|MaxWall\nx|y|z\n|\n"])
def test_odd_tables_of_the_accounting_say_nothing(text: str) -> None:
    survey = survey_of(ALICE, partitions=PARTITION.format(name="a"), qos=text, accounts=text, users=text)
    assert survey.accounts == () and survey.qos == ()


def test_a_warning_before_a_table_is_passed_over() -> None:
    survey = survey_of(ALICE, partitions=PARTITION.format(name="a"), qos="sacctmgr: warning: slow today\n" + recorded("qos"))
    assert [one.name for one in survey.qos] == ["normal", "regular", "debug", "preempt"]


def test_a_slurm_without_a_name_is_still_a_slurm() -> None:
    assert identity_of("").scheduler == "slurm"
