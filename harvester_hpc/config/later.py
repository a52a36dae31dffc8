"""Attributes of published queue files whose behaviour is not there yet: refused, unless they ask for nothing."""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harvester_hpc.config.problems import Finding, shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Later:
    """An attribute that is known, and not yet obeyed.

    Attributes:
        neutral: the values that ask for nothing; the first is the published default.
        what: the thing that is not yet supported, for the message.
    """

    neutral: tuple[Any, ...]
    what: str


LATER: Mapping[str, Later] = {
    "nNewWorkers": Later(neutral=(0, None), what="a number of new workers in the file (runMode slave is)"),
    "jobType": Later(neutral=("ANY", "", None), what="fetching by job type (getJobCriteria is)"),
    "siteFamily": Later(neutral=("", None), what="a family of sites"),
    "ddmEndpointIn": Later(neutral=(None, ""), what="choosing the source of inputs"),
    "extractor": Later(neutral=(None, {}), what="an extractor"),
    "aux_preparator": Later(neutral=(None, {}), what="a second preparator"),
    "zipper": Later(neutral=(None, {}), what="zipping outputs"),
    "credmanagers": Later(neutral=(None, []), what="a credential manager"),
    "file_syncer": Later(neutral=(None, [], {}), what="a file syncer"),
    "resource": Later(neutral=(None, {}), what="a resource plugin"),
    "rpc": Later(neutral=(None, {}), what="running plugins on another host"),
    "nCoreFactor": Later(neutral=(1, None), what="a factor of cores"),
    "noPilotsWhenNoActiveJobs": Later(neutral=(False, None), what="a number of pull workers by activated jobs (nQueueLimitWorker is)"),
    "uniqueName": Later(neutral=(None, ""), what="a second name of the queue"),
    "configID": Later(neutral=(None,), what="a numbered configuration"),
}

#: Map types that are known words; those without a remark are there.
MAP_TYPES: Mapping[str, str] = {
    "OneToOne": "",
    "ManyToOne": "",
    "OneToMany": "",
    "NoJob": "",
}


def later_findings(values: Mapping[str, Any]) -> Iterator[Finding]:
    """Give the attributes of a queue that ask for something which is not there yet."""
    for key, value in values.items():
        later = LATER.get(key)
        if later is not None and not any(_equal(value, neutral) for neutral in later.neutral):
            yield Finding(keys=(key,), message=f"{later.what}: not yet; leave it out (it is {shown(value)})")


def _equal(value: object, neutral: object) -> bool:
    return type(value) is type(neutral) and value == neutral  # 0 is not false here


def without_later(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a queue's values without the attributes of the table."""
    return {key: value for key, value in values.items() if key not in LATER}
