"""Where a worker's logs can be read in a browser, if the centre's web server shows their folder."""
from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from urllib.parse import quote

from harvester_hpc.model.worker import Worker

#: Bytes of an address that the server keeps; one that is cut leads nowhere.
LONGEST = 250
#: Of the batch script, in the access point; of the payload, in the folder of its job.
BATCH, OUT, ERROR = "batch.log", "payload.stdout", "payload.stderr"


def addresses_of(worker: Worker, log_urls: Mapping[str, str]) -> dict[str, str]:
    """Return {stdOut, stdErr, batchLog: address}; {} if nothing is shown of the worker's folder.

    Args:
        log_urls: {folder: address}; the longest folder that fits counts.

    A worker with one job shows what its payload prints; one with none or many what the batch script does.
    """
    base = _address(worker.access_point, log_urls)
    if not base:
        return {}
    batch = f"{base}/{BATCH}"
    out, error = batch, batch
    if len(worker.job_ids) == 1:
        out, error = (f"{base}/{worker.job_ids[0]}/{name}" for name in (OUT, ERROR))
    found = {"stdOut": out, "stdErr": error, "batchLog": batch}
    return {key: address for key, address in found.items() if len(address) <= LONGEST}


def _address(folder: str, log_urls: Mapping[str, str]) -> str:
    path = PurePosixPath(folder)
    fitting = [shown for shown in log_urls if folder and path.is_relative_to(shown)]
    if not fitting:
        return ""
    shown = max(fitting, key=len)
    rest = quote(str(path.relative_to(shown)))
    return f"{log_urls[shown].rstrip('/')}/{rest}"
