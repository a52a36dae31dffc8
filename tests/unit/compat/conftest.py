"""Published plugins, loaded as the registry loads them from a queue's section."""
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.model.facility import Facility, NodeShape
from harvester_hpc.model.queue import Queue
from harvester_hpc.ports.context import Context
from harvester_hpc.registry import Registry

SITE = "tests.unit.compat.published.site_plugins"
BROKEN = "tests.unit.compat.published.broken_plugins"
Load = Callable[..., Any]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Return ``load(kind, name, **keys)``: the plugin of ours that runs the published one."""

    def loaded(kind: str, name: str, module: str = SITE, **keys: Any) -> Any:
        facility = Facility(name="here", scheduler="slurm", node=NodeShape(cores=4))
        context = Context(instance="edge-1", tag="abcde", state_dir=tmp_path / "state", facility=facility, queue=Queue(name="Q"))
        return Registry().load(kind, {"module": module, "name": name, **keys}, context, where=f"harvester.json: queues.Q.{kind}")

    return loaded
