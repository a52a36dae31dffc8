"""Templates of queues, what is common to plugins, and which queues are served: from several lists of queues to the layers of each."""
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harvester_hpc.config.layers import Layer
from harvester_hpc.config.problems import Place, Problem, shown
from harvester_hpc.errors import did_you_mean

IS_TEMPLATE, TEMPLATE, COMMON = "isTemplateQueue", "templateQueueName", "common"
ENDING = "_TEMPLATE"
ALL, DYNAMIC = "ALL", "DYNAMIC"
LIST = "queueList"


@dataclass(frozen=True, slots=True, kw_only=True)
class Queues:
    """The queues and templates of one file, by name; ``place`` is that of the object around them."""

    place: Place
    values: Mapping[str, Any]


@dataclass(slots=True, kw_only=True)
class Assembled:
    """{queue: its own layers, the lowest first}, and what is wrong."""

    layers: dict[str, list[Layer]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def is_template(name: str, values: Mapping[str, Any]) -> bool:
    """Tell whether a queue is only there for others to stand on.

    Source: existing Harvester, queue configuration mapper: the flag, or the ending of the name.
    """
    return values.get(IS_TEMPLATE) is True or name.endswith(ENDING)


def assembled(files: Sequence[Queues], listed: object, at: Place) -> Assembled:
    """Return the layers of each queue that is to be served.

    A template replaces one of the same name from a lower file as a whole. A queue lies over its namesake, and all of that over its
    template.

    Args:
        files: the lowest first (remote, then the user's own).
        listed: ``queueList``; None for all.
        at: where it was written.
    """
    found = Assembled()
    there: dict[str, list[Layer]] = {}
    templates: dict[str, Layer] = {}
    for file in files:
        for name, layer in _layers(file, found.problems):
            if is_template(name, layer.values):
                templates[name] = layer
            else:
                there.setdefault(name, []).append(layer)
    for name in _served(listed, there, templates, at, found.problems):
        found.layers[name] = _over_template(there[name], templates, found.problems)
    return found


def _layers(file: Queues, problems: list[Problem]) -> Iterator[tuple[str, Layer]]:
    for name, values in file.values.items():
        if isinstance(values, dict):
            yield name, Layer(place=file.place.below(name), values=values)
        else:
            problems.append(Problem.at(file.place.below(name), f"must be an object; it is {shown(values)}"))


def _served(
    listed: object, there: Mapping[str, Any], templates: Mapping[str, Any], at: Place, problems: list[Problem]
) -> Sequence[str]:
    names = list(there) if listed is None else [listed] if isinstance(listed, str) else listed
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        problems.append(Problem.at(at, f'must be a list of names of queues, or "{ALL}"; it is {shown(listed)}'))
        return ()
    for name in names:
        if name == DYNAMIC:
            message = f'"{DYNAMIC}" asks an information system, and there is none here; "{ALL}" takes every queue of the (remote) file'
            problems.append(Problem.at(at, message))
        elif name in templates and name not in there:
            problems.append(Problem.at(at, f"{name} is a template, and no queue"))
        elif name not in there and name != ALL:
            problems.append(Problem.at(at, f"there is no queue {name}{did_you_mean(name, there)}"))
    return list(there) if ALL in names else [name for name in dict.fromkeys(names) if name in there]


def _over_template(own: Sequence[Layer], templates: Mapping[str, Layer], problems: list[Problem]) -> list[Layer]:
    said = next((layer for layer in reversed(own) if layer.values.get(TEMPLATE)), None)
    if said is None:
        return list(own)
    name, place = said.values[TEMPLATE], said.place.below(TEMPLATE)
    if not isinstance(name, str):  # the queue's own check says so
        return list(own)
    if name not in templates:
        problems.append(Problem.at(place, f"there is no template {name}{did_you_mean(name, templates)}"))
        return list(own)
    template = templates[name]
    if template.values.get(TEMPLATE):
        problems.append(Problem.at(template.place.below(TEMPLATE), "a template cannot stand on another one"))
    return [template, *own]
