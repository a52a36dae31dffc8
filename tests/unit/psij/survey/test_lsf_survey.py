"""What is read of an LSF that describes itself."""
from __future__ import annotations

from pathlib import Path

import pytest

from harvester_hpc.errors import Unavailable
from harvester_hpc.ports.survey import NodeKind, Survey
from harvester_psij.survey.lsf import identity_of, survey_of
from harvester_psij.survey.questions import Asker

RECORDED = Path(__file__).parent / "recorded"


def recorded(name: str) -> str:
    return (RECORDED / f"lsf-{name}.txt").read_text()


def lsf(user: str = "carol", queues: str = "") -> Survey:
    return survey_of(
        Asker(user=user), queues=queues or recorded("queues"), identity=recorded("lsid"), hosts=recorded("bhosts"),
        shapes=recorded("lshosts"), parameters=recorded("bparams"),
    )


def test_every_queue_is_read() -> None:
    survey = lsf()
    assert [queue.name for queue in survey.queues] == ["normal", "batch-hm", "owners"]
    assert (survey.identity.cluster, survey.identity.version) == ("summit", "10.1.0.9")


def test_limits_are_the_maximum_and_not_the_default_ones() -> None:
    queue = lsf().queue("normal")
    assert queue is not None and queue.is_default
    assert (queue.max_walltime_s, queue.default_walltime_s, queue.max_nodes) == (240 * 60, 600, 4)


@pytest.mark.parametrize(
    ("name", "takes", "starts", "is_mine"), [("normal", True, True, True), ("batch-hm", True, False, False), ("owners", False, True, True)]
)
def test_a_queue_says_who_may_use_it_and_when(name: str, takes: bool, starts: bool, is_mine: bool) -> None:
    queue = lsf().queue(name)
    assert queue is not None
    assert (queue.takes_jobs, queue.starts_jobs, not queue.closed_to_me) == (takes, starts, is_mine)


def test_a_user_who_is_named_may_use_a_queue() -> None:
    queue = lsf(user="alice").queue("batch-hm")
    assert queue is not None and not queue.closed_to_me
    assert queue.preemptible and queue.limits.running_per_user == 4 and queue.max_walltime_s == 86400


def test_clients_are_no_nodes() -> None:
    queue = lsf().queue("normal")
    assert queue is not None
    assert queue.nodes == (NodeKind(count=3, usable=2, cores=4, memory_mb=15667),)


@pytest.mark.parametrize("text", ["", "\n", "LSF is down. Please wait ...\n", "QUEUE: a\n", "QUEUE: a"])
def test_an_answer_without_a_queue_is_no_answer(text: str) -> None:
    with pytest.raises(Unavailable):
        survey_of(Asker(user="carol"), queues=text)


def test_half_an_answer_costs_the_queue_that_was_cut_off() -> None:
    text = recorded("queues")
    survey = lsf(queues=text[: text.index("40   20  Open:Inact")])
    assert [queue.name for queue in survey.queues] == ["normal"]
    assert survey.gaps == ("bqueues -l: batch-hm is not told in full",)


def test_another_program_s_words_name_no_version() -> None:
    assert identity_of("lsid: command not found\n").version == ""
