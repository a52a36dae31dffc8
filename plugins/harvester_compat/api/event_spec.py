"""An event range, as such plugins see it."""
from __future__ import annotations

from typing import Any

from harvester_compat.api.spec_base import SpecBase


class EventSpec(SpecBase):
    """One event range."""

    attributesWithTypes = (
        "eventRangeID:text", "PandaID:integer", "eventStatus:text", "coreCount:integer", "cpuConsumptionTime:integer", "subStatus:text",
        "fileID:integer", "loss:integer",
    )

    def to_data(self) -> dict[str, Any]:
        """Return what is told of it; finished only once its file is safe."""
        told: dict[str, Any] = {"eventRangeID": self.eventRangeID, "eventStatus": self.eventStatus}
        if self.eventStatus == "finished" and self.subStatus not in ("finished", "done", "failed"):
            told["eventStatus"] = "running"
        for name in ("coreCount", "cpuConsumptionTime", "loss"):
            if getattr(self, name) is not None:
                told[name] = getattr(self, name)
        return told

    def from_data(self, data: dict[str, Any]) -> None:
        """Take what a worker has said of it."""
        for name in self.names():
            if name in data:
                setattr(self, name, data[name])

    def is_final_status(self) -> bool:
        """Tell whether it has come to an end."""
        return self.eventStatus in ("finished", "failed", "fatal")
