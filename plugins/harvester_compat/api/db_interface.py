"""What such plugins ask of Harvester's database: locks, groups of files, messages; kept in memory of this process."""
from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable
from typing import Any

log = logging.getLogger(__name__)


class DBInterface:
    """One for all plugins of the instance."""

    _lock = threading.Lock()
    _locks: dict[str, float] = {}
    _groups: dict[Any, dict[str, Any]] = {}

    def get_object_lock(self, object_name: str, lock_interval: float) -> bool:
        """Take a lock that ends by itself after ``lock_interval`` seconds; False if somebody else has it."""
        now = time.monotonic()
        with self._lock:
            if self._locks.get(object_name, 0.0) > now:
                return False
            self._locks[object_name] = now + lock_interval
            return True

    def release_object_lock(self, object_name: str) -> bool:
        """Give a lock back."""
        with self._lock:
            return self._locks.pop(object_name, None) is not None

    def get_cache(self, main_key: str, sub_key: str | None = None, from_local_cache: bool = True) -> Any:
        """Return something of the cacher: there is nothing."""
        return None

    def set_file_group(self, file_specs: Iterable[Any], group_id: Any, status_string: str) -> bool:
        """Put files into a group."""
        specs = list(file_specs)
        for spec in specs:
            spec.groupID, spec.groupStatus = group_id, status_string
        with self._lock:
            group = self._groups.setdefault(group_id, {"status": status_string, "files": []})
            group["files"] += specs
        return True

    def refresh_file_group_info(self, job_spec: Any) -> bool:
        """Bring the groups of a job's files up to date."""
        with self._lock:
            for spec in job_spec.inFiles + job_spec.outFiles:
                if spec.groupID in self._groups:
                    spec.groupStatus = self._groups[spec.groupID]["status"]
        return True

    def update_file_group_status(self, group_id: Any, status_string: str) -> bool:
        """Set the status of a group."""
        with self._lock:
            self._groups.setdefault(group_id, {"status": status_string, "files": []})["status"] = status_string
        return True

    def get_file_group_status(self, group_id: Any) -> list[str]:
        """Return the statuses of a group."""
        with self._lock:
            return [self._groups[group_id]["status"]] if group_id in self._groups else []

    def get_files_with_group_id(self, group_id: Any) -> list[Any]:
        """Return the files of a group."""
        with self._lock:
            return list(self._groups.get(group_id, {}).get("files", ()))

    def get_worker_limits(self, site_name: str, queue_config: Any = None) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the limits of a queue's workers: the instance holds them itself."""
        return {}, {}

    def get_worker_ce_stats(self, site_name: str) -> dict[str, Any]:
        """Return the workers of each computing element: none is known."""
        return {}

    def add_dialog_message(self, message: str, level: str, module_name: str, identifier: str | None = None) -> bool:
        """Say something to the operator."""
        log.log(logging.getLevelNamesMapping().get(str(level).upper(), logging.WARNING), "plugin %s: %s", module_name, message)
        return True
