"""Numbers and words of errors."""
from __future__ import annotations


class PilotErrors:
    """Codes of the pilot that plugins name."""

    GENERALERROR, STAGEINFAILED, SETUPFAILURE, STAGEOUTFAILED, PANDAKILL = 1008, 1099, 1110, 1137, 1144
    pilot_error_msg = {
        GENERALERROR: "General pilot error, consult batch log", STAGEINFAILED: "Failed to stage-in file",
        SETUPFAILURE: "Failed during payload setup", STAGEOUTFAILED: "Failed to stage-out file",
        PANDAKILL: "This job was killed by panda server",
    }

    def getErrorCodes(self) -> list[int]:
        """Return the codes."""
        return list(self.pilot_error_msg)


class WorkerErrors:
    """Codes of Harvester for workers; 7 digits."""

    error_codes = {"SUCCEEDED": 0, "UNKNOWN": 9000000, "PREEMPTED": 9000001, "GENERAL_ERROR": 9000002, "TIMEOUT": 9000003}
    message_map: dict[str, int] = {}

    def set_error_code(self, error_name: str) -> int:
        """Return the code of a name."""
        return self.error_codes.get(error_name, self.error_codes["UNKNOWN"])


RESOURCE_TYPES = ("SCORE", "SCORE_HIMEM", "MCORE", "MCORE_HIMEM")


class ResourceTypeMapper:
    """Tells resource types apart by their names."""

    def is_valid_resource_type(self, resource_name: str | None) -> bool:
        """Tell whether there is such a type."""
        return resource_name in RESOURCE_TYPES

    def is_single_core_resource_type(self, resource_name: str | None) -> bool:
        """Tell whether its jobs have one core."""
        return str(resource_name).startswith("SCORE")

    def is_high_memory_resource_type(self, resource_name: str | None) -> bool:
        """Tell whether its jobs want much memory."""
        return "HIMEM" in str(resource_name)
