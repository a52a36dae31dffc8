"""What qsub means when it says no. Words of OpenPBS 20 and 23 (server and qsub) and of Torque 4 to 6."""
from __future__ import annotations

from harvester_psij.refusal import Table, Verdict

#: The doubts first: they outweigh a refusal.
PBS_VERDICTS: Table = (
    # The request may have reached the server.
    (Verdict.UNCERTAIN, r"cannot connect to|could not connect|connection (refused|reset|timed|to server lost)"),
    (Verdict.UNCERTAIN, r"timed out|\btime-?out\b|end of file"),
    (Verdict.UNCERTAIN, r"communication failure|protocol|premature|no permission to .*munge|munge|server (is )?(down|not responding)"),
    (Verdict.UNCERTAIN, r"unexpected (reply|batch reply)|internal (server )?error|system error|cannot send|batch request is invalid"),
    # Limits of how many: the next try may fit.
    (Verdict.BUSY, r"would exceed .*(limit|'Q' state)|maximum number of jobs already|(exceeds|reached) the (queue|server) limit"),
    (Verdict.BUSY, r"queue is not (enabled|started)|not enabled to accept|server (is )?(shutting down|busy)|resource temporarily unavail"),
    (Verdict.BUSY, r"no space left|disk quota exceeded|cannot create|temporary file|too many open"),
    (Verdict.REFUSED, r"unknown queue|rejected by all possible destinations|access to queue is denied|queue .*does not exist"),
    (Verdict.REFUSED, r"cannot (locate|find) (a )?feasible|route queue"),
    (Verdict.REFUSED, r"violates queue and/or server resource limits|exceeds (queue|server) resource limits|no such queue"),
    (Verdict.REFUSED, r"unknown resource|illegal attribute or resource|resource invalid in|cannot be used .*|invalid .*specification"),
    (Verdict.REFUSED, r"unauthorized request|not authorized|bad uid|permission denied|not a member|group .*denied"),
    (Verdict.REFUSED, r"(invalid|unknown|bad|no|missing) (account|project|allocation)|allocation .*(expired|exhausted|negative)"),
    (Verdict.REFUSED, r"account .*(invalid|not|required)|project .*(invalid|not|required)|no valid allocation|-A .*required"),
    (Verdict.REFUSED, r"illegal -\w value|illegal option|invalid option|usage: qsub|directive error|script .*(not|does)|name is too long"),
    (Verdict.REFUSED, r"filesystems|walltime|select|ncpus|nodes? .*(limit|minimum|maximum)|required resource|missing resource"),
)
