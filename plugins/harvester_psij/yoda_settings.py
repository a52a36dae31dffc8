"""How event ranges are run: member ``yoda`` of the submitter's section, and what it makes of it on the node."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

MODES = ("bunch", "lines")
GPU_VARIABLES = ("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "ZE_AFFINITY_MASK")


@dataclass(frozen=True, slots=True, kw_only=True)
class YodaSettings:
    """Member ``yoda``; the keys are these names in camelCase.

    Attributes:
        ranks_per_node: MPI ranks on each node. Rank 0 leads and needs next to nothing; the others of a node share its cores.
        payload_mode: "bunch": a process for each range or bunch; "lines": long-lived processes that speak JSON lines.
        cores_per_payload: cores that a payload takes; it says how many run side by side.
        slots: payloads side by side on a rank, whatever cores there are; None: by the cores.
        pin_cores: each slot has cores of its own.
        gpus_per_payload: each slot has so many GPUs of its own; 0: payloads see what the rank sees.
        gpu_variable: the variable that tells a payload its GPUs; "": the one that the batch system has set, else CUDA_VISIBLE_DEVICES.
        margin_s: seconds before the end of the allocation by which everything must be told.
        grace_s: seconds that running payloads have once no new ones begin, and between TERM and KILL.
        range_limit_s: seconds that a range may take; None for no limit.
        tries: how often a range is tried, 100 at most.
        lead_s: seconds for which ranges are kept in stock.
        idle_limit_s: seconds without any work after which the worker ends.
        publish_count, publish_s: results in a letter, and seconds until it goes.
        unread_limit: results that nobody has read yet, after which nothing is given.
        heartbeat_s: seconds between two signs of life.
        out_suffix: of the names of outputs, such as ".root".
    """

    ranks_per_node: int = 2
    payload_mode: str = "bunch"
    cores_per_payload: int = 1
    slots: int | None = None
    pin_cores: bool = False
    gpus_per_payload: int = 0
    gpu_variable: str = ""
    margin_s: float = 60.0
    grace_s: float = 20.0
    range_limit_s: float | None = None
    tries: int = 3
    lead_s: float = 300.0
    idle_limit_s: float = 1800.0
    publish_count: int = 500
    publish_s: float = 10.0
    unread_limit: int = 100_000
    heartbeat_s: float = 60.0
    out_suffix: str = ""

    def problems(self) -> Iterator[str]:
        """Give what types cannot tell, each starting with its name and a colon."""
        for name in ("ranks_per_node", "cores_per_payload", "slots", "tries", "publish_count", "unread_limit"):
            value = getattr(self, name)
            if value is not None and value < 1:
                yield f"{name}: is {value}; it must be 1 at least"
        for name in ("gpus_per_payload", "margin_s", "grace_s", "publish_s", "lead_s"):
            if getattr(self, name) < 0:
                yield f"{name}: is {getattr(self, name):g}; it must not be below 0"
        for name in ("range_limit_s", "idle_limit_s", "heartbeat_s"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                yield f"{name}: is {value:g}; it must be above 0"
        if self.tries > 100:
            yield f"tries: is {self.tries}; 100 at most"
        if self.payload_mode not in MODES:
            yield f"payload_mode: no mode '{self.payload_mode}'; there is: {', '.join(MODES)}"
        if self.gpu_variable and self.gpu_variable not in GPU_VARIABLES:
            yield f"gpu_variable: no '{self.gpu_variable}'; there is: {', '.join(GPU_VARIABLES)}"
        if "/" in self.out_suffix or "\0" in self.out_suffix or len(self.out_suffix) > 40:
            yield f"out_suffix: no end of a file name: {self.out_suffix!r}"


#: Options of the launcher whose names are not made by the rule (name without _s, dashes for underscores).
_OPTIONS = {"range_limit_s": "--range-limit-s", "publish_s": "--publish-s"}


def options_of(settings: YodaSettings) -> list[str]:
    """Return the launcher's options for what is not as it is by default; for the number of ranks, see the launch line."""
    found: list[str] = []
    for one in fields(YodaSettings):
        value = getattr(settings, one.name)
        if value == one.default or one.name == "ranks_per_node":
            continue
        option = _OPTIONS.get(one.name, "--" + one.name.removesuffix("_s").replace("_", "-"))
        found += [option] if value is True else [option, f"{value:g}" if isinstance(value, float) else str(value)]
    return found
