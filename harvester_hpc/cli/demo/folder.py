"""The folder of the demo: a fresh instance in it, and nothing of anybody else touched."""
from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harvester_hpc.cli.asking import present
from harvester_hpc.cli.init import make
from harvester_hpc.cli.instance import Instance
from harvester_hpc.config.locate import DEFAULT_STATE_DIR, FILE_NAME
from harvester_hpc.errors import HarvesterError, StoreError, Unavailable

MARK = ".harvester_hpc_demo"
QUEUE = "DEMO"
JUMBO_QUEUE = "DEMO_JUMBO"
PICTURE = "multiplicity.png"
JUMBO_PICTURE = "multiplicity-jumbo.png"
OUTPUTS = "outputs"
#: All that a demo leaves in its folder.
OURS = (FILE_NAME, DEFAULT_STATE_DIR, "work", OUTPUTS, PICTURE, JUMBO_PICTURE)
COMMAND_S = 20.0
#: Workers at the same time: on this machine one a core, on a cluster enough to fill a small one.
CORES = max(2, os.cpu_count() or 2)
CLUSTER_WORKERS = 32


def prepare(folder: Path, site: str) -> Instance:
    """Make a fresh instance in ``folder``; what an earlier demo left there is removed.

    Args:
        site: ``local`` or ``slurm``.

    Raises:
        HarvesterError: the folder belongs to something else, or an instance still runs in it.
        Unavailable: ``slurm`` is asked for, and none answers.
    """
    settings, workers = (_slurm(), CLUSTER_WORKERS) if site == "slurm" else (_local(), CORES)
    instance = Instance(home_option=str(folder), environ=os.environ)
    _clear(folder, instance)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).touch()
    queues = {QUEUE: _queue(folder, workers), JUMBO_QUEUE: _jumbo_queue(folder)}
    make(folder, json.dumps({**settings, "instance": "demo", "queues": queues}, indent=2) + "\n")
    return instance


def _clear(folder: Path, instance: Instance) -> None:
    if not folder.exists():
        return
    if not folder.is_dir() or (any(folder.iterdir()) and not (folder / MARK).is_file()):
        raise HarvesterError(f"{folder} holds something else than an earlier demo", remedy="name an empty or new folder with --dir")
    try:
        runs = (folder / FILE_NAME).is_file() and present(instance).running
    except (StoreError, HarvesterError):
        runs = False
    if runs:
        raise HarvesterError(f"an instance runs in {folder}", remedy=f"harvester-hpc --home {folder} stop")
    for name in OURS:
        path = folder / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _queue(folder: Path, workers: int) -> dict[str, Any]:
    return {
        "nQueueLimitJob": 100, "nQueueLimitWorker": workers, "maxWorkers": workers, "pollInterval": 1,
        "resources": {"nodes": 1, "coresPerNode": 1, "walltime": 600},
        "stager": {"name": "local", "destination": str(folder / OUTPUTS)},
    }


def _jumbo_queue(folder: Path) -> dict[str, Any]:
    """Return a queue in which two workers share a job, each of 4 ranks: one leads, three work."""
    return {
        "mapType": "OneToMany", "maxWorkersPerJobPerCycle": 2, "pollInterval": 1, "zipPerMB": 1, "initEventsMultiplier": 60,
        "resources": {"nodes": 1, "coresPerNode": 1, "walltime": 600},
        "workerMaker": {"name": "jumbo", "nWorkersPerJob": 2},
        "submitter": {"name": "psij", "yoda": {"ranksPerNode": 4, "slots": 1, "payloadMode": "lines", "outSuffix": ".json", "publishS": 1,
                                               "publishCount": 100, "leadS": 10}},
        "stager": {"name": "local", "destination": str(folder / OUTPUTS)},
    }


def _local() -> dict[str, Any]:
    return {"extends": "local", "facility": {"node": {"cores": CORES}, "launcher": "mpiexec"}}


def _slurm() -> dict[str, Any]:
    partition = _default_partition(_asked_sinfo())
    return {
        "extends": "slurm-generic",
        "facility": {"queues": [{"name": partition["name"]}], "node": {"cores": partition["cores"]}, "launcher": "srun", "mpi": "pmi2"},
    }


def _asked_sinfo() -> str:
    """Return what sinfo says of its partitions: name (a star behind the default), availability, cores of a node."""
    remedy = 'name a cluster with SLURM_CONF, or start a private one: eval "$(python -m harvester_hpc.testing.slurm up /tmp/slurm)"'
    if shutil.which("sbatch") is None or shutil.which("sinfo") is None:
        raise Unavailable("there is no Slurm here", why="sbatch and sinfo are not on PATH", remedy=f"install slurm-wlm; then {remedy}")
    try:
        answer = subprocess.run(
            ["sinfo", "--noheader", "--format=%P|%a|%c"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=COMMAND_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise Unavailable("Slurm does not answer", why=f"sinfo has not ended after {COMMAND_S:g} s", remedy=remedy) from error
    if answer.returncode or not answer.stdout.strip():
        raise Unavailable("Slurm does not answer", why=" ".join(answer.stderr.split()) or "sinfo names no partition", remedy=remedy)
    return answer.stdout


def _default_partition(text: str) -> Mapping[str, Any]:
    """Return name and cores of the default partition, or of the first one that is up."""
    rows = [line.split("|") for line in text.splitlines() if line.count("|") == 2]
    up = [row for row in rows if row[1].strip() == "up"]
    if not up:
        raise Unavailable("Slurm has no partition that is up", why=" ".join(text.split()), remedy="look at sinfo")
    name, _, cores = next((row for row in up if row[0].endswith("*")), up[0])
    return {"name": name.rstrip("*"), "cores": int(cores.strip().rstrip("+"))}
