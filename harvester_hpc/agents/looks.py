"""When to look at a worker in the batch system again."""
from __future__ import annotations

from harvester_hpc.model.worker import Worker
from harvester_hpc.policy.patience import next_look_s, together
from harvester_hpc.ports.plugins import QueuePlugins


def next_look(plugins: QueuePlugins, worker: Worker, now: float) -> float:
    """Return when to look at an unchanged worker in the batch system again, seconds since 1970: at the same times as at others."""
    # A monitor that asks for many at a time may say when it will: to look before that tells nothing new.
    if (at := _next_answer(plugins)) > now:
        return at
    # A monitor that asks a server, and not its own machine, may say that it is not to be asked every second.
    shortest_s = float(getattr(plugins.monitor, "shortest_look_s", 1.0))
    return together(now, next_look_s(worker, plugins.queue.poll_s, now, shortest_s))


def _next_answer(plugins: QueuePlugins) -> float:
    tells = getattr(plugins.monitor, "next_answer", None)
    return float(tells()) if callable(tells) else 0.0
