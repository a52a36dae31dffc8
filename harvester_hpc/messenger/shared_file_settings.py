"""Settings of the shared-file messenger: the published attributes, in our spelling."""
from __future__ import annotations

from dataclasses import dataclass, field, fields

from harvester_hpc.messenger.feeding import Manner
from harvester_hpc.messenger.left_overs import Scan
from harvester_hpc.messenger.letter import LARGEST
from harvester_hpc.messenger.names import NAMES, Names
from harvester_hpc.messenger.post_processing import PostProcessing

#: Settings that name a letter.
LETTERS = frozenset({
    "json_attrs_file_name", "json_job_report", "json_outputs_file_name", "json_job_request_file_name", "job_spec_file_name",
    "json_events_request_file_name", "json_events_feed_file_name", "json_events_update_file_name", "xml_pool_catalog_file_name",
    "panda_ids_file", "kill_worker_file", "heartbeat_file",
})


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedFileSettings:
    """The section of the queue: the published attributes, in our spelling.

    Attributes:
        strip_job_params: leave out of the job dictionary what a payload does not need.
        job_spec_file_format: json or cgi.
        post_process: after the end of a worker, pack the log of each job that has none, and do what else is set below.
        scan_in_post_process: look for outputs that were not declared.
        output_sub_dir: they lie in this folder of each sub-folder; "": anywhere in the sub-folders.
        left_over_patterns: regular expressions for their names, with %PANDAID, %TASKID, %OUTPUT_FILE; none: every file.
        left_over_zip_patterns: the same for tars whose members are outputs of event ranges.
        post_process_in_sub_dir: the payload has run in a sub-folder named by the PandaID.
        sub_tarball_name: a tar of logs that the payload itself has made in a sub-folder; it is packed in place of the others.
        force_post_processing: also in a queue whose pilots tell and stage everything themselves (truePilot).
        task_work_base_dir: folder that all nodes see, for tasks that are merged on site; "": none is.
        task_work_state_file: file in a task's folder that says what was merged.
        settle_s: seconds for which a letter that cannot be read must not change before it is a bad one.
        largest_bytes: a longer letter is a bad one.
    """

    json_attrs_file_name: str = NAMES.attributes
    json_job_report: str = NAMES.job_report
    json_outputs_file_name: str = NAMES.status_dump
    json_job_request_file_name: str = NAMES.job_request
    job_spec_file_name: str = NAMES.job_spec
    json_events_request_file_name: str = NAMES.event_request
    json_events_feed_file_name: str = NAMES.event_ranges
    json_events_update_file_name: str = NAMES.update_events
    xml_pool_catalog_file_name: str = NAMES.catalog
    panda_ids_file: str = field(default=NAMES.panda_ids, metadata={"key": "pandaIDsFile"})
    kill_worker_file: str = NAMES.kill[0]
    heartbeat_file: str = NAMES.heartbeat[0]
    strip_job_params: bool = False
    job_spec_file_format: str = "json"
    post_process: bool = False
    scan_in_post_process: bool = False
    output_sub_dir: str = ""
    left_over_patterns: tuple[str, ...] = ()
    left_over_zip_patterns: tuple[str, ...] = ()
    post_process_in_sub_dir: bool = False
    sub_tarball_name: str = ""
    force_post_processing: bool = False
    task_work_base_dir: str = ""
    task_work_state_file: str = "state.json"
    settle_s: float = field(default=10.0, metadata={"key": "settleSeconds"})
    largest_bytes: int = LARGEST

    def problems(self) -> tuple[str, ...]:
        """Return what types cannot tell."""
        names = {one.name: getattr(self, one.name) for one in fields(self) if one.name in LETTERS}
        problems = [f"{key}: must be a plain file name, not {name!r}" for key, name in names.items() if not _is_plain(name)]
        twice = {name for name in names.values() if list(names.values()).count(name) > 1}
        problems += [f"{key}: {name!r} is the name of two letters" for key, name in names.items() if name in twice]
        problems += self._problems_of_post_processing()
        if not 0 <= self.settle_s < 3600:
            problems.append(f"settle_s: must be seconds from 0 to 3600, not {self.settle_s}")
        if self.largest_bytes < 1024:
            problems.append(f"largest_bytes: must be at least 1024, not {self.largest_bytes}")
        return tuple(problems)

    def _problems_of_post_processing(self) -> list[str]:
        problems = list(scan_of(self).problems())
        if self.job_spec_file_format not in ("json", "cgi"):
            problems.append(f"job_spec_file_format: must be json or cgi, not {self.job_spec_file_format!r}")
        if self.scan_in_post_process and not self.post_process:
            problems.append("scan_in_post_process: nothing is done after the end of a worker without post_process")
        if self.sub_tarball_name and not _is_plain(self.sub_tarball_name):
            problems.append(f"sub_tarball_name: must be a plain file name, not {self.sub_tarball_name!r}")
        if not _is_plain(self.task_work_state_file):
            problems.append(f"task_work_state_file: must be a plain file name, not {self.task_work_state_file!r}")
        if self.task_work_base_dir and not self.task_work_base_dir.startswith("/"):
            problems.append(f"task_work_base_dir: must be an absolute path, not {self.task_work_base_dir!r}")
        return problems


def _is_plain(name: str) -> bool:
    return bool(name) and "/" not in name and "\0" not in name and not name.startswith(".")


def names_of(settings: SharedFileSettings) -> Names:
    """Return the names of letters."""
    return Names(
        job_spec=settings.job_spec_file_name, catalog=settings.xml_pool_catalog_file_name, panda_ids=settings.panda_ids_file,
        job_request=settings.json_job_request_file_name, event_request=settings.json_events_request_file_name,
        event_ranges=settings.json_events_feed_file_name, update_events=settings.json_events_update_file_name,
        status_dump=settings.json_outputs_file_name, attributes=settings.json_attrs_file_name, job_report=settings.json_job_report,
        kill=tuple(dict.fromkeys((settings.kill_worker_file, *NAMES.kill[1:]))),
        heartbeat=tuple(dict.fromkeys((settings.heartbeat_file, *NAMES.heartbeat[1:]))),
    )


def manner_of(settings: SharedFileSettings) -> Manner:
    """Return how jobs are described."""
    return Manner(
        strip=settings.strip_job_params, cgi=settings.job_spec_file_format == "cgi",
        task_base=settings.task_work_base_dir if settings.post_process else "",
    )


def scan_of(settings: SharedFileSettings) -> Scan:
    """Return how left-over outputs are found."""
    return Scan(sub_dir=settings.output_sub_dir, patterns=settings.left_over_patterns, zip_patterns=settings.left_over_zip_patterns)


def post_processing_of(settings: SharedFileSettings) -> PostProcessing:
    """Return what is to be done after the end of a worker."""
    return PostProcessing(
        scan=scan_of(settings) if settings.scan_in_post_process else None, in_sub_dir=settings.post_process_in_sub_dir,
        tarball=settings.sub_tarball_name, state_file=settings.task_work_state_file,
    )
