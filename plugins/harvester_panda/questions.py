"""Questions to a server that tell whether it takes us, and change nothing there but our sign of life."""
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from harvester_hpc.errors import ConfigurationError, Unavailable
from harvester_hpc.model.job import JobId
from harvester_hpc.ports.context import Context
from harvester_hpc.settings import problems_of, settings_of
from harvester_panda.communicator import PandaCommunicator

#: A job that there is on no server.
NO_JOB = JobId(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of one question."""

    question: str
    good: bool
    said: str


def asked(section: Mapping[str, Any], context: Context) -> list[Answer]:
    """Ask everything, even if some of it fails; without a connection only the first.

    Raises:
        ConfigurationError: the section cannot be used.
    """
    panda = _made(section, context)
    questions: tuple[tuple[str, Callable[[], object]], ...] = (
        ("form of the API", panda.dialect), ("sign of life", lambda: _greeted(panda)),
        ("types of resources", lambda: ", ".join(str(one.get("resource_name")) for one in panda.get_resource_types()) or "none"),
        ("highest number of a worker", lambda: panda.current_worker_id() or "none yet"),
        ("status of a job that there is not", lambda: ", ".join(panda.check_jobs([NO_JOB])[0].commands) or "wanted"),
    )
    answers: list[Answer] = []
    try:
        for question, ask in questions:
            answers.append(_answer(question, ask))
            if not answers[0].good:
                break
    finally:
        panda.close()
    return answers


def _made(section: Mapping[str, Any], context: Context) -> PandaCommunicator:
    where = "communicator"
    settings = settings_of(PandaCommunicator, section, {"name", "module"}, where)
    problems = tuple(problems_of(PandaCommunicator, settings, context, where))
    if problems:
        raise ConfigurationError(f"{where}: cannot be used", problems)
    return PandaCommunicator(settings, context)


def _greeted(panda: PandaCommunicator) -> str:
    panda.is_alive({})
    return "taken"


def _answer(question: str, ask: Callable[[], object]) -> Answer:
    try:
        return Answer(question=question, good=True, said=str(ask()))
    except Unavailable as error:
        return Answer(question=question, good=False, said=str(error))
