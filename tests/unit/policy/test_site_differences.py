"""A site file against the live batch system: what is planted is found, and what would fail is told from what would not."""
from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from harvester_hpc.model.facility import BatchQueue, Facility, JobLimits, NodeBin, NodeShape
from harvester_hpc.model.surroundings import Detection
from harvester_hpc.policy.difference import Difference, clock_of
from harvester_hpc.policy.site_differences import differences
from harvester_hpc.ports.survey import Account, Identity, NodeKind, Qos, Survey, SurveyedQueue

KIND = NodeKind(count=10, usable=9, cores=64, memory_mb=256000, gpus=4, features=("gpu", "a100"))
LIVE = SurveyedQueue(name="batch", min_nodes=1, max_nodes=8, max_walltime_s=7200, nodes=(KIND,), limits=JobLimits(queued_per_user=5))
SURVEY = Survey(identity=Identity(scheduler="slurm", version="22", cluster="mine"), user="carol", queues=(LIVE,))
QUEUE = BatchQueue(name="batch", max_nodes=8, max_walltime_s=7200, limits=JobLimits(queued_per_user=5))
SITE = Facility(name="x", scheduler="slurm", queues=(QUEUE,), node=NodeShape(cores=64, memory_mb=256000, gpus=4))


def found(facility: Facility = SITE, survey: Survey = SURVEY) -> dict[str, Difference]:
    return {one.where: one for one in differences(facility, survey)}


def live(**changes: Any) -> Survey:
    return dataclasses.replace(SURVEY, queues=(dataclasses.replace(LIVE, **changes),))


def site(**changes: Any) -> Facility:
    return dataclasses.replace(SITE, queues=(dataclasses.replace(QUEUE, **changes),))


def test_a_file_that_is_true_has_no_difference() -> None:
    assert found() == {}


@pytest.mark.parametrize(
    ("survey", "where"),
    [
        (live(name="other"), "queues.batch"),
        (live(max_nodes=4), "queues.batch.maxNodes"),
        (live(min_nodes=2), "queues.batch.minNodes"),
        (live(max_walltime_s=3600), "queues.batch.maxWalltime"),
        (live(min_walltime_s=600), "queues.batch.minWalltime"),
        (live(closed_to_me="for the groups x"), "queues.batch"),
        (live(takes_jobs=False, state="DRAIN"), "queues.batch"),
        (live(only_routed=True), "queues.batch"),
        (live(nodes=(dataclasses.replace(KIND, cores=32),)), "node.cores"),
        (live(nodes=(dataclasses.replace(KIND, memory_mb=128000),)), "node.memoryMB"),
        (live(nodes=(dataclasses.replace(KIND, gpus=2),)), "node.gpus"),
        (live(nodes=(dataclasses.replace(KIND, count=3),)), "queues.batch.maxNodes"),
        (dataclasses.replace(SURVEY, identity=Identity(scheduler="pbs")), "scheduler"),
    ],
)
def test_what_would_make_submissions_fail_is_found(survey: Survey, where: str) -> None:
    difference = found(survey=survey)[where]
    assert difference.fails and difference.remedy


@pytest.mark.parametrize(
    ("survey", "where"),
    [
        (live(max_nodes=10), "queues.batch.maxNodes"),
        (live(max_walltime_s=9000), "queues.batch.maxWalltime"),
        (live(starts_jobs=False), "queues.batch"),
        (live(nodes=(dataclasses.replace(KIND, usable=0),)), "queues.batch"),
        (live(nodes=(dataclasses.replace(KIND, cores=128),)), "node.cores"),
        (live(limits=JobLimits(queued_per_user=3)), "queues.batch.limits.user.queued"),
        (dataclasses.replace(SURVEY, queues=(LIVE, SurveyedQueue(name="new"))), "queues"),
    ],
)
def test_what_would_not_is_told_as_a_note(survey: Survey, where: str) -> None:
    assert not found(survey=survey)[where].fails


def test_limits_that_nobody_tells_are_no_difference() -> None:
    assert found(survey=live(max_nodes=None, max_walltime_s=None, nodes=(), limits=JobLimits(), min_nodes=None)) == {}


def test_cpus_are_compared_where_cores_have_threads() -> None:
    threads = live(nodes=(dataclasses.replace(KIND, cores=32, threads_per_core=2),))
    assert "node.cores" not in found(survey=threads)
    assert "node.cores" not in found(dataclasses.replace(SITE, node=dataclasses.replace(SITE.node, cores=32, threads_per_core=2)), threads)


def test_an_account_that_may_not_be_charged_is_found() -> None:
    survey = dataclasses.replace(SURVEY, accounts=(Account(name="m1", is_default=True),), accounts_known=True, account_required=True)
    assert found(dataclasses.replace(SITE, account="m2"), survey)["account"].fails
    assert "account" not in found(dataclasses.replace(SITE, account="m1"), survey)
    assert "account" not in found(SITE, survey)
    assert found(SITE, dataclasses.replace(survey, accounts=(Account(name="m1"),)))["account"].fails


def test_a_queue_that_does_not_take_the_account_is_found() -> None:
    survey = live(accounts=("m9",))
    assert found(dataclasses.replace(SITE, account="m1"), survey)["queues.batch"].fails
    assert "queues.batch" not in found(dataclasses.replace(SITE, account="m9"), survey)
    assert "queues.batch" not in found(dataclasses.replace(site(attributes={"account": "m9"}), account="m1"), survey)


def test_a_qos_narrows_what_a_queue_allows_and_must_exist() -> None:
    survey = dataclasses.replace(SURVEY, qos=(Qos(name="debug", max_walltime_s=1800, max_nodes=1),))
    assert found(site(qos="debg"), survey)["queues.batch.qos"].remedy.endswith("(did you mean 'debug'?)")
    narrowed = found(site(qos="debug"), survey)
    assert narrowed["queues.batch.maxWalltime"].scheduler_says == "00:30:00"
    assert narrowed["queues.batch.maxNodes"].fails


def test_bins_are_held_against_the_queues_behind_a_routing_queue() -> None:
    small = SurveyedQueue(name="small", only_routed=True, max_nodes=4, max_walltime_s=3600)
    survey = dataclasses.replace(SURVEY, queues=(dataclasses.replace(LIVE, routes_to=("small",)), small))
    bins = (
        NodeBin(min_nodes=1, max_nodes=4, max_walltime_s=7200, queue="small"),
        NodeBin(min_nodes=5, max_nodes=8, max_walltime_s=60, queue="gone"),
    )
    differences_there = found(site(bins=bins), survey)
    assert differences_there["queues.batch.bins.0.maxWalltime"].fails
    assert differences_there["queues.batch.bins.1"].scheduler_says == "no such queue"
    assert "queues" not in differences_there


@pytest.mark.parametrize(("asked", "fails"), [("a100", False), ("gpu&a100", False), ("cpu", True), ("cpu|gpu", False), ("[a*2]", False)])
def test_a_constraint_that_no_node_has_is_found(asked: str, fails: bool) -> None:
    assert ("attributes.constraint" in found(dataclasses.replace(SITE, attributes={"constraint": asked}))) is fails


def test_another_machine_is_told() -> None:
    other = dataclasses.replace(SITE, detection=Detection(clusters=("perl*",)))
    assert found(other)["detect.clusters"].scheduler_says == "mine"


def test_a_queue_that_is_not_named_is_held_against_its_qos() -> None:
    survey = dataclasses.replace(SURVEY, qos=(Qos(name="regular", max_walltime_s=3600),))
    assert list(found(site(submit_to="", qos="regular"), survey)) == ["queues.batch.maxWalltime"]
    untold = found(site(submit_to="", qos="regular"))["queues.batch.qos"]
    assert not untold.fails and "not compared" in untold.scheduler_says
    other = dataclasses.replace(site(submit_to="", qos="regular"), attributes={"constraint": "haswell"})
    assert found(other, survey)["attributes.constraint"].fails


def test_without_name_and_qos_it_is_held_against_the_default_queue() -> None:
    assert found(site(submit_to="")).keys() == {"queues"}
    survey = live(is_default=True, max_walltime_s=60)
    assert found(site(submit_to=""), survey)["queues.batch.maxWalltime"].fails


@pytest.mark.parametrize(("seconds", "text"), [(0, "00:00:00"), (59, "00:00:59"), (86400, "24:00:00"), (129600 * 60, "2160:00:00")])
def test_walltimes_are_written_as_files_have_them(seconds: int, text: str) -> None:
    assert clock_of(seconds) == text
