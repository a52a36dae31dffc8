"""Under which names such plugins import what, and where it stands here."""
from __future__ import annotations

from collections.abc import Mapping

_API = "harvester_compat.api"
_CORE = "pandaharvester.harvestercore"

#: {module that is imported: module of ours}
MODULES: Mapping[str, str] = {
    "pandaharvester.harvesterconfig": f"{_API}.surroundings",
    f"{_CORE}.core_utils": f"{_API}.core_utils",
    f"{_CORE}.plugin_base": f"{_API}.plugin_base",
    f"{_CORE}.spec_base": f"{_API}.spec_base",
    f"{_CORE}.work_spec": f"{_API}.work_spec",
    f"{_CORE}.job_spec": f"{_API}.job_spec",
    f"{_CORE}.file_spec": f"{_API}.file_spec",
    f"{_CORE}.event_spec": f"{_API}.event_spec",
    f"{_CORE}.queue_config_mapper": f"{_API}.queue_config",
    f"{_CORE}.plugin_factory": f"{_API}.plugin_factory",
    f"{_CORE}.db_interface": f"{_API}.db_interface",
    f"{_CORE}.pilot_errors": f"{_API}.errors",
    f"{_CORE}.worker_errors": f"{_API}.errors",
    f"{_CORE}.resource_type_mapper": f"{_API}.errors",
    "pandaharvester.harvesterpreparator.base_preparator": f"{_API}.bases",
    "pandaharvester.harvesterstager.base_stager": f"{_API}.bases",
    "pandaharvester.harvesterzipper.base_zipper": f"{_API}.bases",
    "pandaharvester.harvestersubmitter.base_submitter": f"{_API}.bases",
    "pandaharvester.harvestermonitor.base_monitor": f"{_API}.bases",
    "pandaharvester.harvestersweeper.base_sweeper": f"{_API}.bases",
    "pandaharvester.harvestermessenger.base_messenger": f"{_API}.bases",
    "pandaharvester.harvesterworkermaker.base_worker_maker": f"{_API}.bases",
    "pandaharvester.harvesterextractor.base_extractor": f"{_API}.bases",
    "pandaharvester.harvestercredmanager.base_cred_manager": f"{_API}.bases",
    "pandaharvester.harvestercommunicator.base_communicator": f"{_API}.bases",
    "pandaharvester.harvestermover.mover_utils": f"{_API}.mover_utils",
    "pandalogger.PandaLogger": f"{_API}.panda_logger",
    "pandalogger.LogWrapper": f"{_API}.panda_logger",
    "pandacommon.pandalogger.PandaLogger": f"{_API}.panda_logger",
    "pandacommon.pandalogger.LogWrapper": f"{_API}.panda_logger",
}

#: Packages that stand in for others, as long as nobody has installed those.
ROOTS = ("pandaharvester", "pandacommon", "pandalogger")


def packages() -> frozenset[str]:
    """Return the packages that the modules lie in."""
    parts = [name.split(".") for name in MODULES]
    return frozenset(".".join(words[:length]) for words in parts for length in range(1, len(words)))
