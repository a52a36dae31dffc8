"""What bsub means when it says no. Words of LSF 10.1; several are those of its ancestors."""
from __future__ import annotations

from harvester_psij.refusal import Table, Verdict

#: The doubts first: they outweigh a refusal.
LSF_VERDICTS: Table = (
    # The request may have reached mbatchd.
    (Verdict.UNCERTAIN, r"timed out|time-?out|connection (refused|reset)|failed in (a )?(system|lsf) (call|library)|cannot connect"),
    (Verdict.UNCERTAIN, r"lsf is down|please wait|not responding|communication|batch library|xdr|protocol error|child process died"),
    # Limits of how many: the next try may fit.
    (Verdict.BUSY, r"\bjobs? (slot |count |number )?(limit|threshold)|pending (job|slot)s? (limit|threshold)|number of pending"),
    (Verdict.BUSY, r"queue has been closed|queue is closed|cannot accept new jobs|retry later|try again later|temporarily unavailable"),
    (Verdict.BUSY, r"no space left|disk quota exceeded|cannot create (spool|temporary)"),
    (Verdict.REFUSED, r"no such queue|user cannot use the queue|cannot use the queue|not (permitted|allowed|authorized)|permission denied"),
    (Verdict.REFUSED, r"(bad|invalid) (resource requirement|argument|option|host|user group|project|job|syntax|queue|run ?limit)"),
    (Verdict.REFUSED, r"unknown (option|resource)|illegal option|bad .*specification|usage: bsub|no resource defined"),
    (Verdict.REFUSED, r"(exceeds?|too (many|large|few|long)|cannot exceed) .*(limit|processors|slots|tasks|hosts|queue)|many processors"),
    (Verdict.REFUSED, r"run ?limit .*(exceed|larger|queue)|not enough .*(hosts|processors).*(eligible|meet)"),
    (Verdict.REFUSED, r"project not specified|not a member of the specified (project|user group)|request aborted by e?(sub|psub)"),
    (Verdict.REFUSED, r"empty job|job not submitted"),
)
