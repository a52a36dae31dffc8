"""Why a job or a worker did not end well, as one word to sort by; the words for people stand beside it."""
from __future__ import annotations

from enum import StrEnum


class Cause(StrEnum):
    """The kinds of trouble that are told apart."""

    UNKNOWN = ""
    DICTIONARY = "dictionary"            # the job's dictionary cannot be used
    STAGE_IN = "stage_in"
    STAGE_OUT = "stage_out"
    TOO_LARGE = "too_large"              # it fits into no worker of its queue
    SUBMISSION = "submission"            # the batch system takes no worker for it
    NOT_BEGUN = "not_begun"              # its workers ended without having begun it
    PAYLOAD = "payload"                  # by itself
    MISSING_OUTPUT = "missing_output"    # the payload says that it ended well
    EVENTS = "events"                    # its event ranges have failed
    TIME_LIMIT = "time_limit"
    OUT_OF_MEMORY = "out_of_memory"
    NODE_FAILURE = "node_failure"
    PREEMPTED = "preempted"
    BATCH_KILL = "batch_kill"            # ended from outside, and not by us
    KILLED = "killed"                    # by us: on command, or because it was silent or waited for too long
    LOST = "lost"                        # it left no trace
    WORKER = "worker"                    # the batch job failed by itself


#: What a batch system does to a worker: of the jobs in it this is the cause, whatever their payloads said when they were ended.
FROM_OUTSIDE = frozenset({
    Cause.TIME_LIMIT, Cause.OUT_OF_MEMORY, Cause.NODE_FAILURE, Cause.PREEMPTED, Cause.BATCH_KILL, Cause.KILLED,
})
#: Of a job that never had a worker that ran: there is no payload that could tell of it.
BEFORE_ITS_WORKER = frozenset({Cause.DICTIONARY, Cause.STAGE_IN, Cause.TOO_LARGE, Cause.SUBMISSION})
