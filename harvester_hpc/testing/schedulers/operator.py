"""Who does to an emulated batch system what its administrators do to a real one; see ``contracts.batch_system.Operator``."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harvester_hpc.testing.schedulers.emulated import Emulated


class EmulatedOperator:
    """All rights at an emulated batch system."""

    def __init__(self, emulated: Emulated) -> None:
        self.emulated = emulated

    def pause(self) -> None:
        """Take workers, and start none."""
        self._queues(is_open=True, started=False)

    def proceed(self) -> None:
        """Start workers again, take them again; all nodes serve."""
        self._queues(is_open=True, started=True)
        for name in self.emulated.behaviour.node_names:
            self.emulated.order("node-up", name)

    def close(self) -> None:
        """Take no workers."""
        self._queues(is_open=False, started=True)

    def cancel(self, batch_id: str) -> None:
        """End a batch job in the user's name."""
        self.emulated.order("cancel", batch_id, "another administrator")

    def hold(self, batch_id: str) -> None:
        """Keep a waiting batch job from starting."""
        self.emulated.order("hold", batch_id)

    def release(self, batch_id: str) -> None:
        """Let a held one start."""
        self.emulated.order("release", batch_id)

    def requeue(self, batch_id: str) -> None:
        """Put a running one back into the queue, whatever its owner wished."""
        self.emulated.order("requeue", batch_id)

    def time_out(self, batch_id: str) -> None:
        """Let its time be over."""
        self.emulated.order("time-out", batch_id)

    def fail_node(self, name: str) -> None:
        """Take a node down with all that runs on it."""
        self.emulated.order("node-down", name)

    def preempt(self, batch_id: str) -> None:
        """End a running batch job in favour of others."""
        self.emulated.order("preempt", batch_id)

    def array(self) -> None:
        """Submit an array, which waits for ever."""
        self.emulated.order("array", "0-3", "array")

    def forget(self, batch_id: str) -> None:
        """Let the batch system know nothing of a batch job any more."""
        self.emulated.order("lose", batch_id)

    def named(self, key: str) -> Sequence[str]:
        """Return the ids of all batch jobs of this name, ended ones too."""
        return self.emulated.named(key)

    def silence(self) -> None:
        """Kill the server; batch jobs go on."""
        self.emulated.kill_server()

    def voice(self) -> None:
        """Start the server again."""
        self.emulated.start()

    def _queues(self, *, is_open: bool, started: bool) -> None:
        queues = self.emulated.behaviour.queues
        self.emulated.behave(queues=tuple(replace(queue, open=is_open, started=started) for queue in queues))
