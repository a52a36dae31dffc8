"""An instance in a folder, for the tests of the configuration."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harvester_hpc.config.load import load
from harvester_hpc.config.values import Configuration
from harvester_hpc.errors import ConfigurationError

ENVIRON: Mapping[str, str] = {"HOME": "/nowhere/people/me", "SCRATCH": "/nowhere/scratch/me"}

SITE: dict[str, Any] = {
    "scheduler": "slurm",
    "launcher": "srun",
    "queues": [
        {"name": "regular", "minNodes": 2, "maxNodes": 8, "maxWalltime": "12:00:00"},
        {"name": "debug", "maxNodes": 1, "maxWalltime": 1800},
    ],
    "node": {"cores": 64, "memoryMB": 256_000, "gpus": 4},
    "defaults": {
        "resources": {"nodes": 2},
        **{kind: {"name": "some"} for kind in ("preparator", "workerMaker", "submitter", "messenger", "monitor", "stager", "sweeper")},
    },
}


def write(home: Path, values: object, site: object = SITE) -> Path:
    """Write harvester.json and the facility file ``here`` below ``home``; text is written as it is."""
    (home / "site_configs").mkdir(parents=True, exist_ok=True)
    (home / "site_configs" / "here.json").write_text(site if isinstance(site, str) else json.dumps(site))
    (home / "harvester.json").write_text(values if isinstance(values, str) else json.dumps(values))
    return home


def loaded(home: Path, values: Mapping[str, Any], site: object = SITE, environ: Mapping[str, str] = ENVIRON) -> Configuration:
    """Return the configuration of ``values`` over the facility ``here``."""
    return load(write(home, {"extends": "here", "queues": {"Q": {}}, **values}, site), environ)


def problems(home: Path, values: Mapping[str, Any], site: object = SITE, environ: Mapping[str, str] = ENVIRON) -> list[str]:
    """Return the problems of ``values``, without the name of the instance's folder; [] if there are none."""
    try:
        loaded(home, values, site, environ)
    except ConfigurationError as error:
        return [line.removeprefix(f"{home}/") for line in error.problems]
    return []


def of_queue(home: Path, queue: Mapping[str, Any], **values: Any) -> list[str]:
    """Return the problems of one queue, without the way to it."""
    return [line.removeprefix("harvester.json: queues.Q.") for line in problems(home, {"queues": {"Q": queue}, **values})]
