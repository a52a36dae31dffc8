"""The whole program on this machine: one process a store, signals, crashes, rounds by cron, and a store that cannot be used."""
from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.integration.instance import PROGRAM, Instance, gated, shell, times_begun, until

#: A preparator that waits in the middle of a round until the test lets it go on.
SLOW = """
import os
import threading
from pathlib import Path

from harvester_local.preparator import LocalPreparator


class Slow(LocalPreparator):
    def trigger_preparation(self, job):
        gate = Path(os.environ["GATE"])
        gate.with_suffix(".reached").touch()
        while not gate.exists():
            threading.Event().wait(0.02)
        return super().trigger_preparation(job)
"""
LOCAL = {"extends": "local", "instance": "tests", "queues": {"Q": {"pollInterval": 0.5}}}


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Instance]:
    with Instance(tmp_path / "home") as one:
        one.make(LOCAL)
        yield one


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[Instance]:
    """An instance whose preparator waits for the file ``gate``, and touches ``gate.reached`` before."""
    (tmp_path / "slow_preparator.py").write_text(SLOW)
    with Instance(tmp_path / "home", {"PYTHONPATH": str(tmp_path), "GATE": str(tmp_path / "gate")}) as one:
        one.make({**LOCAL, "queues": {"Q": {"pollInterval": 0.5, "preparator": {"module": "slow_preparator", "name": "Slow"}}}})
        yield one


def running(instance: Instance, folder: Path) -> int:
    """Hand in a job that waits for the file ``go``; return its number when its payload has begun and it runs."""
    job = instance.shell(gated(folder))
    until(lambda: times_begun(folder, "go") == [1], lambda: f"the payload begins\n{instance.log}")
    instance.wait(job, {"running"})
    return job


# -- one process a store -----------------------------------------------------------------------------


@pytest.mark.parametrize("words", [("run",), ("run", "--once")], ids=" ".join)
def test_a_second_process_is_refused_and_told_who_holds_the_store(instance: Instance, words: tuple[str, ...]) -> None:
    instance.serve()
    assert instance.process is not None
    refused = instance(*words, code=75)
    what = next(line for line in refused.stderr.splitlines() if line.startswith("error: "))
    assert str(instance.store) in what
    assert f"held by {os.uname().nodename.partition('.')[0]}" in what
    assert f"process {instance.process.pid}, since 20" in what
    # The first one goes on as if nothing had been.
    assert instance.wait(instance.shell("true")) == "finished"


def test_of_several_that_start_at_once_one_serves(instance: Instance) -> None:
    rivals = [subprocess.Popen([*PROGRAM, "run", "--quiet"], env=instance.environment, stderr=subprocess.DEVNULL) for _ in range(4)]
    try:
        until(lambda: sum(rival.poll() is not None for rival in rivals) == 3, lambda: f"three of four give up\n{instance.log}")
        assert sorted(rival.returncode for rival in rivals if rival.poll() is not None) == [75, 75, 75]
        assert instance.wait(instance.shell("true")) == "finished"
    finally:
        for rival in rivals:
            rival.kill()
            rival.wait()


# -- signals and crashes -----------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_the_first_signal_finishes_the_round_under_way(slow: Instance, tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "in.txt").touch()
    job = slow.shell("true", inputs=[str(tmp_path / "in.txt")])
    process = slow.start()
    until((tmp_path / "gate.reached").exists, lambda: f"the preparator is at it\n{slow.log}")
    process.send_signal(number)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1.0)
    assert slow.state(job) == "fetched"
    (tmp_path / "gate").touch()
    assert process.wait(30) == 0
    assert slow.state(job) == "prepared"
    assert slow.json("status", code=4)["holder"]["released"] is True


def test_the_second_signal_leaves_now_and_the_next_life_does_the_round_again(slow: Instance, tmp_path: Path) -> None:
    (tmp_path / "in.txt").touch()
    job = slow.shell("true", inputs=[str(tmp_path / "in.txt")])
    process = slow.start()
    until((tmp_path / "gate.reached").exists, lambda: f"the preparator is at it\n{slow.log}")
    process.terminate()
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    process.terminate()
    assert process.wait(30) == 130
    assert slow.state(job) == "fetched"
    (tmp_path / "gate").touch()
    slow.serve()
    assert slow.wait(job) == "finished"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_end_of_the_daemon_leaves_workers_alone_and_the_next_life_adopts_them(
    instance: Instance, tmp_path: Path, number: signal.Signals
) -> None:
    instance.serve()
    job = running(instance, tmp_path)
    assert instance.process is not None
    # All that could be ours dies with us, except for what must not.
    os.killpg(instance.process.pid, number)
    instance.process.wait(30)
    pid = int(instance.worker(job)["batch_id"].split(".")[0])
    os.kill(pid, 0)
    instance.serve()
    assert instance.state(job) == "running"
    (tmp_path / "go").touch()
    assert instance.wait(job) == "finished"
    assert times_begun(tmp_path, "go") == [1]
    (worker,) = instance.json("workers", "list", "-a")["workers"]
    assert (worker["state"], worker["native_status"]) == ("finished", "ended")


def test_a_worker_that_died_with_the_machine_fails_its_job(instance: Instance, tmp_path: Path) -> None:
    instance.serve()
    job = running(instance, tmp_path)
    instance.kill()
    pid = int(instance.worker(job)["batch_id"].split(".")[0])
    # The batch script first: whoever outlives its child could still tell of its end.
    for one in (pid, *descendants(pid)):
        with suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)
    instance.serve()
    assert instance.wait(job) == "failed"
    assert "gone without an exit status" in instance.why(job)


def descendants(pid: int) -> list[int]:
    """Return the processes below ``pid``."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout.splitlines()
    parents = {int(one): int(parent) for one, parent in (line.split() for line in listed)}
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found[1:]


# -- cron --------------------------------------------------------------------------------------------


def test_rounds_by_cron_bring_jobs_to_their_ends_and_stay_out_of_each_others_way(instance: Instance, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("input\n")
    good, bad = instance.submit(shell("cp in.txt out.txt", inputs=[str(tmp_path / "in.txt")], outputs=["out.txt"]), shell("exit 3"))
    rounds: list[int] = []

    def a_round() -> bool:
        # A round that lasts until the next one is due: that one is refused, and nothing happens twice.
        words = [*PROGRAM, "run", "--once", "--quiet"]
        pair = [subprocess.Popen(words, env=instance.environment, stderr=subprocess.DEVNULL) for _ in range(2)]
        rounds.extend(one.wait(60) for one in pair)
        return instance.is_told(good) and instance.is_told(bad)

    until(a_round, lambda: f"both jobs are told\n{instance.log}")
    assert set(rounds) <= {0, 75}
    assert (instance.state(good), instance.state(bad)) == ("finished", "failed")
    assert len(instance.json("workers", "list", "-a")["workers"]) == 2
    assert instance.json("status", code=4)["running"] is False


# -- a store that cannot be used ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "words", [("run",), ("run", "--once"), ("start",), ("jobs", "list"), ("status",), ("kill", "1", "--yes")], ids=" ".join
)
def test_a_store_that_is_none_is_named_with_the_remedy(instance: Instance, words: tuple[str, ...]) -> None:
    instance("run", "--once", "--quiet")
    instance.store.write_bytes(b"no store at all " * 1000)
    for log in instance.store.parent.glob("store.db-*"):
        log.unlink()
    refused = instance(*words, code=1)
    assert str(instance.store) in refused.stderr
    assert "damaged or no store at all" in refused.stderr
    assert "backup" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert instance.store.read_bytes().startswith(b"no store at all")
