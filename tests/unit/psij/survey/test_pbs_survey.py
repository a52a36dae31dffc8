"""What is read of a PBS or a Torque that describes itself."""
from __future__ import annotations

from pathlib import Path

import pytest

from harvester_hpc.errors import Unavailable
from harvester_hpc.model.facility import JobLimits
from harvester_hpc.ports.survey import NodeKind, Survey
from harvester_psij.survey.pbs import identity_of, survey_of
from harvester_psij.survey.pbs_forms import blocks, json_nodes, limit_of, megabytes_of, seconds_of
from harvester_psij.survey.questions import Asker

RECORDED = Path(__file__).parent / "recorded"
CAROL = Asker(user="carol", groups=("users",))


def recorded(name: str) -> str:
    return (RECORDED / name).read_text()


def pbs(asker: Asker = CAROL, queues: str = "") -> Survey:
    return survey_of(
        "pbs", asker, queues=queues or recorded("pbs-queues.txt"), servers=recorded("pbs-server.txt"),
        nodes=json_nodes(recorded("pbs-nodes.json")), settings=recorded("pbs-settings.txt"),
    )


def test_every_queue_is_read_over_lines_that_go_on() -> None:
    survey = pbs()
    assert [queue.name for queue in survey.queues] == ["debug", "prod", "small", "medium", "large", "training", "R6140945"]
    assert (survey.identity.cluster, survey.identity.version) == ("pbs-01", "2022.1.1.20220926110806")
    assert [queue.name for queue in survey.queues if queue.is_default] == ["debug"]


def test_a_routing_queue_names_those_behind_it() -> None:
    survey = pbs()
    prod, small = survey.queue("prod"), survey.queue("small")
    assert prod is not None and small is not None
    assert prod.routes_to == ("small", "medium", "large") and not prod.only_routed
    assert small.only_routed and small.max_walltime_s == 3 * 3600 and (small.min_nodes, small.max_nodes) == (10, 24)
    assert prod.limits == JobLimits(queued_per_project=100)
    assert prod.node_count == 4


def test_limits_of_a_queue_are_those_of_the_user() -> None:
    debug = pbs().queue("debug")
    assert debug is not None
    assert debug.limits == JobLimits(queued_per_user=8, running_per_user=1, eligible_per_user=1)
    assert (debug.min_walltime_s, debug.max_walltime_s) == (300, 3600)


def test_nodes_are_those_that_the_queue_asks_for() -> None:
    debug = pbs().queue("debug")
    assert debug is not None
    assert debug.nodes == (NodeKind(count=4, usable=3, cores=64, memory_mb=515305, gpus=4),)


@pytest.mark.parametrize(
    ("asker", "name", "is_open"),
    [
        (CAROL, "training", False), (Asker(user="alice", groups=("teachers",)), "training", True),
        (Asker(user="alice", groups=("users",)), "training", False), (CAROL, "R6140945", True), (Asker(user="dan"), "R6140945", False),
    ],
)
def test_lists_and_limits_say_who_may_use_a_queue(asker: Asker, name: str, is_open: bool) -> None:
    queue = pbs(asker).queue(name)
    assert queue is not None and (not queue.closed_to_me) is is_open


def test_a_walltime_of_the_server_holds_where_the_queue_has_none() -> None:
    queue = pbs().queue("training")
    assert queue is not None and queue.max_walltime_s == 72 * 3600 and not queue.starts_jobs


def test_torque_is_told_from_pbs() -> None:
    assert identity_of(recorded("torque-server.txt")).scheduler == "pbs_classic"
    assert identity_of(recorded("pbs-server.txt")).scheduler == "pbs"


def test_a_torque_is_read() -> None:
    survey = survey_of(
        "pbs_classic", CAROL, queues=recorded("torque-queues.txt"), servers=recorded("torque-server.txt"),
        nodes=blocks(recorded("torque-nodes.txt"), ""),
    )
    (queue,) = survey.queues
    assert (queue.is_default, queue.max_nodes, queue.max_walltime_s, queue.default_walltime_s) == (True, 8, 172800, 3600)
    assert queue.limits == JobLimits(queued_per_user=40, running_per_user=10)
    assert queue.nodes == (NodeKind(count=2, usable=1, cores=16, memory_mb=64412, gpus=2, features=("bigmem", "ib")),)


def test_nodes_are_read_as_text_where_they_are_no_json() -> None:
    assert json_nodes("{\"nodes\": {broken") == {}
    nodes = blocks(recorded("pbs-nodes.txt"), "")
    text = "Queue: workq\n    queue_type = Execution\n    enabled = True\n    started = True\n"
    (queue,) = survey_of("pbs", CAROL, queues=text, nodes=nodes).queues
    assert queue.nodes == (NodeKind(count=2, usable=1, cores=4, memory_mb=7859),)


@pytest.mark.parametrize(
    ("text", "kind", "found"),
    [
        ("[u:PBS_GENERIC=4],[u:carol=9]", "u", 9), ("[u:carol=2,u:PBS_GENERIC=4]", "u", 2), ("[u:bob=2]", "u", None),
        ("[o:PBS_ALL=50]", "o", 50), ("[p:PBS_GENERIC=10]", "u", None), ("", "u", None), ("7", "u", None),
        ('[g:"users"=3],[g:PBS_GENERIC=1]', "g", 3), ("[u:x=", "u", None),
    ],
)
def test_ones_own_limit_goes_before_that_of_all(text: str, kind: str, found: int | None) -> None:
    assert limit_of(text, kind, CAROL) == found


@pytest.mark.parametrize(
    ("text", "seconds"), [("72:00:00", 259200), ("30:00", 1800), ("600", 600), ("", None), ("1:x", None), ("1:2:3:4", None)]
)
def test_walltimes_are_read(text: str, seconds: int | None) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize(
    ("text", "megabytes"), [("527672488kb", 515305), ("128gb", 131072), ("1tb", 1048576), ("", 0), ("lots", 0), ("1048576b", 1)]
)
def test_sizes_are_read(text: str, megabytes: int) -> None:
    assert megabytes_of(text) == megabytes


@pytest.mark.parametrize(
    "text", ["", "\n", "qstat: cannot connect to server pbs (errno=15010)\n", "Queue: a\n", "Queue: a\n    enabled = Tr"]
)
def test_an_answer_without_a_queue_is_no_answer(text: str) -> None:
    with pytest.raises(Unavailable):
        survey_of("pbs", CAROL, queues=text)


def test_half_an_answer_costs_the_queue_that_was_cut_off() -> None:
    text = recorded("pbs-queues.txt")
    survey = pbs(queues=text[: text.index("from_route_only", text.index("Queue: medium"))])
    assert [queue.name for queue in survey.queues] == ["debug", "prod", "small"]


def test_a_warning_before_the_answer_is_passed_over() -> None:
    survey = pbs(queues="qstat: warning: slow\n" + recorded("pbs-queues.txt"))
    assert len(survey.queues) == 7
