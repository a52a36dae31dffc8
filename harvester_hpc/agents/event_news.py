"""What the letters of a worker say of event ranges, brought into the store; shared by messenger and monitor."""
from __future__ import annotations

import logging
from collections.abc import Collection

from harvester_hpc.messenger.values import News
from harvester_hpc.model.worker import Worker
from harvester_hpc.policy.event_feeding import MOST_FEEDS
from harvester_hpc.policy.event_words import words_of
from harvester_hpc.store import event as events
from harvester_hpc.store import event_request as requests
from harvester_hpc.store.database import Write

log = logging.getLogger(__name__)

#: Names in one line of the log, at most.
SHOWN = 3


def store_event_news(write: Write, worker: Worker, news: News, *, runs_on: bool) -> None:
    """Take the worker's words on the ranges that it has; what it cannot know changes nothing and is logged."""
    words, odd = words_of(news, worker.job_ids)
    own = events.jobs(write.connection, words) if words else {}
    for job_id, said in words.items():
        idle = events.take_words(write, worker.id, job_id, said) if job_id in own else [word.range_id for word in said]
        odd += [f"range {name[:80]} of job {job_id}, which it does not have" for name in idle]
    if odd:
        log.warning("words on event ranges that change nothing worker=%s number=%d such=%s", worker.id, len(odd), odd[:SHOWN])
    if runs_on and news.wants_events:
        requests.want(write, worker.id)


def take_back_ranges(write: Write, worker: Worker, on_ranges: Collection[int]) -> None:
    """A worker has ended (or was requeued and begins anew): what it held goes back.

    Args:
        on_ranges: jobs that work on event ranges; all of the worker's that do are among them.
    """
    own = [job_id for job_id in worker.job_ids if job_id in on_ranges]
    back = events.give_back(write, worker.id, own, MOST_FEEDS) if own else 0
    requests.answered(write, worker.id)
    if back:
        log.info("ranges came back worker=%s ranges=%d", worker.id, back)
