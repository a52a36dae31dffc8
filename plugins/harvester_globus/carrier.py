"""Preparator and stager over Globus: a batch of files is one transfer task."""
from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from harvester_globus.account import Account
from harvester_globus.layout import NoPathError, NoScopeError
from harvester_globus.pace import Pace
from harvester_globus.reckoning import (
    FAILED,
    INACTIVE,
    SUCCEEDED,
    Document,
    end_of,
    moved,
    not_moved,
    parked,
    passed_over,
    progress_of,
    remedy_for,
    said_by,
    settles_all,
    state_of,
)
from harvester_globus.refusal import RefusedError
from harvester_globus.routes import Routes
from harvester_globus.service import Service
from harvester_globus.settings import GlobusSettings
from harvester_hpc.clock import SystemClock
from harvester_hpc.errors import Unavailable
from harvester_hpc.model.transfer import Direction, Item, Parcel, Route, Transfer
from harvester_hpc.ports.carrier import Accepted, Ended, Gone, Limits, Moving, Parked, Seen, Submitted
from harvester_hpc.ports.context import Context
from harvester_hpc.ports.outcome import Failed, Retry

if TYPE_CHECKING:
    from globus_sdk import TransferData

log = logging.getLogger(__name__)

#: Characters of a label, at most.
LABEL = 128
#: Seconds after which an id that makes a submission unique is not relied upon alone.
TOKEN_LIFE_S = 86400.0
#: Tasks whose last event is remembered.
KNOWN = 1000
#: {how a checksum of ours begins: algorithm of the service}.
ALGORITHMS = {"ad": "ADLER32", "md": "MD5"}
NO_SCOPE = "say 'scope' in the section of the stager; zips of event outputs always need it"


class GlobusCarrier:
    """Moves batches as tasks of the Globus Transfer service."""

    Settings = GlobusSettings
    #: Queues with the same section share one session and one pace.
    shared = True

    def __init__(self, settings: GlobusSettings, context: Context) -> None:
        self.settings = settings
        self.clock = SystemClock()
        self.account = Account(
            client_id=settings.client_id, secret_file=settings.secret_file,
            token_file=context.state_dir / f"globus-tokens-{settings.client_id}.json",
        )
        self.service = Service(self.account, Pace(settings.calls_per_second))
        self._instance = context.instance
        self._routes = Routes(settings)
        self._events: dict[str, tuple[int, str]] = {}

    def limits(self) -> Limits:
        """Tell how large batches may be."""
        settings = self.settings
        return Limits(
            files=settings.files_per_batch, size=settings.gigabytes_per_batch * 10**9, wait_s=settings.wait,
            active=settings.active_batches, poll_s=settings.poll, tries=settings.tries,
        )

    def route(self, parcels: Sequence[Parcel]) -> Sequence[Route | Retry | Failed | Parked]:
        """Tell which way each file goes; nobody outside is asked."""
        return [self._way_of(parcel) for parcel in parcels]

    def _way_of(self, parcel: Parcel) -> Route | Failed | Parked:
        try:
            return self._routes.way_of(parcel)
        except NoScopeError as error:
            # What was computed is not given up for a key of the section.
            return Parked(why=str(error), remedy=NO_SCOPE) if parcel.direction is Direction.OUT else Failed(why=str(error))
        except NoPathError as error:
            return Failed(why=str(error))

    # -- submission ------------------------------------------------------------------------------

    def token(self, transfer: Transfer) -> str:
        """Return a submission id; "" if the service refuses one: ``submit`` then tells why, and asks for no transfer.

        Raises:
            Unavailable: not now.
        """
        try:
            return self.service.submission_id()
        except RefusedError:
            return ""

    def submit(self, transfer: Transfer, items: Sequence[Item]) -> Submitted:
        """Hand a task over; the same token is the same task. What the token does not tell any more is found by the label.

        Raises:
            Unavailable: no answer.
        """
        try:
            if not transfer.token:
                self.service.submission_id()
                return Retry(why="there was no submission id when the batch was planned")
            if self.clock.now() - transfer.created > TOKEN_LIFE_S and (known := self.service.labelled(self.label(transfer))):
                return Accepted(task=known)
            return self._submitted(transfer, items)
        except RefusedError as error:
            return error.outcome

    def _submitted(self, transfer: Transfer, items: Sequence[Item]) -> Submitted:
        try:
            task, was_known = self.service.submit(self._document(transfer, items, transfer.token))
        except RefusedError as error:
            if "submission" not in f"{error.code} {error.what}".lower():
                raise
            return self._without_token(transfer, items)
        if was_known and self.service.task(task) is None:
            return self._without_token(transfer, items)
        return Accepted(task=task)

    def _without_token(self, transfer: Transfer, items: Sequence[Item]) -> Submitted:
        """The id has expired, or its task is forgotten: only if no task has our label, a new one is made."""
        if known := self.service.labelled(self.label(transfer)):
            return Accepted(task=known)
        log.warning("the submission id is no longer good; there is no task with the label, one is made transfer=%s", transfer.key)
        task, _ = self.service.submit(self._document(transfer, items, self.service.submission_id()))
        return Accepted(task=task)

    def label(self, transfer: Transfer) -> str:
        """Return the label of a task: instance and batch."""
        start = " ".join("".join(letter if letter.isalnum() or letter in "-_ ." else "-" for letter in self._instance).split())
        return f"{start[:LABEL - 1 - len(transfer.key)]} {transfer.key}".strip()

    def _document(self, transfer: Transfer, items: Sequence[Item], token: str) -> TransferData:
        import globus_sdk

        document = globus_sdk.TransferData(
            transfer.source, transfer.destination, label=self.label(transfer), submission_id=token, sync_level="checksum",
            verify_checksum=True, skip_source_errors=True, fail_on_quota_errors=self.settings.fail_on_quota,
            deadline=datetime.fromtimestamp(self.clock.now(), tz=UTC) + timedelta(hours=self.settings.deadline_hours),
            notify_on_succeeded=False, notify_on_failed=False, notify_on_inactive=False,
        )
        for item in items:
            kind, _, digits = item.parcel.checksum.partition(":")
            if self.settings.external_checksums and kind in ALGORITHMS:
                document.add_item(
                    item.route.source.path, item.route.destination.path, external_checksum=digits, checksum_algorithm=ALGORITHMS[kind]
                )
            else:
                document.add_item(item.route.source.path, item.route.destination.path)
        return document

    # -- under way -------------------------------------------------------------------------------

    def look(self, transfers: Sequence[Transfer], items: Callable[[Transfer], Sequence[Item]]) -> Sequence[Seen]:
        """Tell how they go on: one call for all of them, and some for what has ended or hangs.

        Raises:
            Unavailable: nothing is known.
        """
        try:
            tasks = self.service.tasks([transfer.task for transfer in transfers])
        except RefusedError as error:
            return [_parked_or_unknown(error)] * len(transfers)
        return [self._seen(transfer, tasks.get(transfer.task), items) for transfer in transfers]

    def _seen(self, transfer: Transfer, task: Document | None, items: Callable[[Transfer], Sequence[Item]]) -> Seen:
        try:
            task = task or self.service.task(transfer.task)
            if task is None:
                return Gone(why=f"there is no task {transfer.task}")
            if task.get("status") == SUCCEEDED:
                return self._succeeded(task, items(transfer))
            if task.get("status") == FAILED:
                return self._failed(task, items(transfer))
            return self._goes_on(task)
        except (RefusedError, Unavailable) as error:
            if isinstance(error, RefusedError) and isinstance(error.outcome, Parked):
                return error.outcome
            # of this one nothing more is known now; the others go on
            return Moving(progress=progress_of(task) if task else transfer.progress, why=str(error))

    def _goes_on(self, task: Document) -> Seen:
        word = state_of(task)
        paused = bool(task.get("is_paused"))
        if not word and not paused and task.get("status") != INACTIVE:
            return Moving(progress=progress_of(task))
        if paused:
            said = self.service.pause_message(str(task["task_id"]))
            return Moving(progress=progress_of(task), why=f"paused by those who run the collection: {said or word}")
        details = self._last_event(task)
        remedy = remedy_for(word, self.account.login_command()) or (self.account.login_command() if task.get("status") == INACTIVE else "")
        if remedy:
            return parked(word or INACTIVE, details, remedy)
        return Moving(progress=progress_of(task, details), why=details or word)

    def _last_event(self, task: Document) -> str:
        """Return the last event; the service is asked only when there are new faults."""
        task_id, faults = str(task["task_id"]), int(task.get("faults") or 0)
        known = self._events.get(task_id)
        if known is None or known[0] != faults:
            known = faults, next((said_by(event) for event in self.service.events(task_id) if event.get("is_error")), "")
            if len(self._events) >= KNOWN:
                self._events.clear()
            self._events[task_id] = known
        return known[1]

    # -- ended -----------------------------------------------------------------------------------

    def _succeeded(self, task: Document, items: Sequence[Item]) -> Ended:
        """A task succeeds even if files were passed over; what is not accounted for has not arrived."""
        task_id = str(task["task_id"])
        skipped = passed_over(items, self.service.skipped(task_id)) if task.get("subtasks_skipped_errors") != 0 else []
        said = {news.item_id for news in skipped}
        rest = [item for item in items if item.parcel.item_id not in said]
        if settles_all(task, len(skipped), len({item.route.destination.path for item in items})):
            return Ended(items=(*skipped, *moved(rest)), progress=progress_of(task))
        arrived, left = self._divided(task_id, rest)
        why = "the task succeeded, and does not say what became of this file"
        return Ended(items=(*skipped, *moved(arrived), *not_moved(left, why)), progress=progress_of(task))

    def _failed(self, task: Document, items: Sequence[Item]) -> Ended:
        """What was moved before the end counts; the rest goes into another task."""
        task_id = str(task["task_id"])
        events = self.service.events(task_id)
        why = end_of(task, events)
        skipped = passed_over(items, self.service.skipped(task_id)) if task.get("subtasks_skipped_errors") != 0 else []
        said = {news.item_id for news in skipped}
        rest = [item for item in items if item.parcel.item_id not in said]
        arrived, left = self._divided(task_id, rest) if task.get("files_transferred") != 0 else ([], rest)
        return Ended(items=(*skipped, *moved(arrived), *not_moved(left, why, events)), progress=progress_of(task, why))

    def _divided(self, task_id: str, items: Sequence[Item]) -> tuple[list[Item], list[Item]]:
        """Return the files of which the service says that it has moved them, and the others."""
        there = {(str(one.get("source_path")), str(one.get("destination_path"))) for one in self.service.successful(task_id)}
        arrived = [item for item in items if (item.route.source.path, item.route.destination.path) in there]
        return arrived, [item for item in items if (item.route.source.path, item.route.destination.path) not in there]

    # -- cancel ----------------------------------------------------------------------------------

    def cancel(self, transfer: Transfer) -> None:
        """End the task; one of which only the label is known is looked for.

        Raises:
            Unavailable: not now.
        """
        try:
            task = transfer.task or (self.service.labelled(self.label(transfer)) if transfer.token else "")
            if task:
                self.service.cancel(task)
        except RefusedError as error:
            raise Unavailable("the task cannot be cancelled now", why=error.what, remedy=error.remedy) from error


class GlobusStager(GlobusCarrier):
    """The same, outwards: where outputs go must be said."""

    @staticmethod
    def problems(settings: GlobusSettings, context: Context) -> tuple[str, ...]:
        """Return what a stager lacks."""
        return () if settings.remote_collection else ("remote_collection: is missing; where do outputs go?",)


def _parked_or_unknown(error: RefusedError) -> Parked:
    """Return the outcome of a question that was refused.

    Raises:
        Unavailable: nobody needs to act, and nothing is known.
    """
    if isinstance(error.outcome, Parked):
        return error.outcome
    raise Unavailable("Globus does not tell how tasks go on", why=error.what) from error
