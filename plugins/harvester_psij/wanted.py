"""What a worker wants of a batch system, in no batch system's words."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from harvester_hpc.model.facility import BatchQueue, Facility
from harvester_hpc.model.worker import MapType, Worker
from harvester_psij.launch_line import Tasks, cores_per_node

BATCH_LOG = "batch.log"
#: What the batch system itself writes beside it, where it must not write into the script's own log.
SCHEDULER_LOG = "scheduler.log"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One batch job as it is asked for.

    Attributes:
        name: of the batch job; unique.
        nodes, cores_per_node, ranks_per_node, gpus_per_node: numbers; whole nodes are not implied.
        threads_per_core: of a core, that the batch system counts as CPUs.
        gpu_option: how the site wants to be asked for GPUs, filled in; "": as the batch system has it; "none": nothing is asked.
        ram_mb: MB on each node; 0: not said.
        walltime_s: seconds.
        queue, qos, account: "" for none.
        requeue: the batch system may run it again.
        goes_on: what runs on the other nodes goes on when one is lost.
        launcher: that of the facility.
        folder: where it runs and leaves its log; absolute.
        attributes: options of the submit command, the queue's before the facility's; None for one without a value.
        chunk: more resources of a chunk of PBS.
    """

    name: str
    nodes: int
    cores_per_node: int
    ranks_per_node: int = 1
    gpus_per_node: int = 0
    threads_per_core: int = 1
    gpu_option: str = ""
    ram_mb: int = 0
    walltime_s: int
    queue: str = ""
    qos: str = ""
    account: str = ""
    requeue: bool = False
    goes_on: bool = False
    launcher: str = "single"
    folder: str
    attributes: Mapping[str, str | None] = field(default_factory=dict)
    chunk: Mapping[str, str] = field(default_factory=dict)

    @property
    def minutes(self) -> int:
        """The walltime in minutes, rounded up."""
        return max(1, -(-self.walltime_s // 60))

    @property
    def cpus_per_node(self) -> int:
        """CPUs as the batch system counts them."""
        return self.cores_per_node * self.threads_per_core

    def gpus(self, usual: str) -> tuple[str, str] | None:
        """Return name and value that ask for GPUs; None if nothing is asked.

        Args:
            usual: ``name=value`` where the site says nothing, with ``{gpus}`` for their number on each node.
        """
        if not self.gpus_per_node or self.gpu_option == "none":
            return None
        name, _, value = (self.gpu_option or usual).partition("=")
        return name, value.replace("{gpus}", str(self.gpus_per_node))


def batch_queue(worker: Worker, facility: Facility) -> BatchQueue | None:
    """Return the facility's queue for a worker: the one it names, else the first; None if the facility lists none."""
    found = facility.batch_queue(worker.batch_queue)
    return BatchQueue(name=worker.batch_queue) if found is None and worker.batch_queue else found


def wanted_by(worker: Worker, facility: Facility, extra: Mapping[str, str | None], tasks: Tasks | None = None) -> Wanted:
    """Return what the batch system is asked for.

    Args:
        extra: options of the queue's own section; they go before the facility's.
        tasks: what is started in the allocation; None: one copy on each node.
    """
    plan, queue = worker.plan, batch_queue(worker, facility)
    node = facility.node_of(queue)
    return Wanted(
        name=worker.key,
        nodes=plan.nodes,
        cores_per_node=cores_per_node(plan),
        ranks_per_node=tasks.per_node if tasks and tasks.ranks else 1,
        gpus_per_node=plan.gpus_per_node,
        threads_per_core=node.threads_per_core,
        gpu_option=node.gpu_option,
        ram_mb=plan.ram_mb,
        walltime_s=plan.walltime_s,
        queue=queue.destination if queue else "",
        qos=queue.qos if queue else "",
        account=facility.account,
        requeue=facility.requeues(queue),
        goes_on=worker.map_type is MapType.MANY_TO_ONE and plan.nodes > 1,
        launcher=facility.launcher,
        folder=worker.access_point,
        attributes=facility.attributes_of(queue) | dict(extra),
        chunk=facility.chunk_of(queue),
    )
