"""No two workers share a folder, and cleaning up cannot do harm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.config.instance import ENVIRON, loaded, of_queue, problems


def at(template: str) -> dict[str, Any]:
    return {"messenger": {"accessPoint": template}}


@pytest.mark.parametrize(
    ("template", "point", "root"),
    [
        ("$SCRATCH/w/${workerID}", "/nowhere/scratch/me/w/${workerID}", "/nowhere/scratch/me/w"),
        ("${workDir}/x/w${workerID}/sub", "{home}/work/x/w${workerID}/sub", "{home}/work/x"),
        ("/nowhere/${harvesterID}/${queueName}-${computingSite}/${workerID}", "/nowhere/me/Q-Q/${workerID}", "/nowhere/me/Q-Q"),
        ("rel/${workerID}", "{home}/rel/${workerID}", "{home}/rel"),
        ("//nowhere//w/./${workerID}/", "/nowhere/w/${workerID}", "/nowhere/w"),
    ],
)
def test_a_template_is_resolved_up_to_the_worker(tmp_path: Path, template: str, point: str, root: str) -> None:
    queue = loaded(tmp_path, {"instance": "me", "queues": {"Q": at(template)}}).queues["Q"].queue
    assert queue.access_point == point.replace("{home}", str(tmp_path))
    assert queue.access_root == root.replace("{home}", str(tmp_path))


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("/nowhere/w", "must have ${workerID}: two workers must never use the same folder"),
        ("/nowhere/w/${workerID}/../x", "must not have '..'"),
        ("/nowhere/${workerID}/..", "must not have '..'"),
        ("/nowhere/${batchID}/${workerID}", "the environment has no variable batchID"),
        ("/nowhere/${SRCDIR}/${workerID}", "${SRCDIR} is not known when the folder is made; there is: ${workerID}, ${workDir}"),
        ("/nowhere/${_batchID_3.2}/${workerID}", "${_batchID_3.2} is not known when the folder is made"),
        ("/nowhere/${_workerID_3.2}", "must have ${workerID}"),
        ("/${workerID}", "lies directly in /"),
        ("//${workerID}", "lies directly in /"),
        ("/nowhere/../${workerID}", "must not have '..'"),
        ("~/${workerID}", "lies directly in /nowhere/people/me, which is or holds your home directory"),
        ("$HOME/w${workerID}", "lies directly in /nowhere/people/me, which is or holds your home directory"),
        ("/nowhere/${workerID}", "lies directly in /nowhere, which is or holds your home directory"),
        ("state/${workerID}", "which is or holds the state folder"),
        ("${workerID}", "which is or holds the state folder"),
        ("", "must not be empty"),
        (5, "must be text"),  # type: ignore[list-item]
    ],
)
def test_a_folder_that_could_do_harm_is_refused(tmp_path: Path, template: str, said: str) -> None:
    lines = of_queue(tmp_path, at(template))
    assert lines, template
    assert all(line.startswith("messenger.accessPoint: ") for line in lines)
    assert any(said in line for line in lines), lines


def test_a_link_does_not_hide_the_state_folder_or_home(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "people" / "me").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "state")
    (tmp_path / "people_link").symlink_to(tmp_path / "people")
    environ = {**ENVIRON, "HOME": str(tmp_path / "people" / "me")}
    lines = problems(tmp_path, {"queues": {"A": at("link/${workerID}"), "B": at("people_link/${workerID}")}}, environ=environ)
    assert ["the state folder" in line for line in lines] == [True, False]
    assert "home directory" in lines[1]


def test_folders_inside_of_home_and_beside_the_state_folder_are_fine(tmp_path: Path) -> None:
    environ = {**ENVIRON, "HOME": str(tmp_path)}
    queues = {"A": at("~/w/${workerID}"), "B": at("statex/${workerID}"), "C": at("state/w/${workerID}")}
    assert problems(tmp_path, {"queues": queues}, environ=environ) == []


def test_two_queues_never_have_the_same_root(tmp_path: Path) -> None:
    (line,) = problems(tmp_path, {"queues": {"A": at("/nowhere/w/${workerID}"), "B": at("/nowhere//w/x${workerID}")}})
    assert line.removeprefix("harvester.json: queues.B.messenger.accessPoint: ") == (
        "queue A has its workers in the same folder, /nowhere/w; add ${queueName} to one of them"
    )
    apart = at("/nowhere/w/${queueName}/${workerID}")
    assert problems(tmp_path, {"queues": {"A": apart, "B": apart}}) == []


def test_a_root_from_the_facilitys_defaults_may_not_be_shared_either(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    lines = problems(tmp_path, {"queues": {"A": at("real/${workerID}"), "B": at("link/${workerID}"), "C": {}, "D": {}}})
    assert [line.split(".")[2] for line in lines] == ["B"]


@pytest.mark.parametrize(
    ("one", "other"),
    [("/nowhere/w/${workerID}", "/nowhere/w/12/${workerID}"), ("/nowhere/x/w${workerID}/a", "/nowhere/x/w1/a/b/${workerID}")],
)
def test_no_queue_lives_in_a_folder_that_a_worker_of_another_may_get(tmp_path: Path, one: str, other: str) -> None:
    for first, second in ((one, other), (other, one)):
        (line,) = problems(tmp_path, {"queues": {"A": at(first), "B": at(second)}})
        assert "keep them apart" in line
    assert problems(tmp_path, {"queues": {"A": at("/nowhere/w/${workerID}"), "B": at("/nowhere/w/x12/${workerID}")}}) == []
