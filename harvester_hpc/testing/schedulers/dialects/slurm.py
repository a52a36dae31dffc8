"""Slurm: sbatch, squeue, sacct, scancel, scontrol, sinfo."""
from __future__ import annotations

from collections.abc import Mapping, Sequence

from harvester_hpc.testing.schedulers.dialect import Dialect, Words
from harvester_hpc.testing.schedulers.dialects import slurm_listing as listing
from harvester_hpc.testing.schedulers.dialects.options import Options, parsed
from harvester_hpc.testing.schedulers.dialects.slurm_control import VERSION, scontrol, sinfo
from harvester_hpc.testing.schedulers.dialects.slurm_request import furnish, named, options_of, request_of
from harvester_hpc.testing.schedulers.engine import Engine
from harvester_hpc.testing.schedulers.values import Answer, Call, Job, Problem, State

SQUEUE = {
    "h": "noheader", "t": "states", "n": "name", "j": "jobs", "o": "format", "O": "Format", "p": "partition", "u": "user", "a": "all",
    "r": "array",
    "M": "clusters",
}
SACCT = {
    "X": "allocations", "n": "noheader", "P": "parsable2", "p": "parsable", "j": "jobs", "S": "starttime", "E": "endtime", "o": "format",
    "D": "duplicates",
    "u": "user", "s": "state", "a": "allusers", "M": "clusters",
}
SCANCEL = {"Q": "quiet", "n": "name", "u": "user", "t": "state", "p": "partition", "s": "signal", "b": "batch", "f": "full", "v": "verbose"}
VALUED = frozenset(
    ["states", "name", "jobs", "format", "Format", "partition", "user", "clusters", "starttime", "endtime", "state", "signal", "account",
    "qos", "delimiter", "units"]
)


def said_by(call: Call, letters: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Return ({long name: value}, the rest)."""
    short = "".join(f"{letter}:" if name in VALUED else letter for letter, name in letters.items())
    names = {*letters.values(), "me", "delimiter", "units", "truncate", "yesno"}
    options, rest = parsed(call.argv, short, [f"{name}=" if name in VALUED else name for name in names])
    return _long(options, letters), rest


def _long(options: Options, letters: Mapping[str, str]) -> dict[str, str]:
    return {letters.get(name[1:], name.lstrip("-")) if len(name) == 2 else name.lstrip("-"): value for name, value in options}


def sbatch(call: Call, engine: Engine) -> Answer:
    """Take a job and print its number."""
    if call.argv[:1] in (("--version",), ("-V",)):
        return Answer(out=f"slurm-wlm {VERSION}\n")
    request = request_of(call, engine.behaviour)
    job = engine.submit(request)
    parsable = "parsable" in options_of(call)[0]
    return Answer(out=f"{job.number}\n" if parsable else f"Submitted batch job {job.number}\n")


def squeue(call: Call, engine: Engine) -> Answer:
    """List what the queue knows."""
    said, _ = said_by(call, SQUEUE)
    jobs = [job for job in engine.visible() if _is_wanted(job, said, call)]
    if numbers := said.get("jobs"):
        wanted = numbers.split(",")
        known = {str(job.number) for job in engine.visible()}
        if len(wanted) == 1 and wanted[0] not in known:
            return Answer(err="slurm_load_jobs error: Invalid job id specified\n", exit_code=1)
        jobs = [job for job in jobs if str(job.number) in wanted]
    form, write = said.get("format", listing.USUAL), listing.lined
    if "Format" in said:
        form, write = said["Format"], listing.long_lined
    lines = [] if "noheader" in said else [write(form, listing.HEADS)]
    lines += [write(form, listing.fields(job, engine.behaviour, call)) for job in jobs]
    return Answer(out="".join(f"{line}\n" for line in lines))


def _is_wanted(job: Job, said: Mapping[str, str], call: Call) -> bool:
    if "name" in said and job.name not in said["name"].split(","):
        return False
    if "partition" in said and job.request.queue not in said["partition"].split(","):
        return False
    user = call.user if "me" in said else said.get("user", job.request.user)
    states = said.get("states", "")
    if states.lower() == "all":
        return job.request.user in user.split(",")
    code = listing.code(job)
    wanted = {state.upper() for state in states.split(",") if state}
    fits = bool({code, listing.WORDS.get(code, code)} & wanted) if wanted else not job.has_ended
    return fits and job.request.user in user.split(",")


def sacct(call: Call, engine: Engine) -> Answer:
    """List what the accounting knows."""
    said, _ = said_by(call, SACCT)
    if not engine.behaviour.accounting:
        return Answer(err="Slurm accounting storage is disabled\n", exit_code=1)
    jobs = engine.visible(accounting=True)
    if "jobs" in said:
        jobs = [job for job in jobs if str(job.number) in said["jobs"].split(",")]
    if "name" in said:
        jobs = [job for job in jobs if job.name in said["name"].split(",")]
    return Answer(out=listing.accounting(jobs, said, engine.behaviour, call))


def scancel(call: Call, engine: Engine) -> Answer:
    """End jobs by number or by what they are called; a number that is not known (any more) is passed over."""
    said, numbers = said_by(call, SCANCEL)
    if not numbers and not set(said) - {"quiet", "verbose"}:
        return Answer(err="scancel: error: No job identification provided\n", exit_code=1)
    for job in _targets(numbers, said, call, engine):
        if said.get("signal", "KILL") in ("KILL", "9", "TERM", "15"):
            engine.cancel(job, call.user)
    return Answer()


def _targets(numbers: Sequence[str], said: Mapping[str, str], call: Call, engine: Engine) -> list[Job]:
    filters = {name: said[name] for name in ("name", "user", "partition") if name in said} | ({"me": ""} if "me" in said else {})
    states = said.get("state", "").upper().split(",")
    words = {State.RUNNING: "RUNNING", State.QUEUED: "PENDING", State.HELD: "PENDING", State.SUSPENDED: "SUSPENDED"}
    return [
        job for job in engine.books.active()
        if (not numbers or str(job.number) in numbers) and _is_wanted(job, filters | {"states": "all"}, call)
        and (states == [""] or words.get(job.state, "") in states)
    ]


FAILED = "sbatch: error: Batch job submission failed: "
REFUSALS: Mapping[Problem, str] = {
    Problem.NO_QUEUE: f"sbatch: error: invalid partition specified: {{detail}}\n{FAILED}Invalid partition name specified",
    Problem.QUEUE_CLOSED: f"{FAILED}Required partition not available (inactive or drain)",
    Problem.QUEUE_FULL: f"{FAILED}Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)",
    Problem.NOT_PERMITTED: f"{FAILED}User's group not permitted to use this partition",
    Problem.NO_ACCOUNT: f"{FAILED}Invalid account or account/partition combination specified",
    Problem.TOO_MANY_NODES: f"{FAILED}More processors requested than permitted",
    Problem.TOO_MANY_CORES: f"{FAILED}Requested node configuration is not available",
    Problem.TOO_LONG: f"{FAILED}Requested time limit is invalid (missing or exceeds some limit)",
    Problem.BAD_OPTION: 'sbatch: unrecognized option \'{detail}\'\nTry "sbatch --help" for more information',
    Problem.BAD_REQUEST: "sbatch: error: {detail}",
}

DIALECT = Dialect(
    programs={"sbatch": sbatch, "squeue": squeue, "sacct": sacct, "scancel": scancel, "scontrol": scontrol, "sinfo": sinfo},
    furnish=furnish,
    named=named,
    words={
        "": Words(
            refused="slurm_load_jobs error: Unable to contact slurm controller (connect failure)", refused_code=1,
            timeout="slurm_load_jobs error: Socket timed out on send/recv operation", timeout_code=1,
        ),
        "sbatch": Words(
            refused="sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)", refused_code=1,
            timeout="sbatch: error: Batch job submission failed: Socket timed out on send/recv operation", timeout_code=1,
        ),
        "scancel": Words(
            refused="scancel: error: slurm_kill_job2() failed Unable to contact slurm controller (connect failure)", refused_code=1,
            timeout="scancel: error: Socket timed out on send/recv operation", timeout_code=1,
        ),
        "sacct": Words(
            refused="sacct: error: slurm_persist_conn_open_without_init: failed to open persistent connection to host:localhost:6819: "
            "Connection refused", refused_code=1,
            timeout="sacct: error: Problem talking to the database: Connection timed out", timeout_code=1,
        ),
    },
    refusals={problem: (255 if problem is Problem.BAD_OPTION else 1, words) for problem, words in REFUSALS.items()},
    batch_id=listing.batch_id,
)
