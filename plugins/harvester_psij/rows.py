"""What a batch system tells of batch jobs: one row each, and what an answer does not say of those that are not in it."""
from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harvester_psij.states import ENDED, Meaning


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A batch job in the queue or in the accounting.

    Attributes:
        code: the state's code or word, as printed.
        meaning: what that means; None if the dialect does not know the state.
        by: who cancelled it ("uid 1000"); "" if nobody or not told.
        submitted, started, ended: seconds since 1970; None if not told.
        exit_code: of the batch script; None if not told.
        accounted: it is of the accounting: the queue did not list it.
    """

    batch_id: str
    code: str
    meaning: Meaning | None = None
    name: str = ""
    submitted: float | None = None
    started: float | None = None
    ended: float | None = None
    node: str = ""
    reason: str = ""
    by: str = ""
    exit_code: int | None = None
    accounted: bool = False

    @property
    def has_ended(self) -> bool:
        """The batch system says that it is over."""
        return self.meaning is not None and self.meaning.state in ENDED


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The answer of a batch system about many batch jobs.

    Attributes:
        unread: text of the answer that could not be read; a batch job named in it is not known to be absent.
        cut: the answer ends in the middle: nothing that is not in it is known to be absent.
    """

    rows: tuple[Row, ...] = ()
    unread: str = ""
    cut: bool = False

    def __add__(self, other: Listing) -> Listing:
        """Return both answers as one."""
        return Listing(rows=self.rows + other.rows, unread=f"{self.unread}\n{other.unread}".strip(), cut=self.cut or other.cut)

    def may_hold(self, batch_id: str) -> bool:
        """Tell whether a batch job that has no row here may have been in the answer all the same."""
        number = re.escape(number_of(batch_id))
        return self.cut or re.search(rf"(?<![0-9.]){number}(?![0-9])", self.unread) is not None


#: Nothing was asked, or nobody is there to ask.
NOTHING_TOLD = Listing()


def together(listings: Iterable[Listing]) -> Listing:
    """Return several answers as one."""
    whole = NOTHING_TOLD
    for one in listings:
        whole += one
    return whole


def number_of(batch_id: str) -> str:
    """Return the number of a batch job without the server that it may carry: ``12`` of ``12.server``."""
    return batch_id.partition(".")[0]


class Index:
    """Rows by the numbers of their batch jobs; a server's name is written in full by one command, and not by the next.

    Args:
        rows: if several have the same number, the first one counts.
    """

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows: dict[str, Row] = {}
        for row in rows:
            self._rows.setdefault(row.batch_id, row)
        for row in rows:
            self._rows.setdefault(number_of(row.batch_id), row)

    def get(self, batch_id: str) -> Row | None:
        """Return the row of a batch job; None if there is none."""
        return self._rows.get(batch_id) or self._rows.get(number_of(batch_id))
