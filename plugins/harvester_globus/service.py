"""Calls to the Transfer service: one at a time, paced, with errors that are sorted."""
from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from harvester_globus.account import Account, Session
from harvester_globus.pace import Pace
from harvester_globus.refusal import RefusedError, sorted_error
from harvester_hpc.errors import HarvesterError, Unavailable
from harvester_hpc.ports.outcome import Failed

if TYPE_CHECKING:
    from globus_sdk import IterableResponse, TransferClient, TransferData

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
        self._session: Session | None = None
        self._made_of: object = None

    def submission_id(self) -> str:
        """Return a new id that makes a submission unique."""
        return self._call(lambda client: str(client.get_submission_id()["value"]))

    def submit(self, document: TransferData) -> tuple[str, bool]:
        """Hand a task over; return its id, and whether it was known already."""

        def ask(client: TransferClient) -> tuple[str, bool]:
            answer = client.submit_transfer(document)
            return str(answer["task_id"]), answer["code"] == "Duplicate"

        return self._call(ask)

    def tasks(self, ids: Sequence[str]) -> dict[str, Document]:
        """Return {id: document} of tasks; those that the service does not list are missing."""
        found: dict[str, Document] = {}
        for start in range(0, len(ids), AT_ONCE):
            found.update((str(one["task_id"]), one) for one in self._listed({"task_id": list(ids[start:start + AT_ONCE])}))
        return found

    def task(self, task_id: str) -> Document | None:
        """Return one task; None if the service clearly does not know it."""
        try:
            return self._call(lambda client: dict(client.get_task(task_id).data))
        except RefusedError as error:
            if isinstance(error.outcome, Failed) and error.status == 404:
                return None
            raise

    def labelled(self, label: str) -> str:
        """Return the newest task with this label; "" if there is none."""
        return next((str(one["task_id"]) for one in self._listed({"label": label}) if one["label"] == label), "")

    def _listed(self, wanted: dict[str, Any]) -> list[Document]:
        return self._call(lambda client: [dict(one) for one in client.task_list(filter=wanted, limit=AT_ONCE)])

    def cancel(self, task_id: str) -> None:
        """End a task; harmless for one that has ended or is not known."""
        try:
            self._call(lambda client: client.cancel_task(task_id))
        except RefusedError as error:
            if not isinstance(error.outcome, Failed):
                raise

    def events(self, task_id: str) -> list[Document]:
        """Return the newest events of a task, newest first."""
        return self._call(lambda client: [dict(one) for one in client.task_event_list(task_id, limit=10)])

    def pause_message(self, task_id: str) -> str:
        """Return why a task is paused, in the words of those who have paused it."""

        def ask(client: TransferClient) -> str:
            answer = client.task_pause_info(task_id)
            rules = [str(rule.get("message") or "") for rule in answer.get("pause_rules") or []]
            others = [str(answer.get(name) or "") for name in ("source_pause_message", "destination_pause_message")]
            return "; ".join(word for word in (*rules, *others) if word)

        return self._call(ask)

    def successful(self, task_id: str) -> Iterator[Document]:
        """Give what was moved (without what lay there already), page by page."""
        return self._pages(lambda client, marker: client.task_successful_transfers(task_id, **marker))

    def skipped(self, task_id: str) -> Iterator[Document]:
        """Give what was passed over, page by page."""
        return self._pages(lambda client, marker: client.task_skipped_errors(task_id, **marker))

    def _pages(self, ask: Callable[[TransferClient, dict[str, Any]], IterableResponse]) -> Iterator[Document]:
        marker: Any = None
        while True:
            rows, marker = self._call(partial(_page, ask, {} if marker is None else {"marker": marker}))
            yield from rows
            if marker is None:
                return

    def _call(self, ask: Callable[[TransferClient], T]) -> T:
        from globus_sdk import GlobusError

        with self._lock:
            self.pace.take()
            try:
                return ask(self._ready().transfer)
            except (GlobusError, HarvesterError) as error:
                self._be_quiet(error)
                raise sorted_error(error, self.account) from error
            except (LookupError, TypeError, ValueError) as error:  # a proxy's page, or half an answer
                raise Unavailable("Globus has answered what cannot be understood", why=f"{type(error).__name__}: {error}"[:200]) from error
            except OSError as error:
                raise Unavailable(f"the tokens in {self.account.token_file} cannot be used", why=str(error)) from error

    def _be_quiet(self, error: Exception) -> None:
        from globus_sdk import GlobusAPIError

        if not isinstance(error, GlobusAPIError):
            return
        wanted = error.headers.get("Retry-After", "")
        if error.http_status == 429 or wanted:
            self.pace.quiet(float(wanted) if wanted.isdigit() else None)

    def _ready(self) -> Session:
        """Return the session; a new one when somebody has logged in, out, or changed the secret, and when tokens were renewed."""
        made_of = _state(self.account.token_file), _state(Path(self.account.secret_file)) if self.account.secret_file else None
        if self._session is None or made_of != self._made_of:
            self.close()
            self._session = self.account.session()
            self._made_of = made_of
        return self._session

    def close(self) -> None:
        """Close the connections; the next call opens new ones."""
        if self._session is not None:
            self._session.close()
            self._session = None


def _page(
    ask: Callable[[TransferClient, dict[str, Any]], IterableResponse], marker: dict[str, Any], client: TransferClient
) -> tuple[list[Document], Any]:
    answer = ask(client, marker)
    return [dict(one) for one in answer], answer["next_marker"]


def _state(path: Path) -> object:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
