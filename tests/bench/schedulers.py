"""The batch system with 2,000 workers: how fast they are submitted, what a round costs, how many commands the scheduler gets.

Submissions go to a real Slurm whose partition starts nothing; 2,000 workers that run are an emulated one's. The yardstick of the
submissions is a plain loop of ``sbatch`` over the same scripts in the same run.
"""
from __future__ import annotations

import os
import resource
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from harvester_hpc.model.worker import Worker, WorkerState
from harvester_hpc.ports.batch import Seen, Submitted
from harvester_hpc.testing.contracts.batch import BatchSite, payload_worker
from harvester_hpc.testing.schedulers.behaviour import Behaviour, Queue
from harvester_hpc.testing.schedulers.emulated import Emulated
from harvester_hpc.testing.slurm import Cluster
from harvester_psij.records import record_of
from tests.bench.measure import Figure, usage
from tests.psij_site import context, psij_site

WORKERS = 2000
SUBMISSIONS = 400
#: Seconds between two questions of a queue (pollInterval).
POLL_S = 30.0
ROUNDS = 10
AIM = 1.2


def run(folder: Path) -> Iterator[Figure]:
    """Measure in ``folder``."""
    folder.mkdir(parents=True)
    with Cluster(folder / "slurm") as slurm:
        slurm.run(["scontrol", "update", "partitionname=batch", "state=down"])
        with _surroundings(slurm.environment):
            yield from _submissions(folder / "submissions", slurm)
    queue = Queue(name="batch", max_walltime_s=0)
    behaviour = Behaviour(dialect="slurm", nodes=WORKERS, cpus=1, queues=(queue,), hollow=True, server="cluster")
    with Emulated(folder / "emulated", "slurm", behaviour) as emulated, _surroundings(emulated.environment):
        yield from _rounds(folder / "rounds", emulated)


@contextmanager
def _surroundings(variables: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _workers(folder: Path, count: int, *, first: int = 1) -> list[Worker]:
    tag = uuid.uuid4().hex[:5]
    return [payload_worker(folder, f"h{tag}-{number}", "true", number=number) for number in range(first, first + count)]


# -- submissions ----------------------------------------------------------------------------------


def _submissions(folder: Path, slurm: Cluster) -> Iterator[Figure]:
    folder.mkdir()
    site = psij_site(folder, "slurm")
    _submit(site, _workers(folder, 4))  # everything is imported
    workers = _workers(folder, SUBMISSIONS, first=100)
    ours_s = _seconds(lambda: _submit(site, workers))
    scripts = [str(next(record_of(context(folder, "slurm"), worker.key).folder.glob("*.job"))) for worker in workers]
    plain_s = _seconds(lambda: _loop(scripts))
    psij_s = _seconds(lambda: _through_psij(folder / "psij", SUBMISSIONS))
    one_by_one = _workers(folder, SUBMISSIONS // 4, first=1000)
    single_s = _seconds(lambda: [_submit(site, [worker]) for worker in one_by_one]) * SUBMISSIONS / len(one_by_one)
    words = f"a plain loop of sbatch, {SUBMISSIONS} scripts"
    yield Figure(name="submission, many at a time", value=ours_s / SUBMISSIONS * 1e3, unit="ms each", yardstick=plain_s / SUBMISSIONS * 1e3,
                 source=f"{words} (aim: {AIM} times its time)")
    yield Figure(name="submission, one call a worker", value=single_s / SUBMISSIONS * 1e3, unit="ms each",
                 yardstick=plain_s / SUBMISSIONS * 1e3, source=words)
    yield Figure(name="PSI/J's own executor", value=psij_s / SUBMISSIONS * 1e3, unit="ms each", yardstick=plain_s / SUBMISSIONS * 1e3,
                 source=words)
    before = slurm.run(["squeue", "--noheader", "--format=%i"]).stdout.split()
    assert len(before) >= 2 * SUBMISSIONS
    monitor = psij_site(folder, "slurm").monitor
    submitted = [replace(worker, state=WorkerState.SUBMITTED, batch_id=_number(site, worker)) for worker in workers]
    spent = _cpu_s(lambda: monitor.check_workers(submitted))
    yield Figure(name=f"round over {SUBMISSIONS} waiting workers, real Slurm", value=spent * 1e3, unit="ms CPU", yardstick=1000.0,
                 source="one second")


def _submit(site: BatchSite, workers: Sequence[Worker]) -> None:
    results = site.submitter.submit_workers(workers)
    assert all(isinstance(result, Submitted) for result in results), results


def _number(site: BatchSite, worker: Worker) -> str:
    (found,) = site.submitter.find_workers([worker])
    assert isinstance(found, Submitted)
    return found.batch_id


def _loop(scripts: Sequence[str]) -> None:
    for script in scripts:
        subprocess.run(["sbatch", "--parsable", script], check=True, stdout=subprocess.DEVNULL, timeout=60)


def _through_psij(folder: Path, count: int) -> None:
    """Submit with PSI/J as it comes."""
    from psij import Job, JobExecutor, JobSpec
    from psij.executors.batch.slurm import SlurmExecutorConfig

    executor = JobExecutor.get_instance("slurm", config=SlurmExecutorConfig(work_directory=folder, queue_polling_interval=3600))
    for _ in range(count):
        executor.submit(Job(JobSpec(executable="/bin/true", directory=folder.parent)))


# -- rounds ---------------------------------------------------------------------------------------


def _rounds(folder: Path, emulated: Emulated) -> Iterator[Figure]:
    folder.mkdir()
    before_mb = usage(os.getpid()).pss_mb
    workers = _running(folder, emulated)
    few = _commands_of_a_round(folder, emulated, workers[:10])
    many = _commands_of_a_round(folder, emulated, workers)
    monitor = psij_site(folder, "slurm").monitor
    assert all(isinstance(sight, Seen) for sight in monitor.check_workers(workers))
    spent = _cpu_s(lambda: [monitor.check_workers(workers) for _ in range(ROUNDS)]) / ROUNDS
    per_hour = 3600 / POLL_S
    yield Figure(name=f"scheduler commands an hour, {WORKERS} workers", value=many * per_hour, unit="commands", yardstick=few * per_hour,
                 source=f"the same with 10 workers (a round each {POLL_S:g} s)")
    yield Figure(name=f"CPU of a round, {WORKERS} running workers", value=spent * 1e3, unit="ms", yardstick=1000.0, source="one second")
    yield Figure(name=f"memory after {ROUNDS} rounds, {WORKERS} workers", value=usage(os.getpid()).pss_mb - before_mb, unit="MB more",
                 yardstick=20.0, source="20 MB (most of it the workers' own values)")


def _running(folder: Path, emulated: Emulated) -> list[Worker]:
    """Return workers that run at the emulated batch system."""
    workers = _workers(folder, WORKERS)
    script = folder / "script"
    script.write_text("#!/bin/bash\n")
    ids = [emulated.submit_quickly(["--parsable", f"--job-name={worker.key}", "--time=1-0", str(script)], folder) for worker in workers]
    return [
        replace(worker, state=WorkerState.RUNNING, batch_id=batch_id.strip()) for worker, batch_id in zip(workers, ids, strict=True)
    ]


def _commands_of_a_round(folder: Path, emulated: Emulated, workers: Sequence[Worker]) -> int:
    monitor = psij_site(folder, "slurm").monitor
    before = sum(emulated.calls().values())
    monitor.check_workers(workers)
    return sum(emulated.calls().values()) - before


def _seconds(act: Callable[[], object]) -> float:
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


def _cpu_s(act: Callable[[], object]) -> float:
    """Return the CPU seconds of this process and of the commands that it waits for."""

    def spent() -> float:
        both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(one.ru_utime + one.ru_stime for one in both)

    before = spent()
    act()
    return spent() - before
