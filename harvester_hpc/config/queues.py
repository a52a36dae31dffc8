"""The queues of an instance: the user's objects over the defaults of the facility, checked and frozen."""
from __future__ import annotations

import contextlib
import os
import pwd
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from harvester_hpc.config.access import KEY, Access, access_of, collisions, forbidden_root
from harvester_hpc.config.demands import kept_cache, option_demands, queue_demand_warnings
from harvester_hpc.config.expand import absolute, expanded_values
from harvester_hpc.config.facility_file import FacilitySettings
from harvester_hpc.config.later import LATER, later_findings, without_later
from harvester_hpc.config.layers import Layer, Stack, stacked
from harvester_hpc.config.limits import jobs_per_worker, queue_findings, queue_warnings
from harvester_hpc.config.origins import origins_of
from harvester_hpc.config.problems import Finding, Keys, Problem
from harvester_hpc.config.queue_file import (
    LOG_EXPOSER,
    SECTIONS,
    THROTTLER,
    QueueSettings,
    names_another_plugin,
    queue_of,
    section_findings,
)
from harvester_hpc.config.source import Document
from harvester_hpc.config.templates import COMMON, LIST, Queues, assembled
from harvester_hpc.config.validate import unsaid, validated
from harvester_hpc.config.values import QueueConfiguration, frozen
from harvester_hpc.config.written import text_of
from harvester_hpc.model.facility import Facility

# it becomes a folder, a column and a word on the command line
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@+-]{0,99}")


@dataclass(slots=True, kw_only=True)
class QueueReader:
    """Reads all queues; ``problems`` and ``warnings`` hold what was found.

    Args:
        settings, facility: None if the facility could not be read; then its limits are not checked.
        sections_due: whether a section that is missing is a problem; it is none if a file with defaults was not found.
    """

    home: Path
    environ: Mapping[str, str]
    state_dir: Path
    instance: str
    settings: FacilitySettings | None
    facility: Facility | None
    sections_due: bool
    problems: list[Problem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    origins: dict[Keys, str] = field(default_factory=dict)

    def read(self, files: Sequence[Queues], document: Document, defaults: Sequence[Layer]) -> dict[str, QueueConfiguration]:
        """Return the queues that are right, by name; the others are in ``problems``.

        Args:
            files: the queues of each file that has some, the lowest first; the last is ``document``.
            defaults: what lies below every queue, the lowest first.
        """
        found = assembled(files, document.values.get(LIST), document.place.below(LIST))
        self.problems.extend(found.problems)
        if not found.layers and not found.problems:
            self.problems.append(Problem.at(files[-1].place, 'names no queue; at least one, such as {"MY_QUEUE": {}}'))
        accesses: dict[str, Access] = {}
        right: dict[str, QueueConfiguration] = {}
        stacks: dict[str, Stack] = {}
        for name, layers in found.layers.items():
            stacks[name] = stacked([*defaults, *layers], _replaces)
            self.origins |= origins_of(stacks[name], ("queues", name))
            queue = self._queue(name, stacks[name], accesses)
            if queue is not None:
                right[name] = queue
        for name, why in collisions(accesses):
            self._report(stacks[name], [Finding(keys=KEY, message=why)])
            right.pop(name, None)
        return right

    def _queue(self, name: str, stack: Stack, accesses: dict[str, Access]) -> QueueConfiguration | None:
        values, findings = expanded_values(stack.values, self.environ)
        findings += [*_name_findings(name), *later_findings(values), *section_findings(values, due=self.sections_due)]
        settings, wrong = validated(QueueSettings, without_later(values), also_known=LATER)
        findings += wrong
        access = None if settings is None or _name_findings(name) else self._access(name, settings)
        if settings is not None:
            findings += unsaid(queue_findings(name, settings, self.settings), wrong)
            findings += [] if wrong or self.facility is None else option_demands(settings, self.facility)
        if isinstance(access, str):
            findings += unsaid([Finding(keys=KEY, message=access)], wrong)
        elif access is not None:
            accesses[name] = access
        self._report(stack, findings)
        if findings or settings is None or not isinstance(access, Access):
            return None
        unusual = [*queue_warnings(settings), *queue_demand_warnings(settings, self.facility, self.environ)] if self.facility else []
        self.warnings += [str(Problem.at(stack.place(finding.keys), finding.message)) for finding in unusual]
        queue = queue_of(
            name, settings, access.template, access.root, jobs_per_worker(settings), self._inputs_folder(settings.inputCache.folder)
        )
        beside = [key for key, said in ((LOG_EXPOSER, settings.logExposer), (THROTTLER, settings.throttler)) if said is not None]
        there = (*SECTIONS, *beside)
        return QueueConfiguration(
            queue=queue if self.facility is None else replace(queue, cache=kept_cache(queue.cache, self.facility, self.environ)),
            sections=MappingProxyType({kind: frozen(values[kind]) for kind in there}),
            where=MappingProxyType({kind: str(stack.place((kind,))) for kind in there}),
            common=frozen(values.get(COMMON) or {}),
            text=text_of(values),
        )

    def _access(self, name: str, settings: QueueSettings) -> Access | str | None:
        """Return the access points of a queue, or why they cannot be; None if that cannot be told."""
        if settings.messenger is None or self.facility is None:
            return None
        known = {"workDir": self.facility.work_dir, "queueName": name, "harvesterID": self.instance, "computingSite": name}
        access = access_of(settings.messenger.accessPoint, known, self.home, self.environ)
        if isinstance(access, str):
            return access
        return forbidden_root(access, self._folders()) or access

    def _inputs_folder(self, folder: str) -> str:
        work_dir = self.facility.work_dir if self.facility is not None else ""
        return str(absolute(folder.replace("${workDir}", work_dir), self.home, self.environ))

    def _folders(self) -> dict[str, str]:
        """Return the folders in which no access point may lie directly, by what they are."""
        folders = {"the state folder": str(self.state_dir)}
        if self.environ.get("HOME"):
            folders["your home directory"] = self.environ["HOME"]
        with contextlib.suppress(KeyError):  # an account without an entry, as in some containers
            folders["the home directory of your account"] = pwd.getpwuid(os.getuid()).pw_dir
        return folders

    def _report(self, stack: Stack, findings: Iterable[Finding]) -> None:
        self.problems.extend(Problem.at(stack.place(finding.keys), finding.message) for finding in findings)


def _name_findings(name: str) -> list[Finding]:
    if not _NAME.fullmatch(name):
        return [Finding(keys=(), message="the name of a queue has letters, digits and _ . @ + - only, and at most 100 of them")]
    return []


def _replaces(keys: Keys, below: Mapping[str, Any], above: Mapping[str, Any]) -> bool:
    return len(keys) == 1 and keys[0] in (*SECTIONS, LOG_EXPOSER, THROTTLER) and names_another_plugin(below, above)
