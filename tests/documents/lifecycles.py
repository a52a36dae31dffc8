"""docs/lifecycles.md, written from the tables of the model: ``python -m tests.documents.lifecycles``."""
from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from harvester_hpc.model import event as event_module
from harvester_hpc.model import file as file_module
from harvester_hpc.model import job as job_module
from harvester_hpc.model import worker as worker_module
from harvester_hpc.model.event import EVENT_LIFECYCLE, EVENT_TOLD_AS, EventState
from harvester_hpc.model.file import FILE_LIFECYCLE
from harvester_hpc.model.job import JOB_LIFECYCLE, TOLD_AS, JobState
from harvester_hpc.model.lifecycle import Lifecycle, State
from harvester_hpc.model.turn import EVENT_TURN, JOB_TURN, WORKER_TURN
from harvester_hpc.model.worker import WORKER_LIFECYCLE

PAGE = Path(__file__).parents[2] / "docs" / "lifecycles.md"

HEAD = """\
# Lifecycles

This page is written by `python -m tests.documents.lifecycles` from `harvester_hpc/model`; change the tables there, not this text.

A state names whose turn it is: every state that is not final belongs to one agent, so that agents never race. A step is a value,
checked against these tables and made by one guarded `UPDATE ... WHERE state = before`; one that comes too late is dropped.
"""


def page() -> str:
    """Return the whole page."""
    told = {state.value: f"{TOLD_AS[state]}{' (sub-status killed)' if state is JobState.CANCELLED else ''}" for state in JobState}
    of_events = {state.value: EVENT_TOLD_AS.get(state, "") for state in EventState}
    return "\n".join([
        HEAD,
        *_section("Job", JOB_LIFECYCLE, _remarks(job_module.__file__), _turns(JOB_TURN), told),
        *_section("Worker", WORKER_LIFECYCLE, _remarks(worker_module.__file__), _turns(WORKER_TURN), {}),
        *_section("Event range", EVENT_LIFECYCLE, _remarks(event_module.__file__), _turns(EVENT_TURN), of_events),
        *_section("File", FILE_LIFECYCLE, _remarks(file_module.__file__), {}, {}),
    ])


def _turns(turns: Mapping[State, str]) -> dict[str, str]:
    return {state.value: turn for state, turn in turns.items()}


def _section(
    title: str, lifecycle: Lifecycle[State], remarks: Mapping[str, str], turns: Mapping[str, str], told: Mapping[str, str]
) -> Iterator[str]:
    optional = [["whose turn"] if turns else [], ["the workload management system sees"] if told else []]
    headings = ["state", *optional[0], "what it is", "may go to", *optional[1]]
    yield f"## {title}\n"
    yield _row(headings)
    yield _row(["---"] * len(headings))
    for state, following in lifecycle.moves.items():
        name = state.value
        remark = "" if remarks.get(name) == turns.get(name) else remarks.get(name, "")
        order = [other.value for other in lifecycle.moves if other in following]
        yield _row([
            f"`{name}`", *([turns.get(name, "")] if turns else []), remark, ", ".join(order) or "(final)",
            *([told[name]] if told else []),
        ])
    yield ""


def _remarks(module: str | None) -> Mapping[str, str]:
    """Return {state: the remark behind it in the source}."""
    assert module is not None
    found = re.findall(r'^    [A-Z_]+ = "([a-z_]+)" +# (.*)$', Path(module).read_text(encoding="utf-8"), re.MULTILINE)
    return {name: remark.rpartition(": ")[2] for name, remark in found}


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
