"""The engine: it takes jobs, starts them on nodes, ends them, and forgets them, whatever the dialect."""
from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from harvester_hpc.testing.schedulers import running
from harvester_hpc.testing.schedulers.behaviour import Behaviour, Queue
from harvester_hpc.testing.schedulers.books import Books
from harvester_hpc.testing.schedulers.values import Cause, Job, Problem, Refused, Request, State

Furnish = Callable[[Job, Behaviour, Path], Mapping[str, str]]
Named = Callable[[str, Job, Behaviour], str]
#: Seconds between two looks while processes run; while hollow jobs do; while there is nothing.
BUSY_S, CROWDED_S, IDLE_S = 0.05, 1.0, 5.0
WAITING = (State.QUEUED, State.HELD)


class Engine:
    """An emulated batch system.

    Args:
        folder: all its state.
        furnish: the variables that a job finds, by dialect.
        named: fills in a path of output, by dialect.

    Attributes:
        calls: how often each command was called.
    """

    def __init__(self, folder: Path, behaviour: Behaviour, furnish: Furnish, named: Named) -> None:
        self.behaviour = behaviour
        self.books = Books(folder)
        self._stepped = 0.0
        self.calls: Counter[str] = Counter()
        self._furnish, self._named = furnish, named

    # -- what commands ask for --------------------------------------------------------------------

    def submit(self, request: Request) -> Job:
        """Take a job.

        Raises:
            Refused: it is turned down.
        """
        queue = self.behaviour.queue(request.queue)
        if queue is None:
            raise Refused(Problem.NO_QUEUE, request.queue)
        self._check(request, queue)
        walltime_s = request.walltime_s or queue.default_walltime_s
        number = self.books.next_number()
        running.keep_files(self.books.spool(number), request.script, request.environment)
        request = replace(request, queue=queue.name, walltime_s=walltime_s)
        state = State.HELD if request.held else State.QUEUED
        return self.books.write(Job(number=number, request=request, state=state, submitted=time.time()))

    def _check(self, request: Request, queue: Queue) -> None:
        site = self.behaviour
        if not queue.open:
            raise Refused(Problem.QUEUE_CLOSED, queue.name)
        if queue.users and request.user not in queue.users:
            raise Refused(Problem.NOT_PERMITTED, queue.name)
        if site.accounts and request.account not in site.accounts:
            raise Refused(Problem.NO_ACCOUNT, request.account)
        if request.nodes > (queue.max_nodes or site.nodes) or request.nodes < queue.min_nodes:
            raise Refused(Problem.TOO_MANY_NODES, queue.name)
        if request.cores > site.cpus:
            raise Refused(Problem.TOO_MANY_CORES, queue.name)
        if queue.max_walltime_s and request.walltime_s > queue.max_walltime_s:
            raise Refused(Problem.TOO_LONG, queue.name)
        theirs = [job for job in self.books.active() if job.request.user == request.user and job.request.queue == queue.name]
        waits = sum(job.state in WAITING for job in theirs)
        if queue.max_queued and waits >= queue.max_queued:
            raise Refused(Problem.QUEUE_FULL, queue.name)

    def lose_last(self) -> None:
        """Know nothing of the youngest job any more; it never runs."""
        for job in self.books.active()[-1:]:
            self.books.write(replace(job, lost=True, state=State.ENDED))

    def visible(self, *, accounting: bool = False) -> list[Job]:
        """Return the jobs that the queue knows, or those that the accounting knows, by number."""
        now, site = time.time(), self.behaviour
        reach = site.history_s if accounting else site.remembered_s
        return [
            job for job in self.books
            if not job.lost and (not job.has_ended or (job.ended + reach > now and (accounting or not job.forgotten)))
        ]

    def cancel(self, job: Job, by: str) -> None:
        """End a job on behalf of a user; harmless if it has ended."""
        self.end(job, Cause.CANCELLED, by)

    def end(self, job: Job, cause: Cause, by: str = "") -> None:
        """Tell a job to end; one that waits has ended at once."""
        if job.has_ended or (job.state is State.ENDING and job.ending is not Cause.REQUEUED):
            return
        if not job.occupies:
            if cause is not Cause.REQUEUED:
                self.books.write(replace(job, state=State.ENDED, cause=cause, by=by, ended=time.time()))
            return
        if job.state is State.SUSPENDED:
            running.send(self.books.spool(job.number), signal.SIGCONT)
        wait_s = 0.0 if cause is Cause.NODE_FAILURE else self.behaviour.kill_wait_s
        job = self.books.write(replace(job, state=State.ENDING, ending=cause, by=by, kill_at=time.time() + wait_s))
        if cause is Cause.NODE_FAILURE:
            running.kill(self.books.spool(job.number))
        else:
            running.send(self.books.spool(job.number), signal.SIGTERM)

    def hold(self, job: Job) -> None:
        """Keep a waiting job from starting."""
        if job.state is State.QUEUED:
            self.books.write(replace(job, state=State.HELD))

    def release(self, job: Job) -> None:
        """Let a held job start."""
        if job.state is State.HELD:
            self.books.write(replace(job, state=State.QUEUED))

    def suspend(self, job: Job) -> None:
        """Stop a running job's processes; it keeps its nodes."""
        if job.state is State.RUNNING:
            running.send(self.books.spool(job.number), signal.SIGSTOP)
            self.books.write(replace(job, state=State.SUSPENDED))

    def resume(self, job: Job) -> None:
        """Let a suspended job go on."""
        if job.state is State.SUSPENDED:
            running.send(self.books.spool(job.number), signal.SIGCONT)
            self.books.write(replace(job, state=State.RUNNING))

    def preempt(self, job: Job) -> None:
        """End a running job in favour of others: it goes back into the queue if it may run again."""
        self.end(job, Cause.REQUEUED if job.request.rerunnable else Cause.PREEMPTED)

    def fail_node(self, name: str) -> None:
        """Take a node down with all that runs on it; jobs that may run again go back into the queue."""
        self.books.set_down(name, True)
        for job in self.books.active():
            if job.occupies and name in job.hosts:
                self.end(job, Cause.NODE_FAILURE)

    # -- what goes on by itself -------------------------------------------------------------------

    def step(self, *, hurried: bool = False) -> None:
        """Do what is due: collect ends, kill what was told to end, end what has had its time, start what fits.

        Args:
            hurried: among hollow jobs, one look a second is enough.
        """
        now = time.time()
        if hurried and self.behaviour.hollow and now < self._stepped + CROWDED_S:
            return
        self._stepped = now
        for job in self.books.active():
            if job.occupies:
                self._look_at(job, now)
        self._start_some(now)

    def rest_s(self) -> float:
        """Return the seconds for which nothing can become due, unless somebody asks for something."""
        active = self.books.active()
        if any(job.pid or job.state is State.ENDING for job in active) or (active and not self.behaviour.hollow):
            return BUSY_S
        return CROWDED_S if active else IDLE_S

    def _look_at(self, job: Job, now: float) -> None:
        spool = self.books.spool(job.number)
        if job.pid == 0:
            if job.ending is not None or now >= self._limit_of(job):
                self._ended(job, None, now)
            return
        # In this order: a keeper writes the end, then goes.
        lives = running.is_alive(job.pid, job.pid_start)
        code = running.exit_status(spool)
        if code is not None or not lives:
            self._ended(job, code, now)
        elif job.state is State.ENDING and now >= job.kill_at:
            running.kill(spool)
        elif job.state is not State.ENDING and now >= self._limit_of(job):
            self.end(job, Cause.TIME_LIMIT)

    def _limit_of(self, job: Job) -> float:
        return job.started + job.request.walltime_s

    def _ended(self, job: Job, code: int | None, now: float) -> None:
        cause = job.ending or (Cause.TIME_LIMIT if job.pid == 0 else Cause.EXIT)
        again = cause is Cause.REQUEUED or (cause is Cause.NODE_FAILURE and job.request.rerunnable)
        spool = self.books.spool(job.number)
        running.kill(spool)  # what the script left behind
        if again:
            waits = replace(
                job, state=State.QUEUED, ending=None, hosts=(), restarts=job.restarts + 1, pid=0, pid_start="", started=0.0,
                kill_at=now + self.behaviour.requeue_delay_s,
            )
            self.books.write(waits)
            return
        done = replace(
            job, state=State.ENDED, cause=cause, ending=None, ended=now, kill_at=0.0,
            exit_code=code if code is not None and code >= 0 else None, signal=-code if code is not None and code < 0 else 0,
        )
        self.books.write(done)

    def _start_some(self, now: float) -> None:
        free = self._free()
        for job in self.books.active():
            request = job.request
            if job.state is not State.QUEUED or request.array or now < max(job.kill_at, job.submitted + self.behaviour.start_delay_s):
                continue
            queue = self.behaviour.queue(request.queue)
            if queue is None or not queue.started:
                continue
            wanted = self.behaviour.cpus if request.exclusive else request.cores
            fitting = [name for name, cores in free.items() if cores >= wanted]
            if len(fitting) >= request.nodes:
                hosts = tuple(fitting[:request.nodes])
                for name in hosts:
                    free[name] -= wanted
                self._start(replace(job, hosts=hosts, started=now, kill_at=0.0))

    def _free(self) -> dict[str, int]:
        """Return {node that serves: cores that no job has}."""
        free = {name: self.behaviour.cpus for name in self.behaviour.node_names if name not in self.books.down()}
        for job in self.books.active():
            if job.occupies:
                for name in job.hosts:
                    if name in free:
                        free[name] -= self.behaviour.cpus if job.request.exclusive else job.request.cores
        return free

    def _start(self, job: Job) -> None:
        pid, pid_start = (0, "") if self.behaviour.hollow else running.start(self._order(job))
        self.books.write(replace(job, state=State.RUNNING, pid=pid, pid_start=pid_start))

    def _order(self, job: Job) -> running.Start:
        spool, request = self.books.spool(job.number), job.request
        nodes = "".join(f"{host}\n" * max(1, request.cores) for host in job.hosts)
        (spool / "nodefile").write_text(nodes)
        variables = running.environment_in(spool) | dict(self._furnish(job, self.behaviour, spool))
        stdout, stderr = (self._named(path, job, self.behaviour) for path in (request.stdout, request.stderr))
        return running.Start(
            spool=spool, shell=request.shell, arguments=tuple(request.script_arguments), cwd=request.cwd, stdout=stdout, stderr=stderr,
            append=request.append or job.restarts > 0, environment=variables,
        )


def reap() -> None:
    """Take the exit statuses of keepers that have ended, so that no zombie stays."""
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
