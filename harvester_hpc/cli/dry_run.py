"""``submit --dry-run``: the batch scripts of the workers that jobs would get, and nothing done."""
from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import click

from harvester_hpc.agents.access_point import place
from harvester_hpc.agents.fitting import fitted
from harvester_hpc.agents.planning import intent_of
from harvester_hpc.cli.exits import Exit
from harvester_hpc.cli.paper import write_json
from harvester_hpc.config.values import Configuration
from harvester_hpc.errors import ConfigurationError, HarvesterError, did_you_mean
from harvester_hpc.model.job import Job, JobState
from harvester_hpc.model.worker import MapType, Worker, WorkerId, WorkerPlan, WorkerState, submit_key
from harvester_hpc.policy.chunks import chunks_of
from harvester_hpc.policy.dictionary import job_from
from harvester_hpc.ports.batch import Preview, Previewer
from harvester_hpc.ports.communicator import Communicator, Describer
from harvester_hpc.ports.plugins import QueuePlugins
from harvester_hpc.registry import Registry


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A worker as it would be, or jobs that get none, and why.

    Attributes:
        jobs: numbers of its jobs, from 1 in the order in which they were described.
    """

    queue: str
    jobs: tuple[int, ...]
    worker: Worker | None = None
    preview: Preview | None = None
    why: str = ""


def show(configuration: Configuration, descriptions: Sequence[Any], queue: str, *, now: float, as_json: bool) -> int:
    """Print what jobs would be submitted with; return the exit code: 1 if a job would get no worker.

    Args:
        descriptions: of jobs, as ``submit`` takes them, or job dictionaries with a PandaID; none for a pull queue.
        queue: the PanDA queue that was named; "" for none.
        now: seconds since 1970.

    Raises:
        ConfigurationError: a description or the configuration cannot be used.
    """
    loaded = Registry().load_all(configuration)
    names = [_queue_of(description, configuration, queue) for description in descriptions]
    dictionaries = _dictionaries(loaded.communicator, descriptions)
    shown: list[Shown] = []
    for name in dict.fromkeys(names or [_known(queue or next(iter(configuration.queues)), configuration)]):
        own = [one for one, its_queue in zip(dictionaries, names, strict=True) if its_queue == name]
        shown += _workers(configuration, loaded.queues[name], own, now, len(shown))
    if as_json:
        write_json([_as_json(one) for one in shown])
    else:
        for one in shown:
            _print(one)
    return Exit.ERROR if any(one.preview is None for one in shown) else Exit.DONE


def _queue_of(description: Any, configuration: Configuration, queue: str) -> str:
    """Return the instance's queue for a job; one that names none goes to ``queue``, and without that to the first."""
    named = description.get("queue") if isinstance(description, dict) else None
    return _known(named if isinstance(named, str) and named else queue or next(iter(configuration.queues)), configuration)


def _known(name: str, configuration: Configuration) -> str:
    sites = [known for known, one in configuration.queues.items() if one.queue.site == name]
    if name in configuration.queues or sites:
        return name if name in configuration.queues else sites[0]
    there = [*configuration.queues]
    raise ConfigurationError(f"no queue {name!r}; there is: {', '.join(there)}{did_you_mean(name, there)}", remedy="name one of these")


def _dictionaries(communicator: Communicator, descriptions: Sequence[Any]) -> Sequence[Mapping[str, Any]]:
    if all(isinstance(one, dict) and "PandaID" in one for one in descriptions):
        return descriptions
    if not callable(getattr(communicator, "job_dictionaries", None)):
        raise HarvesterError(
            "this workload management system does not tell what a job file becomes", remedy="give a job dictionary, with a PandaID",
        )
    return cast(Describer, communicator).job_dictionaries(descriptions)


def _workers(
    configuration: Configuration, plugins: QueuePlugins, dictionaries: Sequence[Mapping[str, Any]], now: float, before: int
) -> list[Shown]:
    queue, maker = plugins.queue, plugins.worker_maker
    jobs = [job_from(one, queue.name) for one in dictionaries]
    shown = [Shown(queue=queue.name, jobs=(job.id,), why=job.why) for job in jobs if job.state is JobState.FAILED]
    if queue.map_type is MapType.NO_JOB:
        if jobs:
            raise ConfigurationError(f"workers of queue {queue.name!r} fetch their jobs themselves", remedy="name no job for it")
        chunks: list[tuple[Job, ...]] = [()]
    elif not jobs:
        raise ConfigurationError(f"the workers of queue {queue.name!r} are as large as their jobs", remedy="name a job file")
    else:
        usable = [job for job in jobs if job.state is not JobState.FAILED]
        size = 1 if queue.map_type is MapType.ONE_TO_MANY else max(1, maker.get_num_jobs_per_worker(len(usable)))
        chunks = list(chunks_of(usable, size, mixture=queue.mixture, now=now, wait_s=0.0).ready)
    for chunk in chunks:
        shown += _of_chunk(configuration, plugins, chunk, before + len(shown) + 1)
    return shown


def _of_chunk(configuration: Configuration, plugins: QueuePlugins, chunk: tuple[Job, ...], number: int) -> list[Shown]:
    queue = plugins.queue
    if not chunk:
        plan = plugins.worker_maker.make_worker((), queue, queue.resource_type)
        if isinstance(plan, WorkerPlan):
            return [_previewed(configuration, plugins, plan, (), number)]
        return [Shown(queue=queue.name, jobs=(), why=plan.why)]
    found = fitted(plugins.worker_maker, queue, chunk)
    shown = [Shown(queue=queue.name, jobs=(job.id,), why=why) for job, why in found.misfits]
    if found.plan is not None:
        shown.append(_previewed(configuration, plugins, found.plan, found.jobs, number))
    elif found.wait:
        shown.append(Shown(queue=queue.name, jobs=tuple(job.id for job in found.jobs), why=f"waits: {found.wait}"))
    return shown


def _previewed(configuration: Configuration, plugins: QueuePlugins, plan: WorkerPlan, jobs: Sequence[Job], number: int) -> Shown:
    queue = plugins.queue
    intent = intent_of(queue, plan, jobs)
    worker = Worker(
        id=WorkerId(number), queue=queue.name, map_type=queue.map_type, state=WorkerState.PLANNED, plan=plan,
        key=submit_key(configuration.tag, number), access_point=place(queue, number, configuration.instance),
        batch_queue=intent.batch_queue, late=intent.late, job_ids=intent.job_ids, resource_type=intent.resource_type, sync=intent.sync,
    )
    if not callable(getattr(plugins.submitter, "preview_worker", None)):
        return Shown(queue=queue.name, jobs=intent.job_ids, worker=worker, why="this submitter does not show what it would do")
    preview = cast(Previewer, plugins.submitter).preview_worker(worker)
    return Shown(queue=queue.name, jobs=intent.job_ids, worker=worker, preview=preview)


def _print(one: Shown) -> None:
    """Print a worker so that the whole is still a batch script: what we say about it stands below, as remarks."""
    if one.preview is None or one.worker is None:
        click.echo(f"# no worker for job {', '.join(map(str, one.jobs)) or '-'} of queue {one.queue}: {one.why}")
        return
    plan = one.worker.plan
    click.echo(one.preview.script.rstrip("\n"))
    jobs = f"for job {', '.join(map(str, one.jobs))}" if one.jobs else "without jobs"
    asked = [f"{plan.nodes} node(s)", f"{plan.cores} core(s) in all", f"{plan.walltime_s} s"]
    asked += [f"{plan.ram_mb} MB a node"] if plan.ram_mb else []
    asked += [f"{plan.gpus_per_node} GPU(s) a node"] if plan.gpus_per_node else []
    click.echo(f"\n# a worker of queue {one.queue} {jobs}: {', '.join(asked)}")
    click.echo(f"# submitted with: {_command(one.preview)}")


def _command(preview: Preview) -> str:
    line = shlex.join(preview.command)
    return f"{line}  < the script" if preview.on_input else line


def _as_json(one: Shown) -> dict[str, Any]:
    plan = one.worker.plan if one.worker else None
    return {
        "queue": one.queue, "jobs": list(one.jobs), "why": one.why or None,
        "script": one.preview.script if one.preview else None, "command": list(one.preview.command) if one.preview else None,
        "script_on_input": one.preview.on_input if one.preview else None,
        "batch_queue": one.worker.batch_queue if one.worker else None, "access_point": one.worker.access_point if one.worker else None,
        "nodes": plan.nodes if plan else None, "cores": plan.cores if plan else None, "walltime_s": plan.walltime_s if plan else None,
    }
