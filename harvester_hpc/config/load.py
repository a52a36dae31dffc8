"""Reading the configuration of an instance: every file, every check, every problem at once."""
from __future__ import annotations

import hashlib
import os
import pwd
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from harvester_hpc.config import extends, source
from harvester_hpc.config.demands import demand_findings, facility_warnings
from harvester_hpc.config.expand import absolute, expanded_values
from harvester_hpc.config.facility_file import REMARKS, SHELL_LINES, FacilitySettings, facility_findings, facility_of, own_members
from harvester_hpc.config.facts import fact_problems
from harvester_hpc.config.harvester_file import HarvesterFile, agent_findings, agents_of, credential_of
from harvester_hpc.config.layers import Layer, Stack, stacked
from harvester_hpc.config.locate import DEFAULT_STATE_DIR, FILE_NAME
from harvester_hpc.config.origins import origins_of
from harvester_hpc.config.problems import Finding, Keys, Problem, shown
from harvester_hpc.config.queue_file import LOG_EXPOSER
from harvester_hpc.config.queues import QueueReader
from harvester_hpc.config.remote import REMOTE, Remote, known
from harvester_hpc.config.remote_files import RemoteFile, remote_file
from harvester_hpc.config.source import Document
from harvester_hpc.config.templates import LIST, Queues
from harvester_hpc.config.validate import unsaid, validated
from harvester_hpc.config.values import Configuration, frozen
from harvester_hpc.errors import ConfigurationError
from harvester_hpc.model.facility import Facility

__all__ = ["AlsoCheck", "Configuration", "load", "tag_of", "user_name"]

#: Members of a file that are checked with what lies below them, or not at all.
WITH_OTHERS = ("facility", "queues", "extends", "$schema", LIST, REMOTE)
AlsoCheck = Callable[[Configuration], Iterable[str]]


def load(
    home: Path, environ: Mapping[str, str] = os.environ, *, also: AlsoCheck | None = None, remote: Sequence[Remote] | None = None
) -> Configuration:
    """Return the configuration of the instance in ``home``.

    Args:
        home: folder with harvester.json.
        environ: variables for ``$NAME``.
        also: one more check (the plugins' settings). It gets a configuration with the queues that are right so far,
            and its lines are reported together with the other problems.
        remote: the files that lie elsewhere; None: by their copies (one that has none is fetched).

    Raises:
        ConfigurationError: a file is no JSON, or ``problems`` lists everything that is wrong, one line each.
    """
    home = absolute(str(home), Path.cwd(), environ)
    found = known(home, environ, time.time()) if remote is None else remote
    reading = _Reading(home=home, environ=environ, remote=[remote_file(one, home, environ) for one in found])
    configuration = reading.configuration()
    lines = [str(problem) for problem in dict.fromkeys(reading.problems)]
    if configuration is not None and also is not None:
        lines += also(configuration)
    if lines:
        count = "a problem" if len(lines) == 1 else f"{len(lines)} problems"
        raise ConfigurationError(f"the configuration in {reading.home} has {count}", tuple(dict.fromkeys(lines)))
    if configuration is None:
        raise AssertionError("a configuration without problems has a facility")
    return configuration


def tag_of(instance: str, user: str, state_dir: Path) -> str:
    """Return 5 characters of [a-z0-9], always the same for the same arguments."""
    number = int.from_bytes(hashlib.sha256(f"{instance}\n{user}\n{state_dir}".encode(errors="surrogateescape")).digest(), "big")
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    return "".join(digits[number // 36**place % 36] for place in range(5))


def user_name() -> str:
    """Return the name of the account that runs us, whatever the environment says (cron says little)."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _for_all_queues(document: Document, of_queues: Mapping[str, Any]) -> list[Layer]:
    """Return what a file says of all queues outside of them."""
    said = document.values.get(LOG_EXPOSER)
    values = {**of_queues, **({} if said is None else {LOG_EXPOSER: said})}
    return [Layer(place=document.place, values=values)] if values else []


def _word(text: str) -> str:
    """Return ``text`` as a name: letters, digits, and _ . - only."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", text)


@dataclass(slots=True, kw_only=True)
class _Reading:
    """One reading of the files, and what was found so far."""

    home: Path
    environ: Mapping[str, str]
    remote: Sequence[RemoteFile] = ()
    problems: list[Problem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    origins: dict[Keys, str] = field(default_factory=dict)
    whole: bool = False  # every file that is named by an "extends" was found

    def configuration(self) -> Configuration | None:
        own = source.read(self.home / FILE_NAME)
        documents = [*(one.document for one in self.remote), own]
        self.problems.extend(problem for document in documents for problem in document.problems)
        self.warnings += [warning for one in self.remote for warning in one.warnings]
        document = next((one for one in reversed(documents) if "extends" in one.values), own)
        chain, problems = extends.chain(document, self.home, self.environ)
        self.problems.extend(problems)
        self.whole = "extends" in document.values and not any(problem.path == "extends" for problem in problems)
        outer = self._outer(documents)
        state_dir = absolute(outer.stateDir if outer else DEFAULT_STATE_DIR, self.home, self.environ)
        if chain and (parts := extends.common_part(chain[0])):
            message = f"{chain[0].file.stem!r} is only what several facilities have in common; extend one of: {', '.join(parts)}"
            self.problems.append(Problem.at(document.place.below("extends"), message))
            self.whole = False
        settings, facility = self._facility(documents, chain)
        instance = (outer.instance if outer else None) or _word(f"{user_name()}-{facility.name if facility else 'unknown'}")
        reader = QueueReader(
            home=self.home,
            environ=self.environ,
            state_dir=state_dir,
            instance=instance,
            settings=settings,
            facility=facility,
            sections_due=self.whole or facility is not None,
        )
        defaults = self._defaults(chain)
        for one in self.remote:
            defaults += _for_all_queues(one.document, one.of_queues)
        defaults += _for_all_queues(own, {})
        files = [Queues(place=one.place, values=self._member(one.document, "queues")) for one in self.remote]
        files.append(Queues(place=own.place.below("queues"), values=self._member(own, "queues")))
        usable = not self.problems  # all but the queues is right
        lister = next((one for one in reversed(documents) if LIST in one.values), own)
        queues = reader.read(files, lister, defaults)
        self.problems.extend(reader.problems)
        if outer is None or facility is None or not usable:
            return None
        return Configuration(
            home=self.home,
            state_dir=state_dir,
            instance=instance,
            tag=tag_of(instance, user_name(), state_dir),
            facility=facility,
            queues=MappingProxyType(queues),
            bigpandamon=outer.bigpandamon,
            communicator=frozen(outer.communicator.model_dump(exclude_unset=True)),
            credentials=MappingProxyType({
                name: credential_of(one, str(document.place.below("credentials", name))) for name, one in outer.credentials.items()
            }),
            agents=agents_of(outer.agents),
            warnings=tuple(dict.fromkeys([*self.warnings, *reader.warnings])),
            files=(own.file, *(file.file for file in chain)),
            remote=tuple(one.document.name for one in self.remote),
            origins=self.origins | reader.origins,
        )

    def _outer(self, documents: Sequence[Document]) -> HarvesterFile | None:
        """Return the files without their facility and queues, which are checked with what lies below them."""
        stack = stacked(
            Layer(place=one.place, values={key: value for key, value in one.values.items() if key not in WITH_OTHERS}) for one in documents
        )
        self.origins |= origins_of(stack, ())
        values, findings = expanded_values(stack.values, self.environ)
        outer, wrong = validated(HarvesterFile, values)
        findings += [*wrong, *(unsaid(agent_findings(outer.agents), wrong) if outer else ())]
        self._report(stack, findings)
        return outer

    def _facility(self, documents: Sequence[Document], chain: list[Document]) -> tuple[FacilitySettings | None, Facility | None]:
        document = documents[-1]
        layers = [Layer(place=file.place, values=own_members(file.values)) for file in reversed(chain)]
        for one in documents:
            own = self._member(one, "facility")
            if own or (not layers and one is document):
                layers.append(Layer(place=one.place.below("facility"), values=own))
        stack = stacked(layers)
        self.origins |= origins_of(stack, ("facility",))
        if not chain and "scheduler" not in stack.values:
            if not any("extends" in one.values for one in documents):
                there = ", ".join(extends.facilities(self.home))
                self.problems.append(Problem.at(document.place.below("extends"), f"is missing: which facility is this? There is: {there}"))
            return None, None
        values, findings = expanded_values(stack.values, self.environ, but={*SHELL_LINES, *REMARKS})
        settings, wrong = validated(FacilitySettings, values)
        wanted = self.whole or not chain  # else what is missing may stand in the file that was not found
        findings += [*wrong, *(unsaid(facility_findings(settings), wrong) if settings and wanted else ())]
        self._report(stack, findings)
        self.problems.extend(fact_problems(layers))
        if settings is None or not wanted:
            return None, None
        name = chain[0].file.stem if chain else settings.scheduler
        facility = facility_of(settings, default_name=_word(name), home=self.home, environ=self.environ)
        if not findings:
            self._report(stack, demand_findings(settings, facility, self.environ))
            found = facility_warnings(settings, facility, self.environ)
            self.warnings += [str(Problem.at(stack.place(finding.keys), finding.message)) for finding in found]
        # limits that could not be read limit nothing
        limits_are_right = not any(finding.keys[:1] in (("queues",), ("node",)) for finding in findings)
        return settings if limits_are_right else None, facility

    def _defaults(self, chain: list[Document]) -> list[Layer]:
        return [
            Layer(place=file.place.below("defaults"), values=self._member(file, "defaults"))
            for file in reversed(chain)
            if "defaults" in file.values
        ]

    def _member(self, document: Document, key: str) -> dict[str, Any]:
        """Return a member that must be an object; {} if it is missing, or wrong and reported."""
        value = document.values.get(key, {})
        if isinstance(value, dict):
            return value
        self.problems.append(Problem.at(document.place.below(key), f"must be an object; it is {shown(value)}"))
        return {}

    def _report(self, stack: Stack, findings: Iterable[Finding]) -> None:
        self.problems.extend(Problem.at(stack.place(finding.keys), finding.message) for finding in findings)
