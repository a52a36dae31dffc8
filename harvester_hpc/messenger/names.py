"""What the letters are called: the names of the existing shared-file protocol, and ours."""
from __future__ import annotations

from dataclasses import dataclass

#: Folder under the root of the access points; each entry is the number of a worker that has news.
DOORBELL = ".doorbell"
#: File in an access point that says whose it is.
SENTINEL = ".harvester_hpc"
#: Folders of numbered letters in an access point: from the worker, and to it.
OUT, IN = "letters.out", "letters.in"
#: What a bad letter of such a folder is called.
STRANGE = "letter"
#: Key in the sentinel: the version of numbered letters that the login node reads.
LETTERS = "letters"

#: File with the folder in which jobs of a task are merged on site, and what is told of a job after its worker's end.
TASK_WORK_DIR, POST_ATTRIBUTES = "task_workdir_path.txt", "post_process_job_attrs.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """File names within an access point; the defaults are those that workers assume.

    Source: section [payload_interaction] of the published configuration template; those from ``claim`` on are ours. Where there
    are two names, the first is the protocol's and the second what some pilots write.
    """

    job_spec: str = "HPCJobs.json"
    catalog: str = "PoolFileCatalog_H.xml"
    panda_ids: str = "worker_pandaids.json"
    job_request: str = "worker_requestjob.json"
    event_request: str = "worker_requestevents.json"
    event_ranges: str = "JobsEventRanges.json"
    update_events: str = "worker_updateevents.json"
    status_dump: str = "event_status.dump.json"
    attributes: str = "worker_attributes.json"
    job_report: str = "jobReport.json"
    kill: tuple[str, ...] = ("kill_worker.json", "kill_worker")
    heartbeat: tuple[str, ...] = ("worker_heartbeat.json", "pilot_heartbeat.json")
    claim: str = "worker_claim.json"
    exit: str = "worker_exit.json"
    job_claim: str = "job_claim.json"
    job_kill: str = "kill_job.json"


NAMES = Names()
