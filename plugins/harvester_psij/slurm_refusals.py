"""What sbatch means when it says no."""
from __future__ import annotations

from harvester_psij.refusal import Table, Verdict

#: The doubts first: they outweigh a refusal.
SLURM_VERDICTS: Table = (
    # The request may have reached the controller: seen with a frozen one, which made the job afterwards.
    (Verdict.UNCERTAIN, r"socket timed out|unable to contact|zero bytes were|connection (refused|reset|timed)|communication"),
    (Verdict.UNCERTAIN, r"unexpected message|protocol|munge|authentication|i/o error"),
    # Limits of one batch job: it will be as large at the next try.
    (Verdict.REFUSED, r"\b(QOS|Assoc)\w*PerJob\w*|\bQOSMin\w*|\bMaxMemPerLimit"),
    # Limits of how many: the next try may fit.
    (Verdict.BUSY, r"\b(QOS|Assoc)(Grp|Max)\w*Limit|job violates accounting/qos policy"),
    (Verdict.BUSY, r"required partition not available|partition configuration not available now|partition .*\b(down|drain|inactive)"),
    (Verdict.BUSY, r"could not establish a configuration source"),  # it does not even know whom to ask
    (Verdict.BUSY, r"temporarily unable to accept|resource temporarily unavailable|maximum number of jobs"),
    (Verdict.BUSY, r"no space left|disk quota exceeded"),
    (Verdict.REFUSED, r"invalid partition|partition name specified|requested time limit|time limit (is )?invalid|node count specification"),
    (Verdict.REFUSED, r"requested node configuration is not available|more processors requested than permitted"),
    (Verdict.REFUSED, r"memory specification can not be satisfied|invalid node name|invalid generic resource|invalid feature"),
    (Verdict.REFUSED, r"invalid licen[sc]e|reservation is invalid|invalid account|invalid qos|invalid (tres|trackable)"),
    (Verdict.REFUSED, r"unrecognized option|invalid option|requires an argument|doesn't allow an argument|option .* is ambiguous"),
    (Verdict.REFUSED, r"group not permitted to use this partition|not permitted to use|access/permission denied|permission denied"),
    (Verdict.REFUSED, r"does not look like a batch script|dos line breaks|unable to open file|pathname .* too long"),
    (Verdict.REFUSED, r"memory required by task is not available|job size specification needs"),
    (Verdict.REFUSED, r"invalid (--)?[\w-]+ specification|invalid \w+ (argument|value)|invalid job name|script is too large"),
)
