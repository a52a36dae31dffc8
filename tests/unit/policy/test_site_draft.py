"""What a first site file has of the queues of a live batch system."""
from __future__ import annotations

from typing import Any

from harvester_hpc.policy.site_draft import QueueDraft, drafts
from harvester_hpc.ports.survey import Account, Identity, NodeKind, Qos, Survey, SurveyedQueue

KIND = NodeKind(count=4, usable=4, cores=8, memory_mb=1000)


def of(*queues: SurveyedQueue, **more: Any) -> dict[str, QueueDraft]:
    survey = Survey(identity=Identity(scheduler="slurm"), queues=queues, **more)
    return {draft.queue.name: draft for draft in drafts(survey)}


def test_the_default_comes_first_and_what_is_of_no_use_last() -> None:
    queues = (
        SurveyedQueue(name="closed", closed_to_me="no"), SurveyedQueue(name="debug"), SurveyedQueue(name="long"),
        SurveyedQueue(name="main", is_default=True), SurveyedQueue(name="down", starts_jobs=False),
        SurveyedQueue(name="behind", only_routed=True),
    )
    made = of(*queues)
    assert list(made) == ["main", "long", "debug", "closed", "down", "behind"]
    assert [name for name, draft in made.items() if draft.why_not] == ["closed", "down", "behind"]


def test_a_default_that_cannot_be_used_is_not_the_first() -> None:
    assert next(iter(of(SurveyedQueue(name="main", is_default=True, takes_jobs=False), SurveyedQueue(name="other")))) == "other"


def test_nodes_limit_a_queue_that_says_nothing_of_them() -> None:
    made = of(SurveyedQueue(name="a", nodes=(KIND,)), SurveyedQueue(name="b", nodes=(KIND,), max_nodes=2))
    assert (made["a"].allowed.max_nodes, made["a"].allowed.by_nodes) == (4, True)
    assert (made["b"].allowed.max_nodes, made["b"].allowed.by_nodes) == (2, False)


def test_the_smallest_nodes_that_serve_are_what_all_have() -> None:
    big, dead = NodeKind(count=1, usable=1, cores=64, memory_mb=9000), NodeKind(count=1, usable=0, cores=1)
    assert of(SurveyedQueue(name="a", nodes=(big, KIND, dead)))["a"].node == KIND
    assert of(SurveyedQueue(name="a", nodes=(dead,)))["a"].node == dead


def test_limits_of_the_default_qos_hold() -> None:
    made = of(
        SurveyedQueue(name="a", max_walltime_s=9000), qos=(Qos(name="short", max_walltime_s=60),),
        accounts=(Account(name="m", is_default=True, default_qos="short", qos=("short",)),),
    )
    assert made["a"].allowed.max_walltime_s == 60


def test_a_queue_for_another_account_or_qos_names_them() -> None:
    accounts = (
        Account(name="m", is_default=True, qos=("normal",), default_qos="normal"),
        Account(name="m_g", qos=("gpu", "normal"), default_qos="normal"),
    )
    made = of(
        SurveyedQueue(name="a"), SurveyedQueue(name="gpu", refused_accounts=("m",), qos=("gpu",)),
        SurveyedQueue(name="no", accounts=("x",)), accounts=accounts,
    )
    assert (made["a"].account, made["a"].qos) == ("", "")
    assert (made["gpu"].account, made["gpu"].qos) == ("m_g", "gpu")
    assert made["no"].why_not == "it takes none of your accounts"


def test_queues_behind_a_routing_queue_are_its_bins() -> None:
    made = of(
        SurveyedQueue(name="prod", is_default=True, routes_to=("large", "small", "gone", "vague")),
        SurveyedQueue(name="large", only_routed=True, min_nodes=25, max_nodes=99, max_walltime_s=7200),
        SurveyedQueue(name="small", only_routed=True, min_nodes=10, max_nodes=24, max_walltime_s=3600),
        SurveyedQueue(name="vague", only_routed=True),
    )
    assert [(name, may.min_nodes, may.max_nodes) for name, may in made["prod"].behind] == [("small", 10, 24), ("large", 25, 99)]
