"""The embedded workload management system: jobs without PanDA, by PanDA's rules, in this process."""
from __future__ import annotations

import json
import logging
import threading
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harvester_hpc.clock import Clock, SystemClock
from harvester_hpc.errors import ConfigurationError, Unavailable
from harvester_hpc.model.command import Command
from harvester_hpc.model.job import JobId
from harvester_hpc.model.worker import Worker
from harvester_hpc.ports.communicator import Accepted, EventReply, EventReport, JobReply, JobReport
from harvester_hpc.ports.context import Context
from harvester_local import event_ledger, ledger, orders
from harvester_local.dictionary import job_dictionary
from harvester_local.drop_box import DropBox, Letter, descriptions_of, jobs_in
from harvester_local.rules import TO_BE_KILLED
from harvester_local.wms_file import WmsFile, sentences

log = logging.getLogger(__name__)

#: A longer pause between two calls means that this process slept (or its machine did): deadlines start again.
SLEPT_S = 600.0
#: Seconds between two looks at the deadlines.
LOOK_S = 30.0
#: What jobs of which size are called (cores).
RESOURCE_TYPES: Sequence[Mapping[str, Any]] = (
    {"resource_name": "SCORE", "mincore": 1, "maxcore": 1}, {"resource_name": "MCORE", "mincore": 2, "maxcore": None},
)
DIALOGS_KEPT = 10_000
NEVER = float("-inf")


class LocalCommunicator:
    """Hands out jobs that were submitted from the command line or dropped as JSON files, and takes the reports.

    Submission, hand-out and report are one durable transaction each. A process that dies between a hand-out and its own commit
    loses nothing: the next process is offered again what was handed out and never heard of (an offer of a known job is harmless).
    """

    #: Seconds after which an empty answer may be asked for again: it costs a look at a folder and a file.
    dry_pause_s = 2.0

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Settings:
        """The communicator's section.

        Attributes:
            folder: where the system lives; "" for ``<state folder>/wms``. Relative paths are below the state folder.
            sent_limit_s: a job handed out of which nothing is heard for so long has failed.
            silence_limit_s: a starting or running job without a report for so long has failed.
            offer_again_s: a job handed out of which nothing is heard for so long is offered again.
            busy_s: seconds to wait for another process that writes.

        Time counts while this process lives: what ends while the daemon is down is not lost.
        """

        folder: str = ""
        sent_limit_s: float = 1800.0
        silence_limit_s: float = 7200.0
        offer_again_s: float = 120.0
        busy_s: float = 30.0

        def problems(self) -> tuple[str, ...]:
            """Return what types cannot tell."""
            limits = ("sent_limit_s", "silence_limit_s", "offer_again_s", "busy_s")
            return tuple(f"{key}: must be more than 0 seconds" for key in limits if not getattr(self, key) > 0)

    def __init__(self, settings: Settings, context: Context, clock: Clock | None = None) -> None:
        self.settings = settings
        self.folder = context.state_dir / (settings.folder or "wms")
        self._clock = clock or SystemClock()
        self._instance = context.instance
        self._file = WmsFile(self.folder / "wms.sqlite", settings.busy_s)
        self._box = DropBox(self.folder)
        self._ingesting = threading.Lock()
        self._process = uuid.uuid4().hex
        self._awake_since = self._last_call = self._last_look = self._clock.now()

    @property
    def inbox(self) -> Path:
        """The folder into which people drop job files."""
        return self._box.inbox

    def get_jobs(
        self,
        site_name: str,
        node_name: str,
        prod_source_label: str,
        computing_element: str,
        n_jobs: int,
        additional_criteria: Mapping[str, str],
    ) -> Sequence[Mapping[str, Any]]:
        """Return at most ``n_jobs`` job dictionaries: first what was sent and never heard of, then by priority and age.

        Raises:
            ConfigurationError: a criterion that is not known here.
        """
        unknown = set(additional_criteria) - {"resource_type"}
        if unknown:
            problems = tuple(f"getJobCriteria: {key!r} is not known here; there is: resource_type" for key in sorted(unknown))
            raise ConfigurationError("jobs cannot be chosen so", problems)
        now = self._now()
        self.ingest()
        if not 0 <= now - self._last_look < LOOK_S:
            self._last_look = now
            self.check_deadlines(now)
        if n_jobs < 1:
            return []
        request = ledger.Request(
            site=site_name, label=prod_source_label or "managed", resource_type=additional_criteria.get("resource_type", ""), n=n_jobs,
            process=self._process, before=now - self.settings.offer_again_s,
        )
        with self._file.write() as db:
            return ledger.hand_out(db, request, now)

    def update_jobs(self, jobs: Sequence[JobReport], id: str) -> Sequence[JobReply]:
        """Take reports by the server's rules, all in one transaction."""
        if not jobs:
            return []
        now = self._now()
        with self._file.write() as db:
            return [ledger.take_report(db, report, now) for report in jobs]

    def get_event_ranges(self, data_map: Mapping[JobId, Mapping[str, Any]], scattered: bool) -> Mapping[JobId, Sequence[Mapping[str, Any]]]:
        """Lease ranges of jobs that may work on them."""
        self._now()
        with self._file.write() as db:
            return {
                job_id: event_ledger.lease(db, job_id, int(wanted.get("nRanges", 1)), scattered=scattered)
                for job_id, wanted in data_map.items()
            }

    def update_event_ranges(self, event_ranges: Mapping[JobId, Sequence[EventReport]]) -> Mapping[JobId, Sequence[EventReply]]:
        """Take reports about ranges by the server's rules, all in one transaction."""
        self._now()
        with self._file.write() as db:
            return {job_id: event_ledger.take(db, job_id, reports) for job_id, reports in event_ranges.items()}

    def event_statuses(
        self, ranges: Mapping[JobId, Sequence[str] | None], tasks: Mapping[JobId, int | None] | None = None
    ) -> Mapping[JobId, Mapping[str, str]]:
        """Tell what is known of ranges."""
        self._now()
        with self._file.read() as db:
            return {job_id: event_ledger.statuses(db, job_id, names) for job_id, names in ranges.items()}

    def get_commands(self, n_commands: int) -> Sequence[Command]:
        """Return commands, each once; those that want an acknowledgement again to the next process until they have it."""
        self._now()
        with self._file.write() as db:
            return orders.take(db, n_commands, self._process)

    def ack_commands(self, command_ids: Sequence[str]) -> None:
        """Mark commands as carried out."""
        self._now()
        with self._file.write() as db:
            orders.acknowledge(db, command_ids)

    def update_workers(self, workers: Sequence[Worker]) -> Sequence[bool]:
        """Keep the last word about each worker."""
        now = self._now()
        with self._file.write() as db:
            db.executemany(sentences()["worker"], [self._worker_row(worker, now) for worker in workers])
        return [True] * len(workers)

    def is_alive(self, data: Mapping[str, Any]) -> None:
        """Keep the instance's last heartbeat."""
        self._tell("heartbeat", data)

    def update_worker_stats(self, site_name: str, stats: Mapping[str, Mapping[str, Mapping[str, int]]]) -> None:
        """Keep the last numbers of a site."""
        self._tell(f"workers {site_name}", stats)

    def update_service_metrics(self, metrics: Sequence[tuple[str, str, Mapping[str, Any]]]) -> None:
        """Keep the last values of each host."""
        for when, host, values in metrics:
            self._tell(f"metrics {host}", {"time": when, **values})

    def get_resource_types(self) -> Sequence[Mapping[str, Any]]:
        """Return what jobs of which size are called here."""
        return RESOURCE_TYPES

    def check_jobs(self, job_ids: Sequence[JobId]) -> Sequence[Accepted]:
        """Answer "tobekilled" for each job that is unknown, ended or to be killed."""
        self._now()
        with self._file.read() as db:
            return [Accepted() if ledger.is_wanted(db, job_id) else TO_BE_KILLED for job_id in job_ids]

    def send_dialog_messages(self, dialogs: Sequence[Mapping[str, str]]) -> None:
        """Keep the newest messages; the same diagID again replaces one."""
        self._now()
        rows = [
            {"instance": self._instance, "id": str(dialog.get("diagID", uuid.uuid4())), "message": json.dumps(dict(dialog), default=str)}
            for dialog in dialogs
        ]
        with self._file.write() as db:
            db.executemany(sentences()["dialog"], rows)
            db.execute(sentences()["forget_dialogs"], {"keep": DIALOGS_KEPT})

    def submit_job(self, description: Mapping[str, Any]) -> int:
        """Take one job; return its PandaID. On disk, and ready to be handed out, when this returns.

        Raises:
            ConfigurationError: with every problem of the description.
        """
        return self.submit_jobs([description])[0]

    def submit_jobs(self, descriptions: Sequence[Mapping[str, Any]]) -> Sequence[int]:
        """Take several jobs, all or none; return their PandaIDs in the same order.

        Raises:
            ConfigurationError: with every problem of every description.
        """
        jobs = descriptions_of(descriptions)
        with self._file.write() as db:
            return ledger.add(db, jobs, self._clock.now())

    def job_dictionaries(self, descriptions: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
        """Return the dictionaries that such jobs would have, numbered from 1; nothing is stored.

        Raises:
            ConfigurationError: with every problem of every description.
        """
        jobs = descriptions_of(descriptions)
        return [job_dictionary(job, number, 1, 1, uuid.UUID(int=0)) for number, job in enumerate(jobs, 1)]

    def retry_job(self, job_id: int) -> int:
        """Make a new attempt of a job that ended failed or cancelled; return its PandaID.

        Raises:
            HarvesterError: there is no such job, or it (or its newest attempt) has not failed.
        """
        with self._file.write() as db:
            return ledger.retry(db, job_id, self._clock.now())

    def kill_job(self, job_id: int) -> None:
        """Cancel a job at once if it was not handed out; else answer its next report with "tobekilled".

        Raises:
            HarvesterError: there is no such job.
        """
        with self._file.write() as db:
            ledger.kill(db, job_id, self._clock.now())

    def summary(self) -> Mapping[str, int]:
        """Return {state: number of jobs}; states without jobs are left out."""
        with self._file.read() as db:
            return {row[0]: row[1] for row in db.execute(sentences()["count"])}

    def job(self, job_id: int) -> Mapping[str, Any] | None:
        """Return all that is known of a job, its dictionary and its last report included; None if there is none."""
        with self._file.read() as db:
            return ledger.all_of(db, job_id)

    def outstanding(self) -> Sequence[tuple[int, Mapping[str, Any]]]:
        """Return (PandaID, job dictionary) of jobs that were handed out and of which nothing was heard."""
        with self._file.read() as db:
            return ledger.sent(db)

    def put_command(self, command: str, params: Any, *, ack: bool = False) -> int:
        """Store a command in the server's words (KILL_WORKERS, ...) for the client to fetch; return its number."""
        with self._file.write() as db:
            return orders.put(db, command, params, self._clock.now(), ack=ack)

    # What a server does by itself.

    def ingest(self) -> None:
        """Take the job files that lie in the inbox; a bad one goes to rejected/ with its reason."""
        with self._ingesting:
            self._ingest()

    def _ingest(self) -> None:
        try:
            letters = self._box.letters()
        except OSError as error:
            raise Unavailable(f"the inbox {self.inbox} cannot be read", why=str(error), remedy="choose another 'folder'") from error
        for letter in letters:
            try:
                self._take(letter)
            except OSError as error:
                log.warning("cannot put a job file away, it is looked at again path=%s why=%s", letter.path, error)

    def _take(self, letter: Letter) -> None:
        try:
            jobs = jobs_in(letter)
        except ConfigurationError as error:
            log.error("rejected a job file name=%s why=%s", letter.name, error)
            self._box.reject(letter, error.problems)
            return
        with self._file.write() as db:
            ids = ledger.add(db, jobs, self._clock.now(), letter=letter.key)
        self._box.accept(letter, ids[0])
        log.info("took a job file name=%s jobs=%d first=%d", letter.name, len(ids), ids[0])

    def check_deadlines(self, now: float) -> Sequence[int]:
        """Fail jobs of which nothing was heard for too long; return their PandaIDs."""
        awake = now - self._awake_since
        sent_before = now - self.settings.sent_limit_s if awake > self.settings.sent_limit_s else NEVER
        silent_before = now - self.settings.silence_limit_s if awake > self.settings.silence_limit_s else NEVER
        if sent_before == silent_before == NEVER:
            return []
        with self._file.write() as db:
            ended = ledger.expire(db, now, sent_before, silent_before)
        if ended:
            log.warning("gave up jobs that nothing was heard of jobs=%s", ended)
        return ended

    def _now(self) -> float:
        now = self._clock.now()
        if not -SLEPT_S <= now - self._last_call <= SLEPT_S:
            self._awake_since = now
        self._last_call = now
        return now

    def _tell(self, subject: str, value: Mapping[str, Any]) -> None:
        row = {"instance": self._instance, "subject": subject, "value": json.dumps(dict(value), default=str), "now": self._now()}
        with self._file.write() as db:
            db.execute(sentences()["tell"], row)

    def _worker_row(self, worker: Worker, now: float) -> Mapping[str, Any]:
        report = {
            "key": worker.key, "native_status": worker.native_status, "node": worker.node, "exit_code": worker.exit_code, "why": worker.why,
            "nodes": worker.plan.nodes, "cores": worker.plan.cores, "submitted": worker.submitted, "started": worker.started,
            "ended": worker.ended, "jobs": list(worker.job_ids),
        }
        return {
            "instance": self._instance, "id": worker.id, "state": worker.state, "queue": worker.queue, "batch_id": worker.batch_id,
            "report": json.dumps(report), "now": now,
        }
