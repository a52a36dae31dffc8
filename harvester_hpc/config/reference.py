"""The configuration reference, written from the models: ``python -m harvester_hpc.config.reference [FILE]``."""
from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from harvester_hpc.config.batch_queue_file import BatchQueueSettings, LimitSettings, NodeBinSettings, NodeSettings, ShareSettings
from harvester_hpc.config.facility_file import FacilitySettings
from harvester_hpc.config.facts import FactSettings
from harvester_hpc.config.harvester_file import AgentPeriod, AgentsSettings, CredentialSettings, FacilityFile, HarvesterFile
from harvester_hpc.config.later import LATER, MAP_TYPES
from harvester_hpc.config.queue_file import (
    SECTIONS,
    InputCacheSettings,
    LogExposerSettings,
    MessengerSettings,
    QueueSettings,
    ResourceSettings,
    SectionSettings,
    StagingSettings,
    WorkerMakerSettings,
)
from harvester_hpc.config.remote import RemoteSettings
from harvester_hpc.config.surroundings_file import CollectionSettings, DetectSettings, FileSystemSettings, LoginSettings, NetworkSettings

INTRODUCTION = """\
# Configuration reference

This file is written by `python -m harvester_hpc.config.reference`; change the models, not this text.

An instance is a folder with a `harvester.json`. Commands find it by `--home DIR`, else `$HARVESTER_HPC_HOME`, else the
current folder or the nearest one above it that has the file, else `~/.harvester_hpc`. The smallest useful one:

```json
{
  "extends": "local",
  "queues": {"MY_QUEUE": {}}
}
```

and one for a cluster with Slurm:

```json
{
  "extends": "slurm-generic",
  "facility": {
    "account": "m1234",
    "workDir": "$SCRATCH/harvester",
    "queues": [{"name": "regular", "maxNodes": 512, "maxWalltime": "12:00:00"}],
    "node": {"cores": 128, "memoryMB": 480000},
    "attributes": {"constraint": "cpu"}
  },
  "queues": {
    "MY_QUEUE": {"nQueueLimitWorker": 5, "maxWorkers": 20, "resources": {"walltime": "2:00:00"}}
  }
}
```

`harvester-hpc config check` reads everything and lists all problems at once, each with its file, the way to the key and,
for an unknown key, the nearest known one. What is wrong in the sections of a queue's plugins comes to light when the rest of
the queue is right. `harvester-hpc config show --resolved` prints what was understood, and
`harvester-hpc config schema` the JSON Schema for an editor.

## How the files are read

- JSON in UTF-8. `//`, `#` and `/* */` start comments; a comma before a closing bracket is ignored; a key that stands twice is a
  problem; keys that start with `____comment` or `//` are remarks. `$schema` may name a schema for the editor.
- `$NAME` and `${NAME}` in values are replaced from the environment; a variable that is not there is a problem; `$$` is a plain `$`.
  Our own placeholders (`${workerID}`, `${queueName}`, `${harvesterID}`, `${workDir}`) are filled in later. The lines of `prologue` and
  `epilogue` are left as they are: the shell of the batch job expands them on the node.
- `extends` names a facility: `NAME.json` in `site_configs/` of the instance's folder, then in those that come with the program;
  or the path of a file, relative to the file that says it. A facility file may extend another one.
- What is nearer to the user wins: `facility` in harvester.json over the facility's file over what that extends; a queue over `defaults`
  of the facility. Objects are merged member by member, lists and everything else are replaced. A plugin section that names another
  plugin than the one below it starts afresh.
- Times are seconds, or text such as `"12:00:00"` or `"2-00:00:00"` where a walltime is meant.

## Folders of workers

`messenger.accessPoint` is the template of a worker's folder, by default `${workDir}/${queueName}/${workerID}`. It must have
`${workerID}`, so that no two workers ever use the same folder. The last folder before the part with `${workerID}`, or with digits
of it, is the root of the queue's access points. It must not be `/`, your home directory or the state folder, nor hold one of them,
and no two queues may have the same one: the root is also where workers ring the bell of their queue.

## Limits that are not given

- `nQueueLimitWorker` left out means 10 workers waiting in the batch queue.
- `nQueueLimitJob` left out means twice what `nQueueLimitWorker` workers take: one load at work, one in reserve.
- `maxWorkers` left out, or 0, means no limit but the others. (In PanDA Harvester the default 0 submits nothing, without a word.)
  To keep a queue still, say `"nQueueLimitWorker": 0`.

## Many jobs in one worker

```json
{"mapType": "ManyToOne", "workerMaker": {"name": "multi_job", "nJobsPerWorker": 64, "waitForFullChunk": 300}, "resources": {"nodes": 4}}
```

A worker gets `nJobsPerWorker` jobs of one task (of any, with `allowJobMixture`), or fewer when one of them has waited `waitForFullChunk`
seconds. It has as many nodes as they fill side by side by cores (and by memory, where `resources.memoryMB` is given), at most
`resources.nodes`; `nodesPerWorker` fixes the number. It has the walltime that they need one after the other, and `reserveS` seconds, at
most what the batch queue gives; `resources.walltime` fixes it. Several nodes want a `facility.launcher` that starts on all of them, such
as `srun`. What a worker does not get to goes to another one.

Where the facility's batch queue has `bins` (more nodes may have more time), a worker gets more nodes than its jobs fill only if so few
may not have the time that its longest job takes. `leastFilled` (0 to 1) is the share of the nodes that its jobs must fill then; with less
they wait for others, and `jobs show` says so.

## Several workers for one job

```json
{"mapType": "OneToMany", "maxWorkersPerJobInTotal": 20, "resources": {"nodes": 183},
 "workerMaker": {"name": "jumbo", "nWorkersPerJob": 2, "dynamicSizing": true, "reserveS": 300}}
```

With `dynamicSizing`, `resources.nodes` is the most that a worker gets. It gets as few as can do its part of the job's event ranges in the
time that so many may have (`resources.walltime`, the batch queue with its bins, `longestS`), and that time. What is left is known when the
system has no more ranges, or when the job says `nEventRanges`; what a range costs is known from earlier workers of the job, or from its
`secondsPerRange`. Where either is unknown, a worker is of the queue's size: the first worker of a PanDA job always is.

## What is free now

`resourceCommand` of the worker makers `multi_job` and `jumbo` names a program (a list of words; no shell runs) that prints what is free, in
lines of nodes, or of nodes and seconds. Workers are made one at a time and fitted into it, and none is made while none fits. On Slurm:
`["sinfo", "--noheader", "--states=idle", "--partition=batch", "--format=%D"]`. That is what is idle, not what Slurm would let us have: with
`nQueueLimitWorker` 1, no second worker is made for the same nodes while the first one waits.
"""

TABLES: tuple[tuple[str, str, type[BaseModel]], ...] = (
    ("harvester.json", "The user's file.", HarvesterFile),
    ("remote", "Parts that lie elsewhere; see [remote configuration](remote-configuration.md).", RemoteSettings),
    ("agents", "Member `agents` of harvester.json.", AgentsSettings),
    ("agents.NAME", "Each agent.", AgentPeriod),
    ("credentials.NAME", "Each credential; the plugins' own settings are in credentials.md.", CredentialSettings),
    ("queues.NAME", "Each PanDA queue: the published attributes, ours, and a section for each plugin.", QueueSettings),
    ("queues.NAME.resources", "What each worker of a queue gets.", ResourceSettings),
    ("Plugin sections", "All other members are the plugin's own settings; see its documentation.", SectionSettings),
    ("queues.NAME.preparator, queues.NAME.stager", "Plugins that move batches of files may stand in a row.", StagingSettings),
    ("queues.NAME.inputCache", "Inputs that come in batches are shared by the jobs that need them.", InputCacheSettings),
    ("queues.NAME.messenger", "The messenger has one member more, which the core reads.", MessengerSettings),
    ("logExposer, queues.NAME.logExposer", "Who shows the logs of workers; see [logs](logs.md).", LogExposerSettings),
    ("queues.NAME.workerMaker", "The worker maker may have two limits of its queue, where published files have them.", WorkerMakerSettings),
    ("facility", "Member `facility` of harvester.json, and a facility file.", FacilitySettings),
    ("facility.queues[]", "Each queue or partition of the batch system.", BatchQueueSettings),
    ("facility.queues[].bins[]", "Walltimes by number of nodes, the smallest first; a batch queue may have none.", NodeBinSettings),
    ("limits", "Of the facility, and of each of its queues.", LimitSettings),
    ("limits.user, limits.project", "At a time; null: no limit known.", ShareSettings),
    ("facility.node, facility.queues[].node", "The shape of a node.", NodeSettings),
    ("facility.network", "Who reaches the outside.", NetworkSettings),
    ("facility.login", "What one user may take of a login node.", LoginSettings),
    ("facility.fileSystems[]", "Each file system.", FileSystemSettings),
    ("facility.collections[]", "Each Globus collection.", CollectionSettings),
    ("facility.detect", "How the centre is told from others.", DetectSettings),
    ("facility.facts.PATH", "Where a value comes from ([sites.md](sites.md)).", FactSettings),
)


def reference() -> str:
    """Return the reference as Markdown."""
    parts = [INTRODUCTION]
    for title, sentence, model in TABLES:
        parts.append(f"## {title}\n\n{sentence}\n\n" + "\n".join(_table(model)) + "\n")
    beyond = [name for name in FacilityFile.model_fields if name not in FacilitySettings.model_fields]
    parts.append("A facility file may have besides:\n\n" + "\n".join(_table(FacilityFile, beyond)) + "\n")
    parts.append("\n".join(_later()) + "\n")
    return "\n".join(parts)


def _table(model: type[BaseModel], only: list[str] | None = None) -> Iterator[str]:
    properties = model.model_json_schema()["properties"]
    yield "| key | type | default | meaning |"
    yield "|---|---|---|---|"
    for name, field in model.model_fields.items():
        if only is None or name in only:
            default = "required" if field.is_required() else _default(name, field.get_default(call_default_factory=True))
            yield f"| `{name}` | {_type(properties[name])} | {default} | {_cell(field.description or '')} |"


def _default(name: str, value: object) -> str:
    if isinstance(value, AgentPeriod):
        return _code({"period": value.period})
    if isinstance(value, SectionSettings):
        return _code(value.model_dump(exclude_unset=True))
    if isinstance(value, BaseModel):
        return "see below"
    if value is None and name in SECTIONS:
        return "of the facility"
    return _code(value)


def _code(value: object) -> str:
    return f"`{json.dumps(value)}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


_WORDS = {"integer": "whole number", "number": "number", "string": "text", "boolean": "true, false", "null": "null", "object": "object"}


def _type(described: dict[str, Any]) -> str:
    if "enum" in described:
        return ", ".join(str(word) for word in described["enum"])
    if "anyOf" in described:
        return " or ".join(dict.fromkeys(_type(choice) for choice in described["anyOf"]))
    if described.get("type") == "array":
        return f"list of {_type(described['items'])}"
    return _WORDS.get(described.get("type", "object"), "object")


def _later() -> Iterator[str]:
    yield "## Not yet"
    yield ""
    yield "Attributes of published queue files that are known and not yet obeyed. They are refused rather than ignored, unless they have"
    yield "one of these values, which ask for nothing."
    yield ""
    yield "| attribute | accepted | what is not yet there |"
    yield "|---|---|---|"
    for name, later in LATER.items():
        yield f"| `{name}` | {', '.join(_code(value) for value in later.neutral)} | {_cell(later.what)} |"
    for word, what in MAP_TYPES.items():
        if what:
            yield f"| `mapType` {word} | | {what} |"
    yield "| `pandaQueueName`, `queueName` | the queue's own name | another name |"
    yield "| plugins of `pandaharvester` | | plugins that are written for PanDA Harvester |"


def main() -> None:
    """Write the reference to the file that is named, or to docs/configuration.md of a checkout."""
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[2] / "docs" / "configuration.md"
    file.write_text(reference(), encoding="utf-8")


if __name__ == "__main__":
    main()
