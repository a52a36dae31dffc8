"""What the letters of a worker say of event ranges, as words."""
from __future__ import annotations

from collections.abc import Collection, Mapping

from harvester_hpc.messenger.values import DeclaredFile, EventUpdate, News
from harvester_hpc.model.event import EventState, EventWord

#: Statuses that change nothing: the range goes on.
GOES_ON = frozenset({"running", "transferring"})
#: PanDA's words, as the states of a range without an output.
ENDS: Mapping[str, EventState] = {
    "finished": EventState.STAGED, "failed": EventState.FAILED, "fatal": EventState.FATAL, "ready": EventState.LEASED,
}


def words_of(news: News, jobs: Collection[int]) -> tuple[dict[int, list[EventWord]], list[str]]:
    """Return {job: words about its ranges} and what cannot be used, in words.

    Args:
        jobs: those that the worker has; what it says of others is not used.

    A declared output comes before a mere word on the same range: it says more.
    """
    words: dict[int, list[EventWord]] = {}
    odd: list[str] = []
    told = [(file.job_id, file.event_range_id, file.event_status, _of_file(file)) for file in news.files if file.event_range_id]
    told += [(job, one.event_range_id, one.event_status, _of_update(one)) for job, ones in news.event_updates.items() for one in ones]
    for job_id, range_id, status, word in told:
        if job_id not in jobs:
            odd.append(f"range {range_id[:80]} of job {job_id}, which the worker does not have")
        elif word is not None:
            words.setdefault(job_id, []).append(word)
        elif status not in GOES_ON:
            odd.append(f"range {range_id[:80]}: status {status[:40]!r} is none")
    return words, odd


def _of_file(file: DeclaredFile) -> EventWord | None:
    after = ENDS.get(file.event_status)
    if after is None or after is EventState.LEASED:
        return None
    if after is not EventState.STAGED or file.kind not in ("es_output", "zip_output"):
        return EventWord(range_id=file.event_range_id, after=after)
    if file.kind == "zip_output":
        return EventWord(
            range_id=file.event_range_id, after=EventState.ZIPPED, zip_path=file.path, size=file.size, checksum=file.checksum,
        )
    return EventWord(range_id=file.event_range_id, after=EventState.FINISHED, path=file.path, size=file.size)


def _of_update(update: EventUpdate) -> EventWord | None:
    after = ENDS.get(update.event_status)
    if after is None:
        return None
    return EventWord(
        range_id=update.event_range_id, after=after, cores=update.core_count, cpu_s=update.cpu_s, why=update.why,
    )
