"""What a rank has of its node: the cores and GPUs that it does not share with the other Droids there, slot by slot."""
from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

#: Variables that tell a process its GPUs, in the order in which they are looked for. CUDA_VISIBLE_DEVICES is last: AMD's
#: libraries read it too, on top of their own.
GPU_VARIABLES = ("ROCR_VISIBLE_DEVICES", "ZE_AFFINITY_MASK", "CUDA_VISIBLE_DEVICES")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharing:
    """How a node is shared out.

    Attributes:
        cores_per_node: cores that the worker uses on a node; None: all that its ranks may use.
        pin_cores: each slot gets cores of its own.
        gpus_per_payload: each slot gets so many GPUs of its own; 0: nothing is said about GPUs.
        gpus_per_node: how many there are, where no variable says it.
        gpu_variable: one of GPU_VARIABLES; "": the first that is set, else CUDA_VISIBLE_DEVICES.
    """

    cores_per_node: int | None = None
    pin_cores: bool = False
    gpus_per_payload: int = 0
    gpus_per_node: int = 0
    gpu_variable: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What a rank may use: cores, and the variables of GPU_VARIABLES that are set."""

    cores: frozenset[int]
    gpus: Mapping[str, str]

    @classmethod
    def own(cls, environ: Mapping[str, str]) -> Sight:
        """Return that of this process."""
        return cls(cores=frozenset(os.sched_getaffinity(0)), gpus={name: environ[name] for name in GPU_VARIABLES if environ.get(name)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """What a slot gets: cores, () for no rule; GPUs, and the variable that tells them, "" for no rule."""

    cores: tuple[int, ...] = ()
    gpus: tuple[str, ...] = ()
    variable: str = ""

    def environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return an environment in which a payload finds its portion."""
        if not self.variable:
            return dict(environ)
        found = {name: value for name, value in environ.items() if name not in GPU_VARIABLES}
        return found | {self.variable: ",".join(self.gpus)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """What a Droid has of its node: cores in ascending order, GPUs by name, and the variable for them."""

    cores: tuple[int, ...]
    gpus: tuple[str, ...] = ()
    variable: str = ""

    def slots(self, cores_per_payload: int, gpus_per_payload: int) -> int:
        """Return how many payloads it holds side by side; 1 at least."""
        by_cores = len(self.cores) // cores_per_payload
        return max(1, min(by_cores, len(self.gpus) // gpus_per_payload) if gpus_per_payload else by_cores)

    def portion(self, slot: int, slots: int, sharing: Sharing, cores_per_payload: int) -> Portion:
        """Return what slot number ``slot`` of ``slots`` gets; slots that find nothing left begin again at the first."""
        cores = share(self.cores, slot, slots, cores_per_payload) if sharing.pin_cores else ()
        number = sharing.gpus_per_payload
        return Portion(
            cores=cores, gpus=share(self.gpus, slot, slots, number) if number else (), variable=self.variable if number else ""
        )


def share(things: Sequence[T], slot: int, slots: int, each: int) -> tuple[T, ...]:
    """Return the things of one slot: ``each`` of them, or as many as there are for all if that is less."""
    if not things:
        return ()
    each = max(1, min(each, len(things) // slots)) if each * slots > len(things) else each
    first = slot * each % len(things)
    return tuple(things[first:first + each])


def seat_of(rank: int, droids: Mapping[int, Sight], sharing: Sharing) -> Seat:
    """Return the seat of a Droid.

    Droids that may use the same cores (GPUs) share them out evenly; those that their launcher has bound have their own.

    Args:
        droids: {rank: what it sees}, all Droids of the node.
    """
    own = droids[rank]
    sharers = [other for other, sight in sorted(droids.items()) if sight.cores == own.cores]
    cores = sorted(own.cores)
    if sharing.cores_per_node is not None and len(sharers) == len(droids):
        cores = cores[:sharing.cores_per_node]
    variable = sharing.gpu_variable or next((name for name in GPU_VARIABLES if own.gpus.get(name)), "CUDA_VISIBLE_DEVICES")
    said = own.gpus.get(variable, "")
    gpus = _listed(said) if said else tuple(str(number) for number in range(sharing.gpus_per_node))
    beside = [other for other, sight in sorted(droids.items()) if sight.gpus.get(variable, "") == said]
    return Seat(cores=_part(cores, sharers.index(rank), len(sharers)), gpus=_part(gpus, beside.index(rank), len(beside)), variable=variable)


def _part(things: Sequence[T], index: int, count: int) -> tuple[T, ...]:
    """Return part ``index`` of ``count`` even parts; with too few things to go round, several have the same one."""
    if not things:
        return ()
    first, last = index * len(things) // count, (index + 1) * len(things) // count
    return tuple(things[first:last]) or (things[index % len(things)],)


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part for part in (part.strip() for part in text.split(",")) if part and part not in ("NoDevFiles", "-1"))
