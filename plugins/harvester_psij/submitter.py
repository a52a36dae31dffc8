"""The submitter: hands workers to this machine or to a batch system through PSI/J, each at most once."""
from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from harvester_hpc.errors import Unavailable
from harvester_hpc.messenger.values import Claim
from harvester_hpc.model.worker import Worker
from harvester_hpc.ports.batch import Busy, Lookup, NotThere, Preview, Refused, Submission, Submitted, Uncertain
from harvester_hpc.ports.context import Context
from harvester_psij.batch_template import BadTemplate
from harvester_psij.clerk import Clerk, Clerks
from harvester_psij.command import need
from harvester_psij.desk import desk_of
from harvester_psij.letters import claim_of
from harvester_psij.lookup import chosen, of_key, recent
from harvester_psij.processes import process_of
from harvester_psij.psij_loading import load_psij
from harvester_psij.records import Record, Refusal, StillHeld, record_of
from harvester_psij.refusal import Verdict, verdict
from harvester_psij.rows import Row
from harvester_psij.scheduler import Scheduler
from harvester_psij.script import ScriptExtras, script_values, source_roots
from harvester_psij.setup_problems import launch_problems, setup_problems
from harvester_psij.submit_once import FAILED
from harvester_psij.template_script import template_of
from harvester_psij.wanted import BATCH_LOG
from harvester_psij.yoda_settings import YodaSettings

log = logging.getLogger(__name__)

#: Answers after which a batch job may be there all the same.
DOUBTFUL = frozenset({Verdict.UNCERTAIN, Verdict.UNHEARD})
#: Submissions of a worker, each looked up until it was clearly not there, after which words that are not known are a refusal.
UNHEARD_AT_MOST = 5
#: What a local worker keeps of the daemon's environment; the rest may hold secrets.
PASSED_ON = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "VIRTUAL_ENV")


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitterSettings:
    """Settings of the submitter.

    Attributes:
        command_timeout_s: seconds that a command of the batch system is waited for.
        grace_s: seconds between two clear "no such job" after which a submission with an uncertain end is made again.
        lock_wait_s: seconds that a look-up waits for submit commands that have not ended.
        parallel: submissions at the same time.
        attributes: options of the submit command, on top of the facility's; null for one without a value.
        container: argv put before the interpreter on the node, such as ["apptainer", "exec", "image.sif"].
        pilot: argv of a pilot wrapper that runs in place of the job's own command.
        launch: what is started in the allocation: single, multijob, yoda or check; "" for what belongs to the queue's mapType.
        yoda: how event ranges are run.
        template_file: a batch script of the user's own, with placeholders, that runs in place of our launcher; absolute path; "" for none.
        template_values: placeholders of the user's own in it; they go before ours.
        pass_environment: variables that a local worker gets besides PATH, HOME and the like.
    """

    command_timeout_s: float = 30.0
    grace_s: float = 60.0
    lock_wait_s: float = 5.0
    parallel: int = 4
    attributes: Mapping[str, str | None] = field(default_factory=dict)
    container: tuple[str, ...] = ()
    pilot: tuple[str, ...] = ()
    launch: str = ""
    yoda: YodaSettings = field(default_factory=YodaSettings)
    template_file: str = ""
    template_values: Mapping[str, str] = field(default_factory=dict)
    pass_environment: tuple[str, ...] = ()


class PsijSubmitter:
    """Submits workers and looks up what became of them."""

    Settings: ClassVar[type[Any]] = SubmitterSettings

    def __init__(self, settings: SubmitterSettings, context: Context) -> None:
        """Keep what was given; nothing is imported or touched."""
        self._settings, self._context = settings, context
        self._desk = desk_of(context, settings.command_timeout_s)

    @staticmethod
    def problems(settings: SubmitterSettings, context: Context) -> tuple[str, ...]:
        """Return what types cannot tell, one line each."""
        return (*setup_problems(settings, context), *launch_problems(settings, context))

    # -- submission -------------------------------------------------------------------------------

    def submit_workers(self, workers: Sequence[Worker]) -> Sequence[Submission]:
        """Submit each worker under the name ``worker.key``; see ``ports.batch.Submitter``."""
        if not workers:
            return []
        if self._desk is not None:
            need(self._desk.scheduler.submit_program, str(self._desk))
        extras = self._extras()
        clerks = Clerks()
        try:
            with ThreadPoolExecutor(max(1, min(self._settings.parallel, len(workers))), "submit") as pool:
                return list(pool.map(lambda worker: self._submit(worker, extras, clerks), workers))
        finally:
            clerks.dismiss()

    def preview_worker(self, worker: Worker) -> Preview:
        """Return what the worker would be submitted with; see ``ports.batch.Previewer``."""
        load_psij()
        from harvester_psij.executors import rendered

        script = record_of(self._context, worker.key).folder / "SUBMISSION.job"
        text = rendered(script_values(worker, self._context, self._extras(), self._scheduler))
        if self._scheduler is None:
            return Preview(script=text, command=("/bin/bash", str(script)))
        return Preview(script=text, command=tuple(self._scheduler.submit_command(script)), on_input=self._scheduler.reads_script)

    def _extras(self) -> ScriptExtras:
        settings = self._settings
        return ScriptExtras(
            attributes=settings.attributes, container=settings.container, pilot=settings.pilot, launch=settings.launch,
            yoda=settings.yoda, source_roots=source_roots(),
            template=template_of(settings.template_file, settings.template_values, self._context),
        )

    def _submit(self, worker: Worker, extras: ScriptExtras, clerks: Clerks) -> Submission:
        record = record_of(self._context, worker.key)
        try:
            record.open()
            if record.output is not None:
                return _accepted(self._id_in(record))
            if record.began is not None:
                return Uncertain(why="an earlier submission began, and its end is not known")
            values = script_values(worker, self._context, extras, self._scheduler)
            if self._desk is None:
                return self._submit_local(worker, record, values)
            with self._desk.slots(self._settings.parallel), clerks.one() as clerk:
                return self._submit_batch(self._desk.scheduler, clerk, worker, record, values)
        except OSError as error:
            return Uncertain(why=f"{error.strerror}: {error.filename}")
        except BadTemplate as error:
            return Busy(why=str(error))  # before anything was begun

    @property
    def _scheduler(self) -> Scheduler | None:
        return self._desk.scheduler if self._desk else None

    def _submit_batch(
        self, scheduler: Scheduler, clerk: Clerk, worker: Worker, record: Record, values: dict[str, object]
    ) -> Submission:
        load_psij(scheduler.executor[0])
        from harvester_psij.executors import Attempt, SubmitOnceEnded, submit

        attempt = Attempt(
            clerk=clerk, scheduler=scheduler, record=record, values=values, timeout_s=self._settings.command_timeout_s,
            folder=Path(worker.access_point),
        )
        try:
            return _accepted(submit(attempt))
        except SubmitOnceEnded as ended:
            if ended.exit_code is None:
                return Uncertain(why=f"the submit command has not ended after {self._settings.command_timeout_s:g} s")
            if ended.exit_code == FAILED:
                return self._refusal(record)
            return Uncertain(why=f"the submit command's end is not known ({ended.exit_code})")

    def _submit_local(self, worker: Worker, record: Record, values: dict[str, object]) -> Submission:
        load_psij()
        from harvester_psij.executors import CannotStart, submit_local

        names = (*PASSED_ON, *self._settings.pass_environment)
        variables = {name: os.environ[name] for name in names if name in os.environ}
        try:
            submit_local(record, values, Path(worker.access_point) / BATCH_LOG, variables)
        except CannotStart as error:
            return Busy(why=f"no process could be started: {error}")
        if not record.wait_for_end(self._settings.command_timeout_s):
            return Uncertain(why=f"the worker has not started after {self._settings.command_timeout_s:g} s")
        return self._refusal(record) if record.output is None else _accepted(self._id_in(record))

    def _refusal(self, record: Record) -> Submission:
        """Return what a refusal means; where nothing was submitted for certain, a new attempt may begin."""
        refusal = record.refusal
        if refusal is None:
            return Uncertain(why="the submit command failed and left no word")
        words = " ".join(refusal.output.split())[:500] or f"exit code {refusal.exit_code}"
        meaning = self._verdict(refusal)
        if meaning in DOUBTFUL:
            return Uncertain(why=words)
        try:
            with record.locked(self._settings.lock_wait_s):
                record.forget_attempt()
        except StillHeld:
            return Uncertain(why=words)
        return Refused(why=words) if meaning is Verdict.REFUSED else Busy(why=words)

    def _verdict(self, refusal: Refusal) -> Verdict:
        return verdict(refusal.exit_code, refusal.output, self._scheduler.refusals if self._scheduler else ())

    def _id_in(self, record: Record) -> str:
        output = record.output or ""
        if self._scheduler is None:
            return output.strip() if process_of(output) else ""
        return self._scheduler.batch_id(output)

    # -- look-up ----------------------------------------------------------------------------------

    def find_workers(self, workers: Sequence[Worker]) -> Sequence[Lookup]:
        """Look up what became of submissions; see ``ports.batch.Submitter``."""
        deadline = time.monotonic() + self._settings.lock_wait_s
        claims = [claim_of(worker.access_point) for worker in workers]
        known = [self._from_record(worker, claim, deadline) for worker, claim in zip(workers, claims, strict=True)]
        asked = [worker for worker, lookup in zip(workers, known, strict=True) if lookup is None]
        if not asked:
            return [lookup for lookup in known if lookup is not None]
        try:
            rows = self._rows([worker.key for worker in asked])
        except Unavailable as error:
            if len(asked) == len(workers):
                raise
            return [Uncertain(why=str(error)) if lookup is None else lookup for lookup in known]
        return [
            self._from_rows(worker, claim, of_key(rows, worker.key)) if lookup is None else lookup
            for worker, claim, lookup in zip(workers, claims, known, strict=True)
        ]

    def _from_record(self, worker: Worker, claim: Claim | None, deadline: float) -> Lookup | None:
        """Return what our own files tell of a submission; None if the batch system must be asked."""
        record = record_of(self._context, worker.key)
        if claim is not None:
            return Submitted(batch_id=claim.batch_id)
        if not record.folder.is_dir():
            return NotThere()
        try:
            with record.locked(max(0.0, deadline - time.monotonic())):
                return self._settled(record)
        except StillHeld:
            return Uncertain(why="the submit command has not ended yet")

    def _settled(self, record: Record) -> Lookup | None:
        if batch_id := self._id_in(record):
            return Submitted(batch_id=batch_id)
        refusal = record.refusal
        meaning = self._verdict(refusal) if refusal else Verdict.UNCERTAIN
        is_doubtful = meaning in DOUBTFUL
        # A local worker writes its record before it starts: without one there is none.
        if record.began is None or self._desk is None or not is_doubtful:
            record.forget_attempt()
            refused = refusal is not None and meaning is Verdict.REFUSED
            return Refused(why=" ".join(refusal.output.split())[:500]) if refusal and refused else NotThere()
        return None

    def _rows(self, keys: Sequence[str]) -> list[Row]:
        """Return the batch jobs of these names.

        Raises:
            Unavailable: the batch system does not answer, or not in full: what it does not tell of may be there.
        """
        if self._desk is None:
            return []
        listing = self._desk.named(keys)
        known = {row.name for row in listing.rows}
        if listing.cut or any(key in listing.unread for key in keys if key not in known):
            raise Unavailable("the batch system's answer could not be read in full", of=str(self._desk))
        return list(listing.rows)

    def _from_rows(self, worker: Worker, claim: Claim | None, rows: Sequence[Row]) -> Lookup:
        record = record_of(self._context, worker.key)
        now = time.time()
        began = record.began or now
        rows = recent(rows, began)
        if rows:
            batch_id = chosen(rows, claim).batch_id
            self._cancel_copies(worker, batch_id, rows)
            record.settle(batch_id)
            return Submitted(batch_id=batch_id)
        empty_since = record.first_empty_answer(now)
        if now - empty_since < self._settings.grace_s:
            return Uncertain(why=f"the batch system has no '{worker.key}'; it may still be on its way")
        refusal = record.refusal
        try:
            with record.locked(0.0):
                record.forget_attempt()
        except StillHeld:
            return Uncertain(why="the submit command has not ended yet")
        if refusal and worker.submissions >= UNHEARD_AT_MOST and self._verdict(refusal) is Verdict.UNHEARD:
            return Refused(why=" ".join(refusal.output.split())[:500])
        log.warning("submission came to nothing worker=%s key=%s began=%.0f", worker.id, worker.key, began)
        return NotThere()

    def _cancel_copies(self, worker: Worker, kept: str, rows: Sequence[Row]) -> None:
        for row in rows:
            if row.batch_id == kept or row.has_ended:
                continue
            log.warning("cancels a second copy worker=%s batch=%s kept=%s", worker.id, row.batch_id, kept)
            try:
                if self._desk is not None:
                    self._desk.cancel(ids=[row.batch_id])
            except Unavailable as error:
                log.warning("could not cancel batch=%s why=%s; it will find the worker claimed", row.batch_id, error)


def _accepted(batch_id: str) -> Submission:
    if batch_id:
        return Submitted(batch_id=batch_id)
    return Uncertain(why="the submit command was content, but told no number that can be read")
