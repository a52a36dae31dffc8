"""Reports about jobs are told: in bunches, and what the server does not take of one is left out."""
from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any

from harvester_hpc.ports.communicator import Accepted, JobReply, JobReport, NotAccepted
from harvester_panda import methods
from harvester_panda.cleaning import parts
from harvester_panda.job_reports import in_old_form, item_of, left_out, problem_of, reply_words
from harvester_panda.piecemeal import Piecemeal
from harvester_panda.server import Dialect, Refused, Server
from harvester_panda.settings import PandaSettings

log = logging.getLogger(__name__)

#: The server's words about a key that it does not know, or not with this type.
COMPLAINT = re.compile(r"(?:unexpected keyword argument|Type error:) '(\w+)'")
#: Without these a report says nothing, or something else.
NEEDED = frozenset({"job_id", "job_status", "attempt_nr", "job_sub_status", "job_output_report"})
#: The server's code for a status that it does not have.
NO_STATUS = 50


class JobTelling:
    """Tells one server of jobs. What it has once complained about is not sent to it again, as long as this process lives."""

    def __init__(self, server: Server, settings: PandaSettings, instance: str) -> None:
        self._server = server
        self._settings = settings
        self._instance = instance
        self._unwanted: frozenset[str] = frozenset()

    def told(self, reports: Sequence[JobReport]) -> list[JobReply]:
        """Return the reply to each report.

        Raises:
            Unavailable: nobody knows which were taken.
        """
        replies: dict[int, JobReply] = {}
        fit: list[tuple[int, JobReport]] = []
        for number, report in enumerate(reports):
            problem = problem_of(report)
            if problem:
                replies[number] = NotAccepted(why=problem, final=True)
            else:
                fit.append((number, report))
        for bunch in parts(fit, self._settings.items_per_call):
            answers = Piecemeal(self._tell, _not_taken).tell([report for _, report in bunch])
            replies |= {number: answer for (number, _), answer in zip(bunch, answers, strict=True)}
        return [replies[number] for number in range(len(reports))]

    def _tell(self, reports: Sequence[JobReport]) -> Sequence[JobReply]:
        answers = self._answers(reports)
        complaints = {number: key for number, answer in enumerate(answers) if (key := _complaint(answer)) not in self._unwanted | {""}}
        if not complaints:
            return [_reply(answer) for answer in answers]
        self._unwanted |= set(complaints.values())
        log.warning("the PanDA server does not take these keys, they are left out keys=%s", sorted(self._unwanted))
        # Each time there is one key less.
        again = dict(zip(complaints, self._tell([reports[number] for number in complaints]), strict=True))
        return [again.get(number) or _reply(answer) for number, answer in enumerate(answers)]

    def _answers(self, reports: Sequence[JobReport]) -> Sequence[Any]:
        items = [self._item(report) for report in reports]
        data = self._server.tell(methods.UPDATE_JOBS, {"job_list": items, "harvester_id": self._instance})
        if not isinstance(data, list) or len(data) != len(reports):
            raise Refused("the PanDA server does not answer each report", why=str(data)[:200])
        return data

    def _item(self, report: JobReport) -> dict[str, Any]:
        unknown = left_out(report)
        if unknown:
            log.debug("PanDA has no place for what is told of a job job=%s such=%s", report.job_id, unknown[:10])
        item = {key: value for key, value in item_of(report).items() if key not in self._unwanted}
        return in_old_form(item) if self._server.dialect() is Dialect.OLD else item


def _complaint(answer: Any) -> str:
    """Return the key that an answer complains about, if a report can do without it."""
    message = answer.get("message") if isinstance(answer, Mapping) and answer.get("success") is False else ""
    found = COMPLAINT.search(str(message))
    return found[1] if found and found[1] not in NEEDED else ""


def _not_taken(report: JobReport, why: str) -> JobReply:
    return NotAccepted(why=why)


def _reply(answer: Any) -> JobReply:
    if not isinstance(answer, Mapping):
        return NotAccepted(why=f"an answer that is none: {str(answer)[:200]}")
    data = answer.get("data")
    code = data.get("StatusCode") if isinstance(data, Mapping) else None
    # A report for which the server had no time (10) or no database (30) is a success all the same, and nothing is stored of it.
    if answer.get("success") is True and code in (None, 0):
        return Accepted(commands=tuple(reply_words(data)))
    never = code == NO_STATUS
    return NotAccepted(why=str(answer.get("message") or data)[:300], final=never)
