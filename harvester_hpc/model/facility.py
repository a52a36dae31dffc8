"""A facility as data: what a site file says of one computing centre."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from harvester_hpc.model.surroundings import Collection, Detection, FileSystem, Login, Network


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeBin:
    """Nodes of one batch job, from and to, both inclusive, and the walltime in seconds that jobs of that size may have.

    Attributes:
        queue: execution queue into which a routing queue puts them; "" if it is none.
    """

    min_nodes: int
    max_nodes: int
    max_walltime_s: int
    queue: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobLimits:
    """How many batch jobs one user or project may have at a time; None: no limit known.

    Attributes:
        queued_per_...: waiting and running together, as MaxSubmitJobs of Slurm and max_queued of PBS count; more are refused.
        running_per_...: running; others wait.
        eligible_per_...: waiting and taken into account by the scheduler; others wait for nothing.
        nodes_per_...: nodes of all running jobs; a larger job never starts.
    """

    queued_per_user: int | None = None
    running_per_user: int | None = None
    eligible_per_user: int | None = None
    nodes_per_user: int | None = None
    queued_per_project: int | None = None
    running_per_project: int | None = None
    eligible_per_project: int | None = None
    nodes_per_project: int | None = None

    @property
    def queued(self) -> int | None:
        """The lesser limit of those waiting and running together."""
        return _least(self.queued_per_user, self.queued_per_project)

    @property
    def running(self) -> int | None:
        """The lesser limit of those running."""
        return _least(self.running_per_user, self.running_per_project)

    @property
    def eligible(self) -> int | None:
        """The lesser limit of those that wait and count."""
        return _least(self.eligible_per_user, self.eligible_per_project)

    @property
    def nodes(self) -> int | None:
        """The lesser limit of nodes."""
        return _least(self.nodes_per_user, self.nodes_per_project)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeShape:
    """What one compute node has.

    Attributes:
        cores: usable by batch jobs, without the reserved ones.
        memory_mb: MB; 0: unknown.
        gpus: number of GPUs, as the batch system counts them.
        reserved_cores: cores that the system keeps for itself, beside ``cores``.
        threads_per_core: hardware threads of a core that the batch system counts as CPUs; 1: it counts cores.
        gpu_type: name of the GPU.
        gpu_option: ``option=value`` of the submit command that asks for GPUs, with ``{gpus}`` for their number on each node;
            "": as the batch system has it by default; "none": nothing is asked.
        count: nodes there are; 0: unknown.
    """

    cores: int = 1
    memory_mb: int = 0
    gpus: int = 0
    reserved_cores: int = 0
    threads_per_core: int = 1
    gpu_type: str = ""
    gpu_option: str = ""
    count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchQueue:
    """A queue or partition of the batch system and its limits.

    Attributes:
        name: name by which a PanDA queue names it; also that in the batch system, unless ``submit_to`` says another.
        submit_to: name in the batch system; "": none is told, since ``qos`` and attributes decide; None: ``name``.
        min_nodes, max_nodes: nodes of one batch job, inclusive; max_nodes None: no limit known.
        min_walltime_s, max_walltime_s: seconds; None: no limit known.
        qos: quality of service to name with it; "" for none.
        bins: walltimes by the number of nodes; a number in none of them is not taken. Empty: all alike.
        limits: of batch jobs at a time.
        preemptible: jobs may be ended at any time in favour of others.
        requeue: whether the batch system may run a worker again; None: as the facility has it.
        exclusive: whether a job has its nodes for itself; None: unknown.
        node: its nodes, where they differ from the facility's.
        attributes: more options of the submit command, over those of the facility.
        chunk: PBS: more resources of a chunk (``select=1:system=polaris``), over those of the facility.
        production: whether it is meant for production.
    """

    name: str
    submit_to: str | None = None
    min_nodes: int = 1
    max_nodes: int | None = None
    min_walltime_s: int = 0
    max_walltime_s: int | None = None
    qos: str = ""
    bins: tuple[NodeBin, ...] = ()
    limits: JobLimits = JobLimits()
    preemptible: bool = False
    requeue: bool | None = None
    exclusive: bool | None = None
    node: NodeShape | None = None
    attributes: Mapping[str, str | None] = field(default_factory=dict)
    chunk: Mapping[str, str] = field(default_factory=dict)
    production: bool = True

    @property
    def destination(self) -> str:
        """Name to tell to the batch system; "" for none."""
        return self.name if self.submit_to is None else self.submit_to

    def takes(self, nodes: int) -> bool:
        """Tell whether a batch job may have so many nodes."""
        if nodes < self.min_nodes or (self.max_nodes is not None and nodes > self.max_nodes):
            return False
        return not self.bins or self.bin_of(nodes) is not None

    def bin_of(self, nodes: int) -> NodeBin | None:
        """Return the bin of so many nodes."""
        return next((one for one in self.bins if one.min_nodes <= nodes <= one.max_nodes), None)

    def longest_s(self, nodes: int) -> int | None:
        """Return the walltime in seconds that a batch job of so many nodes may have; None: no limit known."""
        one = self.bin_of(nodes)
        return _least(self.max_walltime_s, one.max_walltime_s if one else None)

    def lands_in(self, nodes: int) -> str:
        """Return the queue in which a batch job of so many nodes waits: behind a routing queue another than it was submitted to."""
        one = self.bin_of(nodes)
        return (one.queue if one else "") or self.destination


@dataclass(frozen=True, slots=True, kw_only=True)
class Facility:
    """One computing centre.

    Attributes:
        scheduler: ``local``, ``slurm``, ``pbs``, ``pbs_classic``, ``lsf``.
        launcher: how a program is started on all nodes of a worker: ``single``, ``srun``, ``mpiexec``, ...
        launcher_path: where the launcher's program lies; "" for beside the interpreter, else by its name on PATH.
        launch_options: more options of the launcher.
        launch_template: argv with fields, in place of what ``launcher`` would make; () for none.
        mpi: ``srun --mpi=``; "" for what the site has as its default.
        binding: how MPI ranks are bound: ``none``, or ``cores``: each to cores of its own.
        queues: at least one; the first is the default.
        work_dir: root of the access points, on a file system that compute nodes see; absolute.
        account: charged project; "" where none is needed.
        account_required: the batch system takes no job without one.
        account_like: shell pattern that accounts of this node class match; "" if there is none.
        prologue, epilogue: lines of the batch script before and after the worker (module loads, unloads).
        modules: loaded before the prologue.
        environment: variables of batch jobs; the values are for the shell of the node, within double quotes.
        attributes: extra options of the submit command, name to value; None for an option without a value.
        chunk: PBS: more resources of a chunk (``select=1:system=polaris``).
        required: {option of the submit command that must be said: what it is}.
        python: interpreter on the compute nodes that can import the launcher.
        requeue: whether the batch system may run a worker again after a node failure.
        limits: of batch jobs at a time, in all queues together.
        min_walltime_s: seconds that a batch job has to ask for, at least.
    """

    name: str
    scheduler: str
    title: str = ""
    launcher: str = "single"
    launcher_path: str = ""
    launch_options: tuple[str, ...] = ()
    launch_template: tuple[str, ...] = ()
    mpi: str = ""
    binding: str = "none"
    queues: tuple[BatchQueue, ...] = ()
    node: NodeShape = field(default_factory=NodeShape)
    work_dir: str = ""
    account: str = ""
    account_required: bool = False
    account_like: str = ""
    prologue: tuple[str, ...] = ()
    epilogue: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, str | None] = field(default_factory=dict)
    chunk: Mapping[str, str] = field(default_factory=dict)
    required: Mapping[str, str] = field(default_factory=dict)
    python: str = ""
    requeue: bool = False
    limits: JobLimits = JobLimits()
    min_walltime_s: int = 0
    network: Network = field(default_factory=Network)
    login: Login = field(default_factory=Login)
    file_systems: tuple[FileSystem, ...] = ()
    collections: tuple[Collection, ...] = ()
    detection: Detection = field(default_factory=Detection)

    def batch_queue(self, name: str) -> BatchQueue | None:
        """Return the queue of that name, the first for ""; None if there is none."""
        return next((queue for queue in self.queues if name in ("", queue.name)), None)

    def node_of(self, queue: BatchQueue | None) -> NodeShape:
        """Return what the nodes of a queue have."""
        return self.node if queue is None or queue.node is None else queue.node

    def requeues(self, queue: BatchQueue | None) -> bool:
        """Tell whether the batch system may run a worker of the queue again."""
        return self.requeue if queue is None or queue.requeue is None else queue.requeue

    def attributes_of(self, queue: BatchQueue | None) -> dict[str, str | None]:
        """Return more options of the submit command for batch jobs of a queue."""
        return dict(self.attributes) | (dict(queue.attributes) if queue else {})

    def chunk_of(self, queue: BatchQueue | None) -> dict[str, str]:
        """Return more resources of a PBS chunk for batch jobs of a queue."""
        return dict(self.chunk) | (dict(queue.chunk) if queue else {})


def _least(*limits: int | None) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)
