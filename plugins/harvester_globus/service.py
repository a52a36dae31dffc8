"""Calls to the Transfer service: one at a time, paced, with errors that are sorted."""
from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from harvester_globus.account import Account, transfer_client
from harvester_globus.pace import Pace
from harvester_globus.refusal import RefusedError, sorted_error
from harvester_hpc.errors import HarvesterError
from harvester_hpc.ports.outcome import Failed

if TYPE_CHECKING:
    from globus_sdk import TransferClient, TransferData

T = TypeVar("T")
Document = dict[str, Any]

#: Task ids in one question; an address of some 4,000 characters.
AT_ONCE = 100


class Service:
    """The Transfer service as ``account`` sees it.

    Every method raises Unavailable if nothing is known, and RefusedError if the service has answered something else.
    """

    def __init__(self, account: Account, pace: Pace) -> None:
        self.account = account
        self.pace = pace
        self._lock = threading.RLock()
        self._client: TransferClient | None = None
        self._made_of: object = None

    def submission_id(self) -> str:
        """Return a new id that makes a submission unique."""
        return str(self._call(lambda client: client.get_submission_id())["value"])

    def submit(self, document: TransferData) -> tuple[str, bool]:
        """Hand a task over; return its id, and whether it was known already."""
        answer = self._call(lambda client: client.submit_transfer(document))
        return str(answer["task_id"]), answer["code"] == "Duplicate"

    def tasks(self, ids: Sequence[str]) -> dict[str, Document]:
        """Return {id: document} of tasks; those that the service does not list are missing."""
        found: dict[str, Document] = {}
        for start in range(0, len(ids), AT_ONCE):
            part = list(ids[start:start + AT_ONCE])
            listed = self._call(lambda client, part=part: client.task_list(filter={"task_id": part}, limit=AT_ONCE))  # type: ignore[misc]
            found.update({str(one["task_id"]): dict(one) for one in listed})
        return found

    def task(self, task_id: str) -> Document | None:
        """Return one task; None if the service clearly does not know it."""
        try:
            return dict(self._call(lambda client: client.get_task(task_id)).data)
        except RefusedError as error:
            if isinstance(error.outcome, Failed) and error.outcome.why.startswith("404"):
                return None
            raise

    def labelled(self, label: str) -> str:
        """Return the newest task with this label; "" if there is none."""
        listed = list(self._call(lambda client: client.task_list(filter={"label": label}, limit=AT_ONCE)))
        # a label with a comma or the like finds more than was meant
        return next((str(one["task_id"]) for one in listed if one["label"] == label), "")

    def cancel(self, task_id: str) -> None:
        """End a task; harmless for one that has ended or is not known."""
        try:
            self._call(lambda client: client.cancel_task(task_id))
        except RefusedError as error:
            if not isinstance(error.outcome, Failed):
                raise

    def events(self, task_id: str) -> list[Document]:
        """Return the newest events of a task, newest first."""
        return [dict(one) for one in self._call(lambda client: client.task_event_list(task_id, limit=10))]

    def pause_message(self, task_id: str) -> str:
        """Return why a task is paused, in the words of those who have paused it."""
        answer = self._call(lambda client: client.task_pause_info(task_id))
        rules = [str(rule.get("message") or "") for rule in answer.get("pause_rules") or []]
        others = [str(answer.get(name) or "") for name in ("source_pause_message", "destination_pause_message")]
        return "; ".join(word for word in (*rules, *others) if word)

    def successful(self, task_id: str) -> Iterable[Document]:
        """Give what was moved (without what lay there already), page by page."""
        return self._pages(lambda client, marker: client.task_successful_transfers(task_id, **marker))

    def skipped(self, task_id: str) -> Iterable[Document]:
        """Give what was passed over, page by page."""
        return self._pages(lambda client, marker: client.task_skipped_errors(task_id, **marker))

    def _pages(self, ask: Callable[[TransferClient, dict[str, Any]], Any]) -> Iterable[Document]:
        marker: dict[str, Any] = {}
        while True:
            answer = self._call(lambda client: ask(client, marker))  # noqa: B023
            yield from (dict(one) for one in answer)
            if answer.get("next_marker") is None:
                return
            marker = {"marker": answer["next_marker"]}

    def _call(self, ask: Callable[[TransferClient], T]) -> T:
        from globus_sdk import GlobusError

        with self._lock:
            self.pace.take()
            try:
                return ask(self._ready())
            except (GlobusError, HarvesterError) as error:
                self._be_quiet(error)
                raise sorted_error(error, self.account) from error

    def _be_quiet(self, error: Exception) -> None:
        from globus_sdk import GlobusAPIError

        if not isinstance(error, GlobusAPIError):
            return
        wanted = error.headers.get("Retry-After", "")
        if error.http_status == 429 or wanted:
            self.pace.quiet(float(wanted) if wanted.isdigit() else None)

    def _ready(self) -> TransferClient:
        """Return the client; a new one when somebody else has logged in, out, or changed the secret."""
        made_of = _state(self.account.token_file), _state(Path(self.account.secret_file)) if self.account.secret_file else None
        if self._client is None or made_of != self._made_of:
            self._client = transfer_client(self.account.app())
            self._made_of = made_of
        return self._client


def _state(path: Path) -> object:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
