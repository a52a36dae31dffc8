"""Settings that a queue's plugins have in common, laid below the section of each plugin that knows them."""
from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from harvester_hpc.errors import HarvesterError
from harvester_hpc.plugin_kinds import HOPS
from harvester_hpc.settings import key_of

ClassOf = Callable[[str, Mapping[str, Any]], type[Any]]
Sections = Mapping[str, Mapping[str, Any]]


def with_common(sections: Sections, common: Mapping[str, Any], class_of: ClassOf) -> tuple[Sections, frozenset[str]]:
    """Return the sections, each with those of ``common`` that its plugin knows and that it does not say itself; and those that none knows.

    Args:
        sections: {kind: section}; with hops, each of them is one.
        class_of: kind, section -> the plugin's class; what it raises of ours is told by those who make the plugin.

    Source: existing Harvester: what stands under ``common`` is an attribute of every plugin.
    """
    if not common:
        return sections, frozenset()
    left = set(common)

    def filled(kind: str, section: Mapping[str, Any]) -> Mapping[str, Any]:
        if HOPS in section and isinstance(section[HOPS], (list, tuple)):
            return {**section, HOPS: tuple(filled(kind, hop) if isinstance(hop, Mapping) else hop for hop in section[HOPS])}
        try:
            known = _known(class_of(kind, section), common)
        except HarvesterError:
            left.clear()  # the plugin that is not there may be the one that knows them
            return section
        left.difference_update(known)
        return {**{key: common[key] for key in known}, **section}

    together = {kind: filled(kind, section) for kind, section in sections.items()}
    return together, frozenset(left)


def _known(plugin: type[Any], common: Mapping[str, Any]) -> list[str]:
    fields = [field for field in dataclasses.fields(plugin.Settings) if field.init]
    if any(field.metadata.get("rest") for field in fields):
        return list(common)
    keys = {key_of(field) for field in fields}
    return [key for key in common if key in keys]
