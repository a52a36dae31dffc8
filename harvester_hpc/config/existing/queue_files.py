"""panda_queueconfig.json: templates and what is common to plugins, put together."""
from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from harvester_hpc.config.existing.notes import Notes
from harvester_hpc.config.templates import ALL, COMMON, DYNAMIC, IS_TEMPLATE, TEMPLATE, is_template
from harvester_hpc.errors import ConfigurationError, did_you_mean

Values = dict[str, Any]
#: Sections of plugins; they merge with those of a template one level deep, everything else replaces.
PLUGINS = ("preparator", "submitter", "workerMaker", "messenger", "stager", "monitor", "sweeper")
MERGED = (*PLUGINS, "common", "throttler", "zipper", "aux_preparator", "extractor")
REMARK = "____comment"


def read_queues(path: Path) -> dict[str, Values]:
    """Return the queues of a file as they stand there.

    Raises:
        ConfigurationError: it is no JSON object of objects.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"{path} cannot be read", why=str(error), remedy="name the panda_queueconfig.json") from error
    if not isinstance(values, dict) or not all(isinstance(queue, dict) for queue in values.values()):
        raise ConfigurationError(f"{path} has no queues", why="it must be an object with one object for each queue")
    return values


def put_together(queues: Mapping[str, Values], wanted: Iterable[str] | None, notes: Notes) -> dict[str, Values]:
    """Return the queues that are wanted, each with its template below it; remarks left out.

    Args:
        wanted: names, or None for all; ALL and DYNAMIC among them too.
    """
    templates = {name: queue for name, queue in queues.items() if is_template(name, queue)}
    names = None if wanted is None or not {ALL, DYNAMIC}.isdisjoint(set(wanted)) else list(wanted)
    found = {}
    for name in names or (name for name in queues if name not in templates):
        if name not in queues:
            notes.impossible("qconf.queueList", name, f"the queue file has no such queue{did_you_mean(name, queues)}")
            continue
        found[name] = _of_template(name, queues[name], templates, notes.below(name))
    for name in queues:
        if name not in found and name not in templates:
            notes.idle(name, "", "it is not in qconf.queueList")
    return found


def _of_template(name: str, queue: Values, templates: Mapping[str, Values], notes: Notes) -> Values:
    own, below = _without_remarks(queue, notes), {}
    template = own.pop(TEMPLATE, None)
    if isinstance(template, str) and template in templates:
        below = _without_remarks(templates[template], None)
        notes.translated("templateQueueName", template, "what it says stands in the queue")
    elif template is not None:
        notes.impossible("templateQueueName", template, f"there is no such template{did_you_mean(str(template), templates)}")
    for key in (IS_TEMPLATE, TEMPLATE):
        below.pop(key, None)
        own.pop(key, None)
    together = {**below, **own}
    for key in MERGED:
        if isinstance(below.get(key), dict) and isinstance(own.get(key), dict):
            together[key] = {**below[key], **own[key]}
    common = together.pop(COMMON, None)
    if isinstance(common, dict) and common:
        notes.translated("common", common, "stands in each plugin's section that does not say otherwise")
        for key in PLUGINS:
            if isinstance(together.get(key), dict):
                together[key] = {**common, **together[key]}
    return together


def _without_remarks(values: Values, notes: Notes | None) -> Values:
    kept = {}
    for key, value in values.items():
        if key.startswith(REMARK):
            if notes is not None:
                notes.idle(key, value, "a remark")
            continue
        inner = value if not isinstance(value, dict) else {name: one for name, one in value.items() if not name.startswith(REMARK)}
        kept[key] = inner
    return kept
