"""The whole program and Slurm, one of them away: the controller is stopped, or the daemon is."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harvester_hpc.testing.slurm import Cluster
from tests.integration.conftest import IMPATIENT
from tests.integration.instance import Instance, gated, shell, times_begun, until
from tests.integration.slurm_site import queue, site

pytestmark = [pytest.mark.slurm, pytest.mark.slow]

MakeInstance = Callable[[Cluster], Instance]


@pytest.fixture
def instance_on(tmp_path: Path) -> Iterator[MakeInstance]:
    """Return what makes the one instance of a test on a cluster."""
    made: list[Instance] = []

    def make(slurm: Cluster) -> Instance:
        instance = Instance(tmp_path / "home", slurm.environment)
        made.append(instance)
        instance.make(site({"Q": queue(grace_s=2.0)}))
        return instance

    yield make
    for instance in made:
        instance.end()


def test_a_controller_that_is_away_fails_nothing(fresh_slurm: Cluster, instance_on: MakeInstance, tmp_path: Path) -> None:
    instance = instance_on(fresh_slurm)
    long, short, bad = instance.submit(*(shell(gated(tmp_path, name, then)) for name, then in NAMED_SCRIPTS))
    instance.serve()
    until(lambda: times_begun(tmp_path, "long", "short", "bad") == [1, 1, 1], lambda: f"the payloads begin\n{instance.log}")
    for job in (long, short, bad):
        instance.wait(job, {"running"})
    fresh_slurm.stop_controller()
    until(lambda: "monitor" in troubles(instance), lambda: f"the monitor has trouble\n{instance.log}")
    shown = instance("status", code=5).stdout
    assert "Unable to contact slurm controller" in shown
    # Ends that letters settle are settled meanwhile; a new worker is planned, and its submission has no known end.
    (tmp_path / "short").touch()
    (tmp_path / "bad").touch()
    late = instance.shell(gated(tmp_path, "late"))
    until(lambda: "submission without a known end" in instance.log, lambda: f"a worker is submitted\n{instance.log}")
    assert instance.wait(short) == "finished"
    assert [instance.state(job) for job in (long, late)] == ["running", "submitted"]
    fresh_slurm.start_controller()
    (tmp_path / "long").touch()
    (tmp_path / "late").touch()
    assert [instance.wait(job) for job in (long, late, bad)] == ["finished", "finished", "failed"]
    assert times_begun(tmp_path, "long", "short", "bad", "late") == [1, 1, 1, 1]
    until(lambda: troubles(instance) == {}, lambda: f"the troubles end\n{instance.log}")
    assert instance.json("status", code=0)["status"] == "fine"


NAMED_SCRIPTS = (("long", "true"), ("short", "true"), ("bad", "exit 5"))


def troubles(instance: Instance) -> dict[str, str]:
    """Return {agent: why} of what does not work."""
    return {str(agent): str(why) for agent, why in instance.query("SELECT agent, why FROM trouble")}


@pytest.mark.parametrize("remembered", [True, False], ids=["remembered", "forgotten"])
def test_jobs_that_ended_while_the_daemon_was_down_are_found(
    slurm_programs: None, instance_on: MakeInstance, tmp_path: Path, remembered: bool
) -> None:
    settings = {**IMPATIENT, "MinJobAge": "300" if remembered else "2"}
    with Cluster(tmp_path / "slurm", settings=settings) as slurm:
        instance = instance_on(slurm)
        scripts = {"good": "echo done > out.txt", "bad": "echo 'bad weather' >&2; exit 5", "cancelled": "true"}
        good, bad, cancelled = instance.submit(
            *(shell(gated(tmp_path, name, then), outputs=["out.txt"] if name == "good" else []) for name, then in scripts.items())
        )
        instance.serve()
        until(lambda: times_begun(tmp_path, *scripts) == [1, 1, 1], lambda: f"the payloads begin\n{instance.log}")
        for job in (good, bad, cancelled):
            instance.wait(job, {"running"})
        assert instance.stop() == 0
        assert len(slurm.run(["squeue", "--noheader"]).stdout.splitlines()) == 3
        (tmp_path / "good").touch()
        (tmp_path / "bad").touch()
        slurm.run(["scancel", instance.batch_id(cancelled)])
        listed = ["squeue", "--noheader", *([] if remembered else ["--states=all"])]
        until(lambda: slurm.run(listed).stdout == "", lambda: slurm.run(listed).stdout)
        assert {instance.state(job) for job in (good, bad, cancelled)} == {"running"}
        instance.serve()
        assert [instance.wait(job) for job in (good, bad)] == ["finished", "failed"]
        assert instance.why(bad) == "exit code 5: bad weather"
        # Who ended it, Slurm knows as long as it remembers; the payload knows its signal.
        assert instance.wait(cancelled) == ("cancelled" if remembered else "failed")
        assert ("cancelled from outside" if remembered else "SIGTERM") in instance.why(cancelled)
        output = instance.query("SELECT url FROM file WHERE job_id = ? AND kind = 'output'", good)[0][0]
        assert Path(str(output).removeprefix("file://")).read_text() == "done\n"
        assert times_begun(tmp_path, *scripts) == [1, 1, 1]
        instance.end()
