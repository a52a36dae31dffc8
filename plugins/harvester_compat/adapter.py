"""The entry point: from a class of the published interface to a plugin of ours."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harvester_compat import importing
from harvester_compat.adapters.base import Adapted, has_all
from harvester_compat.adapters.batch import CHECK, KILL, KILL_MANY, SUBMIT, SWEEP, AdaptedMonitor, AdaptedSubmitter, AdaptedSweeper
from harvester_compat.adapters.staging import CHECK_IN, CHECK_OUT, RESOLVE, TRIGGER_IN, TRIGGER_OUT, AdaptedPreparator, AdaptedStager
from harvester_compat.adapters.throttler import ASK, AdaptedThrottler
from harvester_compat.adapters.worker_maker import AdaptedWorkerMaker

#: {kind: its adapter, and the methods that a class must have, each in any of its spellings}
KINDS: Mapping[str, tuple[type[Adapted], tuple[tuple[str, ...], ...]]] = {
    "preparator": (AdaptedPreparator, (TRIGGER_IN, CHECK_IN, RESOLVE)),
    "stager": (AdaptedStager, (TRIGGER_OUT, CHECK_OUT)),
    "submitter": (AdaptedSubmitter, (SUBMIT,)),
    "monitor": (AdaptedMonitor, (CHECK,)),
    "sweeper": (AdaptedSweeper, ((*KILL_MANY, *KILL), SWEEP)),
    "throttler": (AdaptedThrottler, (ASK,)),
    "workerMaker": (AdaptedWorkerMaker, (("make_worker",),)),
}


def prepare_imports() -> None:
    """Make ``pandaharvester`` and the like importable, unless they are installed."""
    importing.install()


def adapted(kind: str, plugin: type[Any]) -> type[Any] | None:
    """Return a class of ours that runs ``plugin``; None if it has not the methods of its kind."""
    adapter, methods = KINDS.get(kind, (None, ()))
    if adapter is None or not has_all(plugin, methods):
        return None
    return type(plugin.__name__, (adapter,), {"published": plugin, "__module__": plugin.__module__, "__doc__": plugin.__doc__})
