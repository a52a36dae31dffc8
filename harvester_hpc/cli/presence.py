"""Whether an instance runs, as far as the store can tell."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harvester_hpc.store.lease import Holder, is_dead
from harvester_hpc.store.process import boot_name, host_name, process_started

#: Seconds without a sign of life after which a holder elsewhere is not believed to live, where harvester.json says nothing.
LIMIT_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """Who holds the store.

    Attributes:
        holder: who has the lease or had it last; None: nobody ever had it.
        running: it is believed to live.
        here: it is a process of this host, so that its life is certain.
        silent: its last sign of life is older than the limit.
        age_s: seconds since the last sign of life, by our clock.
    """

    holder: Holder | None
    running: bool = False
    here: bool = False
    silent: bool = False
    age_s: float = 0.0

    @property
    def remark(self) -> str:
        """One sentence for people."""
        if self.holder is None:
            return "not running: nothing has run here yet"
        who = f"{self.holder.host}, process {self.holder.pid}"
        if self.holder.released:
            return f"not running: {who} has ended properly"
        if self.running and self.silent:
            return f"running on {who}, but it gave no sign of life lately: it hangs, or the disk does"
        if self.running:
            return f"running on {who}"
        if self.here:
            return f"not running: {who} has ended without a word (killed, or the node was started again)"
        return f"not running, as far as can be told: {who} gave no sign of life lately"


def presence(holder: Holder | None, now: float, limit_s: float = LIMIT_S) -> Presence:
    """Return whether ``holder`` lives. A process of this host is looked at; elsewhere its signs of life must do.

    Args:
        limit_s: age of the last sign of life, seconds, above which a holder elsewhere is not believed to live.
    """
    if holder is None:
        return Presence(holder=None)
    host, boot = host_name(), boot_name()
    here = holder.host == host and holder.boot == boot
    dead = is_dead(
        holder, now=now, host=host, boot=boot, started=process_started(holder.pid) if here else None, limit_s=limit_s, beat_s=limit_s,
        unmoved_s=0.0,
    )
    age_s = now - holder.beat
    silent = age_s > limit_s
    return Presence(
        holder=holder, running=not dead and (here or not silent), here=here or (dead and holder.host == host), silent=silent, age_s=age_s,
    )


def lease_limit_s(home: Path) -> float:
    """Return ``agents.leaseLimit`` of harvester.json in seconds, without judging the file."""
    from harvester_hpc.config.locate import FILE_NAME
    from harvester_hpc.config.source import read

    agents = read(home / FILE_NAME).values.get("agents")
    limit = agents.get("leaseLimit") if isinstance(agents, dict) else None
    return float(limit) if isinstance(limit, int | float) else LIMIT_S
