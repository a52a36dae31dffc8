"""What became of each file of a task, from what the service says of it."""
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from harvester_hpc.model.transfer import Item, Place, Progress
from harvester_hpc.ports.carrier import ItemEnd, ItemNews, Parked

Document = Mapping[str, Any]

SUCCEEDED, FAILED, INACTIVE = "SUCCEEDED", "FAILED", "INACTIVE"
#: The service has moved a file, and it was not the one that was promised.
MISMATCH = "EXTERNAL_CHECKSUM_MISMATCH"
#: {word in the state of a task that goes on: what a person must do}. From other troubles the service recovers by itself.
REMEDIES: Mapping[str, str] = {
    "QUOTA": "make room at the destination, or ask for more quota; the task goes on by itself",
    "NO_SPACE": "make room at the destination; the task goes on by itself",
    "PERMISSION_DENIED": "give the identity that `harvester-hpc globus whoami` shows access to the path; the task goes on by itself",
    "GC_NOT_CONNECTED": "start Globus Connect Personal on that machine; the task goes on by itself",
    "GC_PAUSED": "let Globus Connect Personal go on, on that machine; the task goes on by itself",
}
#: Words that say that credentials do not suffice any more.
LOGIN = ("EXPIRED", "AUTH", "CONSENT", "CREDENTIAL", "NOT_ACTIVATED")


def progress_of(task: Document, event: str = "") -> Progress:
    """Return how far a task is."""
    return Progress(
        files=_number(task, "files_transferred") + _number(task, "files_skipped"), size=_number(task, "bytes_transferred"),
        event=event or _event_of(task), faults=_number(task, "faults"),
    )


def state_of(task: Document) -> str:
    """Return the service's short word on a task that goes on; "" if all is well or it waits for its turn."""
    word = str(task.get("nice_status") or "")
    return "" if word in ("OK", "Queued") else word


def remedy_for(word: str, login: str) -> str:
    """Return what a person must do; "" if nobody must.

    Args:
        word: see ``state_of``.
        login: the command that logs in again.
    """
    for part, remedy in REMEDIES.items():
        if part in word.upper():
            return remedy
    return login if any(part in word.upper() for part in LOGIN) else ""


def parked(word: str, details: str, remedy: str) -> Parked:
    """Return that a person must act."""
    return Parked(why=f"{word}: {details}" if details else word, remedy=remedy)


def settles_all(task: Document, skipped: int, files: int) -> bool:
    """Tell whether the counts of a task that succeeded say that all files but the skipped ones are at their destination.

    Files that lay there already are among ``files_skipped``, and not among the successful transfers.
    """
    return _number(task, "files_transferred") + _number(task, "files_skipped") >= files - skipped


def moved(items: Iterable[Item]) -> list[ItemNews]:
    """Return news of files that are at their destination.

    The service has compared them. What can be read here is compared once more, with what the job has promised.
    """
    return [
        ItemNews(
            item_id=item.parcel.item_id, end=ItemEnd.MOVED, verified=not item.route.readable, url=address_of(item.route.destination)
        )
        for item in items
    ]


def passed_over(items: Sequence[Item], skipped: Iterable[Document]) -> list[ItemNews]:
    """Return news of files that the service has passed over because of an error at their source."""
    reasons = {str(one.get("source_path")): str(one.get("error_code") or "error") for one in skipped}
    return [
        ItemNews(item_id=item.parcel.item_id, end=ItemEnd.AGAIN, why=f"{reason}: {item.route.source.path}")
        for item in items if (reason := reasons.get(item.route.source.path))
    ]


def not_moved(items: Sequence[Item], why: str, events: Iterable[Document] = ()) -> list[ItemNews]:
    """Return news of files of which a task has not said that they were moved.

    Args:
        events: the newest ones; a file whose checksum is another than the promised one is named there, and it alone has failed.
    """
    told = " ".join(str(event.get("details")) for event in events if MISMATCH in str(event.get("code")))
    blamed = max((item for item in items if told and item.route.destination.path in told),
                 key=lambda item: len(item.route.destination.path), default=None)
    return [
        ItemNews(item_id=item.parcel.item_id, end=ItemEnd.FAILED, why=f"{item.parcel.lfn}: is not the file that was promised ({MISMATCH})")
        if item is blamed else ItemNews(item_id=item.parcel.item_id, end=ItemEnd.AGAIN, why=why)
        for item in items
    ]


def end_of(task: Document, events: Sequence[Document]) -> str:
    """Return why a task has failed, in the service's words."""
    fatal = task.get("fatal_error") or {}
    code = str(fatal.get("code") or state_of(task) or "it has failed")
    details = next((said_by(event) for event in events if event.get("is_error")), "")
    return f"the task ended: {code}{f' ({details})' if details and details != code else ''}"


def said_by(event: Document) -> str:
    """Return an event in a line."""
    words = f"{event.get('code')} {event.get('details') or event.get('description') or ''}"
    return " ".join(words.split())[:300]


def address_of(place: Place) -> str:
    """Return the address of a file in a collection."""
    return f"globus://{place.name}/{quote(place.path.lstrip('/'))}"


def _event_of(task: Document) -> str:
    return str(task.get("nice_status_short_description") or task.get("nice_status") or task.get("status") or "")


def _number(task: Document, key: str) -> int:
    value = task.get(key)
    return value if isinstance(value, int) else 0
