"""How an emulated batch system is built and how it behaves: one JSON file, read again whenever it has changed."""
from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

BEHAVIOUR = "behaviour.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """A queue (partition).

    Attributes:
        max_nodes, max_walltime_s, max_queued: limits; 0 for none. max_queued: jobs of one user that wait.
        open: it takes jobs.
        started: it starts jobs.
        users: who may use it; empty: everybody.
    """

    name: str
    min_nodes: int = 1
    max_nodes: int = 0
    max_walltime_s: int = 86400
    default_walltime_s: int = 3600
    max_queued: int = 0
    open: bool = True
    started: bool = True
    users: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What goes wrong with commands.

    Attributes:
        kind: see ``faults.KINDS``.
        commands: names of the programs it concerns; empty: all.
        times: how often it strikes; 0: until it is taken away.
        seconds: of a delay.
        text: words, by kind.
        exit_code: of a failing command.
        bytes: what is left of a truncated answer.
    """

    kind: str
    commands: tuple[str, ...] = ()
    times: int = 0
    seconds: float = 0.0
    text: str = ""
    exit_code: int = 1
    bytes: int = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """An emulated batch system.

    Attributes:
        nodes: how many; they are called n1, n2, ...
        cpus, memory_mb, gpus: of each.
        server: its name, part of job ids in some dialects.
        queues: the first one is the default.
        accounts: that may be charged; empty: any.
        accounting: ended jobs can be asked for after the queue has forgotten them.
        remembered_s: seconds for which the queue itself knows ended jobs.
        history_s: seconds for which the accounting knows them.
        kill_wait_s: seconds between SIGTERM and SIGKILL.
        start_delay_s: seconds that a job waits at least.
        requeue_delay_s: seconds that a requeued job waits at least.
        answer_within_s: seconds after which a command gives up a server that does not answer.
        hollow: jobs run no processes; they run until their time limit. For crowds.
        faults: what goes wrong.
    """

    dialect: str
    nodes: int = 2
    cpus: int = 4
    memory_mb: int = 4000
    gpus: int = 0
    server: str = "pbs"
    queues: tuple[Queue, ...] = (Queue(name="batch"),)
    accounts: tuple[str, ...] = ()
    accounting: bool = True
    remembered_s: float = 300.0
    history_s: float = 1209600.0
    kill_wait_s: float = 2.0
    start_delay_s: float = 0.0
    requeue_delay_s: float = 0.0
    answer_within_s: float = 10.0
    hollow: bool = False
    faults: tuple[Fault, ...] = field(default_factory=tuple)

    @property
    def node_names(self) -> tuple[str, ...]:
        """n1, n2, ..."""
        return tuple(f"n{number}" for number in range(1, self.nodes + 1))

    def queue(self, name: str) -> Queue | None:
        """Return the queue of this name ("": the default); None if there is none."""
        return next((queue for queue in self.queues if name in ("", queue.name)), None)


def write(folder: Path, behaviour: Behaviour) -> None:
    """Put it into the folder, at once for every command that follows."""
    part = folder / f".{BEHAVIOUR}"
    part.write_text(json.dumps(asdict(behaviour), indent=2) + "\n")
    part.replace(folder / BEHAVIOUR)


def read(folder: Path) -> Behaviour:
    """Return what the folder's file says.

    Raises:
        FileNotFoundError: no emulated batch system was ever started here.
        TypeError, ValueError: the file says what nobody understands.
    """
    values: dict[str, Any] = json.loads((folder / BEHAVIOUR).read_text())
    known = {one.name for one in fields(Behaviour)}
    strange = sorted(set(values) - known)
    if strange:
        raise ValueError(f"{folder / BEHAVIOUR}: no '{strange[0]}'; there is: {', '.join(sorted(known))}")
    values["queues"] = tuple(Queue(**_tuples(one)) for one in values.get("queues", ())) or Behaviour(dialect="").queues
    values["faults"] = tuple(Fault(**_tuples(one)) for one in values.get("faults", ()))
    return Behaviour(**_tuples(values))


def _tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
