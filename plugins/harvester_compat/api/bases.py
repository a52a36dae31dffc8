"""Base classes of the kinds of plugins."""
from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

from harvester_compat.api.core_utils import calc_adler32
from harvester_compat.api.plugin_base import PluginBase


class BasePreparator(PluginBase):
    """Base of preparators."""


class BaseSubmitter(PluginBase):
    """Base of submitters."""


class BaseMonitor(PluginBase):
    """Base of monitors."""


class BaseCommunicator(PluginBase):
    """Base of communicators."""


class BaseSweeper(PluginBase):
    """Base of sweepers."""

    def sweep_worker(self, workspec: Any) -> tuple[bool, str]:
        """Nothing is left of a worker, unless the plugin says so."""
        return True, ""


class BaseCredManager(PluginBase):
    """Base of credential managers."""

    def check_credential_lifetime(self) -> float | None:
        """Return for how many hours the credential is good; None: nobody knows."""
        return None


class BaseExtractor(PluginBase):
    """Base of extractors."""

    def get_aux_inputs(self, jobspec: Any) -> dict[str, Any]:
        """Return auxiliary inputs: none."""
        return {}


class BaseMessenger(PluginBase):
    """Base of messengers."""

    def filter_log_tgz(self, name: str) -> bool:
        """Tell whether a file goes into the tar of logs."""
        return name.endswith((".log", ".txt", ".xml", ".json")) or Path(name).name.startswith("log")

    def is_alive(self, workspec: Any, time_limit: float) -> bool | None:
        """Tell whether a worker gives signs of life; None: nobody knows."""
        return None

    def post_processing(self, workspec: Any, jobspec_list: Any, map_type: str) -> bool | None:
        """Nothing is done after the end of a worker."""
        return True

    def clean_up(self, workspec: Any) -> tuple[bool | None, str]:
        """Nothing is removed."""
        return None, "skipped"


class BaseWorkerMaker(PluginBase):
    """Base of worker makers."""

    def get_num_jobs_per_worker(self, n_workers: int) -> int:
        """Return how many jobs one worker gets."""
        return int(getattr(self, "nJobsPerWorker", 1))

    def get_num_workers_per_job(self, n_workers: int) -> int:
        """Return how many workers one job gets."""
        return int(getattr(self, "nWorkersPerJob", 1))

    def get_max_workers_per_job_in_total(self) -> int:
        """Return how many workers one job may ever have."""
        return int(getattr(self, "maxWorkersPerJobInTotal", 10))

    def get_max_workers_per_job_per_cycle(self) -> int:
        """Return how many workers one job gets in a round."""
        return int(getattr(self, "maxWorkersPerJobPerCycle", 1))

    def num_ready_resources(self) -> int:
        """Return for how many workers there is room now."""
        return int(getattr(self, "nReadyResources", 1))


class BaseZipper(PluginBase):
    """Base of what makes zips."""

    zipDir, zip_tmp_log, zip_jobSpec = "${SRCDIR}", None, None

    def simple_zip_output(self, jobspec: Any, tmp_log: Any) -> tuple[bool, str]:
        """Make a zip, not compressed, of the members of each output."""
        try:
            for spec in jobspec.outFiles:
                members = [member for member in spec.associatedFiles if member.path]
                if not members:
                    continue
                folder = self.zipDir.replace("${SRCDIR}", str(Path(members[0].path).parent))
                path = Path(folder.replace("${WORKDIR}", str(Path(members[0].path).parent))) / str(spec.lfn)
                with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as made:
                    for member in members:
                        made.write(member.path, Path(member.path).name)
                spec.path, spec.fsize, spec.chksum = str(path), path.stat().st_size, calc_adler32(path)
        except OSError as error:
            return False, f"failed to zip: {error}"
        return True, ""

    def zip_output(self, jobspec: Any) -> tuple[bool, str]:
        """Make zips."""
        return self.simple_zip_output(jobspec, self.zip_tmp_log)


class BaseStager(BaseZipper):
    """Base of stagers."""
