"""A queue of the user's file: the attributes that are obeyed, and the sections of its plugins."""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from harvester_hpc.config.kinds import MANY, Count, Number, OneLine, Walltime
from harvester_hpc.config.problems import Finding
from harvester_hpc.config.queue_words import Criteria, States, StatusWord
from harvester_hpc.config.quota_settings import LabelSettings, QuotaSettings, limits_of
from harvester_hpc.config.validate import FileModel
from harvester_hpc.model.limits import Limits, QueueStatus, Quota
from harvester_hpc.model.queue import InputCache, Queue, Resources
from harvester_hpc.model.worker import MapType
from harvester_hpc.model.worker_log import LogKeeping

#: The plugin sections that every queue has, in the order of the flow.
SECTIONS = ("preparator", "workerMaker", "submitter", "messenger", "monitor", "stager", "sweeper")

#: Sections that a queue may have besides.
LOG_EXPOSER, THROTTLER = "logExposer", "throttler"
#: In its place: nobody.
NOBODY = "none"

DEFAULT_QUEUED_WORKERS = 10
DEFAULT_ACCESS_POINT = "${workDir}/${queueName}/${workerID}"
MapTypeWord = Literal["OneToOne", "ManyToOne", "OneToMany", "NoJob"]


Seconds = Annotated[float, Field(gt=0, le=MANY)]
Keep = Annotated[float, Field(ge=0, le=MANY)]


class ResourceSettings(FileModel):
    """What each worker of a queue gets."""

    batchQueue: Annotated[
        str | list[str],
        Field(
            description="queue of the batch system, by its name in the facility; by default the first; of several, the first that "
            "takes a worker and has room for it"
        ),
    ] = ""
    nodes: Annotated[Number, Field(description="nodes of a worker; of one with many jobs, at most")] = 1
    walltime: Annotated[Walltime | None, Field(description="walltime of a worker; null: what the jobs ask for")] = None
    coresPerNode: Annotated[Count, Field(description="cores used on each node; 0: all the node has")] = 0
    memoryMB: Annotated[Count, Field(description="MB on each node; 0 leaves it to the batch system")] = 0
    gpusPerNode: Annotated[Count, Field(description="GPUs used on each node")] = 0


class SectionSettings(FileModel):
    """A plugin: its entry point, or its module and class. All other members are its own settings."""

    model_config = ConfigDict(extra="allow")

    name: Annotated[str, Field(min_length=1, description="name of the entry point, or of the class in `module`")]
    module: Annotated[str | None, Field(min_length=1, description="module of the class; leave it out to use an entry point")] = None


class StagingSettings(SectionSettings):
    """A plugin that brings files; or several in a row, each of which moves batches."""

    name: Annotated[str, Field(description="name of the entry point, or of the class in `module`; left out with `hops`")] = ""
    hops: Annotated[
        list[SectionSettings] | None,
        Field(min_length=1, description="plugins over which a file goes one after the other; each moves batches of files"),
    ] = None

    @model_validator(mode="after")
    def _names_somebody(self) -> Self:
        if not self.name and self.hops is None:
            raise ValueError('names no plugin; say {"name": ...} or {"hops": [{"name": ...}]}')
        return self


class InputCacheSettings(FileModel):
    """Where inputs lie that come in batches; jobs share them."""

    folder: Annotated[
        OneLine, Field(min_length=1, description="folder on a file system that compute nodes see; may have `${workDir}`; relative to home")
    ] = "${workDir}/inputs"
    limitMB: Annotated[Count, Field(description="megabytes that it may hold; jobs wait for room; 0: no limit but the file system's")] = 0
    maxFiles: Annotated[Count, Field(description="files that it may hold; 0: no limit but the file system's")] = 0
    highMB: Annotated[
        Count, Field(description="megabytes above which inputs that no job wants leave, the longest unused first; 0: they stay")
    ] = 100_000
    lowMB: Annotated[Count, Field(description="megabytes at which they stop leaving")] = 80_000


class WorkerMakerSettings(SectionSettings):
    """The worker maker: as every plugin, and two limits of the queue, which published files have here too."""

    maxWorkersPerJobInTotal: Annotated[Number | None, Field(description="as in the queue")] = None
    maxWorkersPerJobPerCycle: Annotated[Number | None, Field(description="as in the queue")] = None


class MessengerSettings(SectionSettings):
    """The messenger: as every plugin, and where its letters lie."""

    accessPoint: Annotated[
        OneLine,
        Field(
            min_length=1,
            description="folder of a worker; has `${workerID}`, may have `${workDir}` `${queueName}` `${harvesterID}`, and "
            "`${_workerID_3.2}` for digits of the number counted from its end; relative to home",
        ),
    ] = DEFAULT_ACCESS_POINT


class LogExposerSettings(SectionSettings):
    """Who shows the logs of workers to people far away: as every plugin, and what is shown for how long."""

    maxMB: Annotated[
        float, Field(gt=0, le=100, description="megabytes of one log that are shown; of a longer one its head and tail")
    ] = 10.0
    keepDays: Annotated[float, Field(gt=0, le=3650, description="days after the end of a worker for which its logs are shown")] = 14.0
    patience: Annotated[
        Keep, Field(description="hours after the end for which it is tried when it does not work; so long the worker's folder stays")
    ] = 24.0
    livePeriod: Annotated[
        float, Field(ge=0, le=86400, description="seconds between two copies of the logs of a running worker; 0: none before its end")
    ] = 0.0


class QueueSettings(QuotaSettings, LabelSettings, FileModel):
    """A PanDA queue. A queue may be `{}` when the facility file holds defaults."""

    isTemplateQueue: Annotated[
        bool | None, Field(description="it is no queue but a template for others; one whose name ends in _TEMPLATE is, too")
    ] = False
    templateQueueName: Annotated[str | None, Field(description="template that lies below this queue")] = None
    common: Annotated[
        dict[str, Any] | None, Field(description="settings for every plugin of the queue that knows them and does not say otherwise")
    ] = None
    prodSourceLabel: Annotated[str, Field(min_length=1, description="source label of the jobs to fetch")] = "managed"
    siteName: Annotated[str, Field(description="name of the queue in the workload management system; by default the queue's own")] = ""
    pandaQueueName: Annotated[str | None, Field(description="only the queue's own name is accepted")] = None
    queueName: Annotated[str | None, Field(description="only the queue's own name is accepted")] = None
    resourceType: Annotated[str, Field(description="resource type of the jobs; ANY for all")] = "ANY"
    getJobCriteria: Annotated[Criteria, Field(description='more criteria for fetching jobs, an object or "key=value,key=value"')] = None
    queueStatus: Annotated[
        StatusWord,
        Field(
            description="offline, maintenance: no jobs are fetched and no workers made; standby: jobs are fetched, no workers made; test: "
            "jobs of the label test only; what is under way goes on"
        ),
    ] = "online"
    nQueueLimitJob: Annotated[
        Count | None,
        Field(description="jobs fetched and not yet running, at most; 0: fetch none; by default twice what nQueueLimitWorker workers take"),
    ] = None
    nQueueLimitWorker: Annotated[
        Count | None, Field(description=f"workers waiting in the batch queue, at most; by default {DEFAULT_QUEUED_WORKERS}")
    ] = None
    maxWorkers: Annotated[
        Count,
        Field(description="workers in the batch system, at most; 0: as many as the other limits allow (PanDA Harvester submits none then)"),
    ] = 0
    maxNewWorkersPerCycle: Annotated[Count, Field(description="workers submitted in one round, at most; 0: no limit")] = 0
    maxSubmissionAttempts: Annotated[Number, Field(description="submissions of one job before it fails")] = 3
    mapType: Annotated[
        MapTypeWord, Field(description="how jobs and workers belong together; NoJob: workers fetch their jobs themselves")
    ] = "OneToOne"
    useJobLateBinding: Annotated[
        bool, Field(description="workers are submitted without jobs, and get them when they run (OneToOne, ManyToOne)")
    ] = False
    lateBindingWait: Annotated[
        Seconds, Field(description="seconds that such a worker waits for a job before it ends; at most a tenth of its walltime")
    ] = 300.0
    maxWorkersPerJobInTotal: Annotated[Number, Field(description="workers that one job may ever have (OneToMany)")] = 10
    maxWorkersPerJobPerCycle: Annotated[Number, Field(description="workers that one job gets in one round (OneToMany)")] = 1
    prefetchEvents: Annotated[bool, Field(description="a worker gets event ranges before it asks")] = True
    initEventsMultiplier: Annotated[Number, Field(description="event ranges for each core before it asks")] = 2
    initEventsMultipler: Annotated[Number | None, Field(description="the same under its published name")] = None
    scatteredEvents: Annotated[bool, Field(description="event ranges from as many input files as can be")] = False
    zipPerMB: Annotated[Number | None, Field(description="megabytes of a zip with event outputs; by default 100")] = None
    allowJobMixture: Annotated[bool, Field(description="jobs of different tasks may share a worker")] = False
    truePilot: Annotated[bool, Field(description="the payload itself reports running, transferring, finished and failed")] = False
    noHeartbeat: Annotated[
        States,
        Field(description='states of jobs of which nothing is reported, such as "running,finished": the server is asked instead'),
    ] = []
    runMode: Annotated[
        Literal["self", "slave"],
        Field(description="slave: new workers are made as the workload management system commands, within the limits of the queue"),
    ] = "self"
    walltimeLimit: Annotated[
        Walltime | None, Field(description="walltime of a worker under its published name; resources.walltime is the same")
    ] = None
    resources: Annotated[ResourceSettings, Field(description="what each worker gets")] = ResourceSettings()
    pollInterval: Annotated[Seconds, Field(description="seconds between two looks at the batch system")] = 30.0
    workerQueueTimeLimit: Annotated[
        Seconds | None, Field(description="seconds after which a worker that still waits is killed; null: never")
    ] = None
    workerHeartbeat: Annotated[
        Seconds | None, Field(description="minutes of silence after which a running worker is killed; null: never")
    ] = None
    keepFinished: Annotated[Keep, Field(description="hours that the folder of a finished worker is kept")] = 24.0
    keepFailed: Annotated[Keep, Field(description="the same of a failed worker")] = 72.0
    keepCancelled: Annotated[Keep, Field(description="the same of a cancelled worker")] = 72.0
    keepMissed: Annotated[Keep, Field(description="the same of a worker that the batch system never had")] = 24.0
    inputCache: Annotated[InputCacheSettings, Field(description="where inputs lie that come in batches")] = InputCacheSettings()
    transferPatience: Annotated[
        Seconds, Field(description="hours for which a file waits for a staging service that does not work, before it has failed")
    ] = 72.0
    preparator: Annotated[StagingSettings | None, Field(description="plugin that brings inputs")] = None
    workerMaker: Annotated[WorkerMakerSettings | None, Field(description="plugin that sizes workers")] = None
    submitter: Annotated[SectionSettings | None, Field(description="plugin that submits workers")] = None
    messenger: Annotated[MessengerSettings | None, Field(description="plugin that exchanges letters with workers")] = None
    monitor: Annotated[SectionSettings | None, Field(description="plugin that looks at workers")] = None
    stager: Annotated[StagingSettings | None, Field(description="plugin that brings outputs away")] = None
    sweeper: Annotated[SectionSettings | None, Field(description="plugin that kills workers and cleans up")] = None
    throttler: Annotated[
        SectionSettings | None, BeforeValidator(lambda value: value or None), Field(description="plugin that holds new workers back")
    ] = None
    logExposer: Annotated[
        LogExposerSettings | None, Field(description="plugin that shows the logs of workers; `none` for nobody")
    ] = None


def queue_of(
    name: str, settings: QueueSettings, access_point: str, access_root: str, per_worker: int = 1, inputs_folder: str = ""
) -> Queue:
    """Return the queue as the agents see it; ``per_worker`` is how many jobs a worker takes at most."""
    queued = DEFAULT_QUEUED_WORKERS if settings.nQueueLimitWorker is None else settings.nQueueLimitWorker
    wanted = settings.resources
    return Queue(
        name=name,
        site=settings.siteName or name,
        label=settings.prodSourceLabel,
        map_type=MapType(settings.mapType),
        resource_type="" if settings.resourceType == "ANY" else settings.resourceType,
        label_weights=settings.prodSourceLabelRandomWeightsPermille or {},
        labels_first=tuple(settings.prioritizedProdSourceLabels or ()),
        status=QueueStatus(settings.queueStatus),
        limit_jobs=_fetched(settings, queued * per_worker),
        limit_queued_workers=queued,
        max_workers=settings.maxWorkers,
        max_new_workers=settings.maxNewWorkersPerCycle,
        limits=_limits(settings),
        max_submissions=settings.maxSubmissionAttempts,
        true_pilot=settings.truePilot,
        no_heartbeat=frozenset(settings.noHeartbeat),
        slave=settings.runMode == "slave",
        mixture=settings.allowJobMixture,
        criteria=settings.getJobCriteria,
        queue_time_limit_s=settings.workerQueueTimeLimit,
        heartbeat_limit_s=None if settings.workerHeartbeat is None else settings.workerHeartbeat * 60,
        poll_s=settings.pollInterval,
        keep_s=_kept(settings),
        prefetch_events=settings.prefetchEvents,
        events_multiplier=settings.initEventsMultipler or settings.initEventsMultiplier,
        scattered_events=settings.scatteredEvents,
        zip_mb=settings.zipPerMB,
        workers_per_job_in_total=limit_of_maker(settings, "maxWorkersPerJobInTotal") or settings.maxWorkersPerJobInTotal,
        workers_per_job_per_cycle=limit_of_maker(settings, "maxWorkersPerJobPerCycle") or settings.maxWorkersPerJobPerCycle,
        late=settings.useJobLateBinding,
        late_wait_s=settings.lateBindingWait,
        cache=InputCache(
            folder=inputs_folder,
            limit=settings.inputCache.limitMB * 1_000_000,
            limit_files=settings.inputCache.maxFiles,
            high=settings.inputCache.highMB * 1_000_000,
            low=min(settings.inputCache.lowMB, settings.inputCache.highMB) * 1_000_000,
        ),
        transfer_patience_s=settings.transferPatience * 3600,
        logs=_logs(settings.logExposer),
        access_point=access_point,
        access_root=access_root,
        resources=Resources(
            batch_queue=wanted.batchQueue if isinstance(wanted.batchQueue, str) else wanted.batchQueue[0] if wanted.batchQueue else "",
            batch_queues=() if isinstance(wanted.batchQueue, str) else tuple(wanted.batchQueue),
            nodes=wanted.nodes,
            walltime_s=settings.walltimeLimit if wanted.walltime is None else wanted.walltime,
            cores_per_node=wanted.coresPerNode,
            memory_mb=wanted.memoryMB,
            gpus_per_node=wanted.gpusPerNode,
        ),
    )


def _fetched(settings: QueueSettings, side_by_side: int) -> int | None:
    """Return how many jobs wait at most; workers that fetch their jobs themselves leave none to us."""
    if settings.mapType == "NoJob":
        return None
    return 2 * side_by_side if settings.nQueueLimitJob is None else settings.nQueueLimitJob


def _limits(settings: QueueSettings) -> Limits:
    limits = limits_of(settings, settings.nQueueLimitJob, settings.nQueueLimitWorker)
    return replace(limits, jobs=Quota(), job_cores=Quota()) if settings.mapType == "NoJob" else limits


def limit_of_maker(settings: QueueSettings, key: str) -> int | None:
    """Return a limit of the queue that stands in the section of its worker maker; None if it does not."""
    said: int | None = getattr(settings.workerMaker, key, None)
    return said


def _kept(settings: QueueSettings) -> Mapping[str, float]:
    hours = {
        "finished": settings.keepFinished,
        "failed": settings.keepFailed,
        "cancelled": settings.keepCancelled,
        "missed": settings.keepMissed,
    }
    return {state: kept * 3600 for state, kept in hours.items()}


def _logs(settings: LogExposerSettings | None) -> LogKeeping | None:
    if settings is None or settings.name == NOBODY:
        return None
    return LogKeeping(
        most=int(settings.maxMB * 1_000_000), keep_s=settings.keepDays * 86400, patience_s=settings.patience * 3600,
        live_s=settings.livePeriod,
    )


def section_findings(values: Mapping[str, Any], *, due: bool) -> Iterator[Finding]:
    """Give the plugin sections that are missing (if they are ``due``), and those that name a plugin of PanDA Harvester."""
    for section in (*SECTIONS, THROTTLER):
        value = values.get(section)
        if value is None and due and section != THROTTLER:
            yield Finding(keys=(section,), message='the section is missing; it names a plugin, such as {"name": ...}')
        elif isinstance(value, dict) and str(value.get("module", "")).split(".")[0] == "pandaharvester":
            message = f"{value['module']} is a part of PanDA Harvester: `harvester-hpc config import` names ours in its place"
            yield Finding(keys=(section, "module"), message=message)


def names_another_plugin(below: Mapping[str, Any], above: Mapping[str, Any]) -> bool:
    """Tell whether a section is of another plugin than the one below it, so that they have no settings in common."""
    if ("hops" in above) != ("hops" in below) and ("hops" in above or "name" in above):
        return True
    if "name" not in above and "module" not in above:
        return False
    return above.get("name", below.get("name")) != below.get("name") or above.get("module") != below.get("module")
