"""Our PSI/J executors: submission as PSI/J does it, without its threads, its polling and its shared launcher files.

Imported after ``psij_loading.load_psij``. Status is not asked of PSI/J: its polling fails jobs when a poll fails, and takes
a job that left the queue for a success.
"""
from __future__ import annotations

import io
import subprocess
import threading
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

from packaging.version import Version
from psij import Job, JobExecutor, JobExecutorConfig, JobSpec, Launcher, SubmitException
from psij.executors.batch.batch_scheduler_executor import BatchSchedulerExecutorConfig
from psij.executors.batch.script_generator import TemplatedScriptGenerator
from psij.executors.local import LocalJobExecutor

from harvester_psij import submit_once
from harvester_psij.clerk import WRAPPER, Clerk
from harvester_psij.records import Record
from harvester_psij.scheduler import Scheduler
from harvester_psij.script import TEMPLATE

PSIJ_VERSION = Version(version("psij-python"))


class SubmitOnceEnded(Exception):
    """The submit command's wrapper ended without a record, or has not ended in time.

    Attributes:
        exit_code: of ``submit_once``; None if it goes on.
    """

    def __init__(self, exit_code: int | None) -> None:
        super().__init__(exit_code)
        self.exit_code = exit_code


class CannotStart(Exception):
    """No process could be started; nothing runs."""


class PlainLauncher(Launcher):  # type: ignore[misc]
    """Starts a program as it is.

    PSI/J's own launchers copy shell scripts into a shared folder, in steps; a kill between two of them leaves a folder
    that is never completed, and from then on nothing starts.
    """

    def get_launch_command(self, job: Any) -> list[str]:
        """Return the program and its arguments."""
        return [job.spec.executable, *(job.spec.arguments or [])]

    def is_launcher_failure(self, output: str) -> bool:
        """There is no launcher that could fail."""
        return False

    def get_launcher_failure_message(self, output: str) -> str:
        """There is no launcher that could fail."""
        return ""


class NoPolling:
    """Stands where PSI/J has its polling thread, and forgets what it is given."""

    def register_job(self, job: Any) -> None:
        """Take no notice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One submission of one worker.

    Attributes:
        record: of the worker; the script is put beside it, under a name of its own for each attempt.
        values: what our template is filled with.
        timeout_s: seconds that the caller waits; the submit command goes on by itself afterwards.
        folder: working directory of the submit command.
        clerk: runs it.
    """

    clerk: Clerk
    scheduler: Scheduler
    record: Record
    values: dict[str, object]
    timeout_s: float
    folder: Path


class Once:
    """Put before PSI/J's executor of a batch system: each submission wrapped in ``submit_once`` and made of our own script."""

    def __init__(self, attempt: Attempt) -> None:
        config = BatchSchedulerExecutorConfig(work_directory=attempt.record.folder)
        super().__init__(url=None, config=config)  # type: ignore[call-arg]
        self.work_directory = attempt.record.folder
        self.generator = TemplatedScriptGenerator(config, TEMPLATE)
        self._attempt = attempt

    def generate_submit_script(self, job: Any, context: dict[str, object], submit_file: IO[str]) -> None:
        """Write the worker's script."""
        self.generator.generate_submit_script(job, self._attempt.values, submit_file)

    def get_submit_command(self, job: Any, submit_file_path: Path) -> list[str]:
        """Return the submit command in its wrapper."""
        scheduler = self._attempt.scheduler
        options = ["--stdin", str(submit_file_path)] if scheduler.reads_script else []
        wrapper = [*WRAPPER, str(self._attempt.record.folder), job.id, *options, "--"]
        return [*wrapper, *scheduler.submit_command(submit_file_path)]

    def job_id_from_submit_output(self, out: str) -> str:
        """Return the number that the submit command printed; "" if it printed none that we can read."""
        return self._attempt.scheduler.batch_id(out)

    def _run_command(self, cmd: list[str]) -> str:
        record, arguments = self._attempt.record, cmd[len(WRAPPER):]
        record.allow(arguments[1])
        exit_code = self._attempt.clerk.run(arguments, self._attempt.folder, self._attempt.timeout_s)
        output = record.output if exit_code == submit_once.ACCEPTED else None
        if output is None:
            raise SubmitOnceEnded(exit_code)
        return output

    def _start_queue_poll_thread(self) -> NoPolling:
        return NoPolling()

    def _get_launcher(self, name: str, version_constraint: str | None = None) -> PlainLauncher:
        return PlainLauncher(self.config)  # type: ignore[attr-defined]


class Waiters:
    """Stands where PSI/J's local executor has its reaper, which looks at its processes ten times a second.

    One sleeping thread a running process; it takes the exit status, so that no zombie stays. Nobody asks for it.
    """

    def register(self, entry: Any) -> None:
        """Wait for a process that was started."""
        _reap(entry.process)


def _reap(process: subprocess.Popen[Any]) -> None:
    threading.Thread(target=_wait_for, args=(process,), name=f"wait for {process.pid}", daemon=True).start()


def _wait_for(process: subprocess.Popen[Any]) -> None:
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


class OnceLocalExecutor(LocalJobExecutor):  # type: ignore[misc]
    """Processes on this machine through PSI/J, without its reaper thread."""

    _NAME_ = "local"
    _VERSION_ = PSIJ_VERSION

    def __init__(self) -> None:
        # Not LocalJobExecutor's: that starts the reaper.
        JobExecutor.__init__(self, config=JobExecutorConfig())
        self._reaper = Waiters()

    def _get_launcher(self, name: str, version_constraint: str | None = None) -> PlainLauncher:
        return PlainLauncher(self.config)


def submit(attempt: Attempt) -> str:
    """Submit a worker to a batch system, at most once.

    Returns:
        The batch job's number; "" if the submit command was content but printed none.

    Raises:
        SubmitOnceEnded: there is no record of an acceptance.
    """
    module, name = attempt.scheduler.executor
    theirs = getattr(import_module(module), name)
    executor: Any = type(f"Once{name}", (Once, theirs), {"_NAME_": attempt.scheduler.name, "_VERSION_": PSIJ_VERSION})(attempt)
    job = Job(JobSpec(executable="worker", launcher="single"))
    executor.submit(job)
    return str(job.native_id)


def rendered(values: dict[str, object]) -> str:
    """Return the text of a batch script, as it is submitted."""
    text = io.StringIO()
    TemplatedScriptGenerator(JobExecutorConfig(), TEMPLATE).generate_submit_script(Job(), values, text)
    return text.getvalue()


def submit_local(record: Record, values: dict[str, object], log: Path, variables: dict[str, str]) -> None:
    """Start a worker on this machine, at most once; ``record`` tells soon what came of it.

    Args:
        log: gets the script's output.
        variables: environment of the worker.

    Raises:
        CannotStart: no process could be started.
    """
    job = Job()
    script = record.folder / f"{job.id}.job"
    with script.open("w", encoding="utf-8") as file:
        TemplatedScriptGenerator(JobExecutorConfig(work_directory=record.folder), TEMPLATE).generate_submit_script(job, values, file)
    record.allow(job.id)
    job.spec = JobSpec(
        executable=WRAPPER[0],
        arguments=[*WRAPPER[1:], str(record.folder), job.id, "--become", str(log), "--", "/bin/bash", str(script)],
        inherit_environment=False,
        environment=variables,
        directory=log.parent,
        launcher="single",
    )
    try:
        OnceLocalExecutor().submit(job)
    except SubmitException as error:
        raise CannotStart(str(error.exception or error)) from error
