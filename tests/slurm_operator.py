"""Who does to the real Slurm of the tests what an administrator does; see ``contracts.batch_system.Operator``."""
from __future__ import annotations

from collections.abc import Sequence

from harvester_hpc.testing.contracts.batch import wait_until
from harvester_hpc.testing.slurm import Cluster

WITHIN_S = 60.0


class SlurmOperator:
    """Root at a private Slurm."""

    def __init__(self, slurm: Cluster) -> None:
        self.slurm = slurm

    def pause(self) -> None:
        """Take workers, and start none."""
        self._control("update", "partitionname=batch", "state=down")

    def proceed(self) -> None:
        """Start workers again, take them again; all nodes serve."""
        self._control("update", "partitionname=batch", "state=up")
        down = [name for name, state in self.slurm.node_states().items() if state.startswith("down")]
        if down:
            self._control("update", f"nodename={','.join(down)}", "state=resume")

    def close(self) -> None:
        """Take no workers."""
        self._control("update", "partitionname=batch", "state=drain")

    def cancel(self, batch_id: str) -> None:
        """End a batch job."""
        self.slurm.run(["scancel", batch_id])

    def hold(self, batch_id: str) -> None:
        """Keep a waiting batch job from starting."""
        self._control("hold", batch_id)

    def release(self, batch_id: str) -> None:
        """Let a held one start."""
        self._control("release", batch_id)

    def requeue(self, batch_id: str) -> None:
        """Put a running one back into the queue; Slurm heeds a job's wish not to be."""
        if self.slurm.run(["scontrol", "requeue", batch_id]).returncode != 0:
            return
        state = ["squeue", "--noheader", "--states=all", f"--jobs={batch_id}", "--format=%t"]
        wait_until(lambda: self.slurm.run(state).stdout.strip() == "PD", WITHIN_S, "it has left its node")
        # A requeued job waits for two minutes; one that starts at once may get the signal that was meant for its earlier run.
        self._control("update", f"jobid={batch_id}", "starttime=now+4")

    def time_out(self, batch_id: str) -> None:
        """Let its time be over."""
        self._control("update", f"jobid={batch_id}", "endtime=now")

    def fail_node(self, name: str) -> None:
        """Take a node down with all that runs on it."""
        self._control("update", f"nodename={name}", "state=down", "reason=test")

    def array(self) -> None:
        """Submit an array, which waits for ever."""
        self.slurm.run(["sbatch", "--array=0-3", "--hold", "--job-name=array", "--wrap=true"])

    def named(self, key: str) -> Sequence[str]:
        """Return the ids of all batch jobs of this name, ended ones too."""
        return self.slurm.run(["squeue", "--noheader", "--states=all", f"--name={key}", "--format=%i"]).stdout.split()

    def _control(self, *words: str) -> None:
        self.slurm.run(["scontrol", *words])
