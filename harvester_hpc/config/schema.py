"""JSON Schema of the two kinds of files, for editors."""
from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from harvester_hpc.config.harvester_file import FacilityFile, HarvesterFile
from harvester_hpc.config.later import LATER
from harvester_hpc.config.source import REMARKS

Kind = Literal["harvester", "facility"]
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema(kind: Kind) -> dict[str, Any]:
    """Return the JSON Schema of harvester.json or of a facility file.

    Attributes that are known and not yet obeyed stand in it with the values that ask for nothing.
    """
    model = HarvesterFile if kind == "harvester" else FacilityFile
    described = model.model_json_schema()
    for part in _objects(described):
        part.setdefault("patternProperties", {}).update({f"^{remark}": {} for remark in REMARKS})
    described["$defs"]["QueueSettings"]["properties"].update(
        {name: {"enum": list(later.neutral), "description": f"not yet: {later.what}"} for name, later in LATER.items()}
    )
    described["properties"]["$schema"] = {"type": "string"}
    return {"$schema": DIALECT, **described}


def _objects(described: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for part in (described, *described["$defs"].values()):
        if "properties" in part:
            yield part
