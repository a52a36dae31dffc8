"""One site file by itself, without an instance: what it says, what is wrong with it, and where its facts come from."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harvester_hpc.config import extends
from harvester_hpc.config.expand import expanded_values
from harvester_hpc.config.facility_file import REMARKS, SHELL_LINES, FacilitySettings, facility_findings, facility_of, own_members
from harvester_hpc.config.facts import Facts, fact_problems, facts_of
from harvester_hpc.config.layers import Layer, stacked
from harvester_hpc.config.problems import Problem
from harvester_hpc.config.source import Document
from harvester_hpc.config.validate import unsaid, validated
from harvester_hpc.errors import ConfigurationError, did_you_mean
from harvester_hpc.model.facility import Facility


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A site file with what it extends.

    Attributes:
        name: under which ``extends`` names it.
        file: the file itself; ``files`` are those it extends too, the nearest first.
        values: its members as written, those of the files below it included.
        settings, facility: what it says; a work folder in it is relative to the file's folder.
        facts: where it comes from.
        common_part_of: sites that this one is the common part of; it is no site itself then.
        problems: what is wrong with it.
    """

    name: str
    file: Path
    files: tuple[Path, ...]
    values: Mapping[str, Any]
    settings: FacilitySettings
    facility: Facility
    facts: Facts
    common_part_of: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


def site_named(name: str, home: Path, environ: Mapping[str, str]) -> Site:
    """Return the site of that name, or in the file of that path.

    Args:
        home: whose ``site_configs`` folder comes first; any folder where there is no instance.

    Raises:
        ConfigurationError: there is no such file, it cannot be read, or nothing of it can be used.
    """
    asking = Document(file=home / "site", values={"extends": name})
    files, troubles = extends.chain(asking, home, environ)
    if not files:
        there = extends.facilities(home)
        why = troubles[0].message if troubles else f"there is: {', '.join(there)}{did_you_mean(name, there)}"
        raise ConfigurationError(f"no site {name!r}", why=why, remedy="see: harvester-hpc site list")
    problems = [*troubles, *(problem for file in files for problem in file.problems)]
    return _site(files, problems, environ)


def _site(files: list[Document], problems: list[Problem], environ: Mapping[str, str]) -> Site:
    first = files[0]
    layers = [Layer(place=file.place, values=own_members(file.values)) for file in reversed(files)]
    stack = stacked(layers)
    # what is told about another machine may name variables that are not set here
    values, _ = expanded_values(stack.values, environ, but={*SHELL_LINES, *REMARKS})
    settings, wrong = validated(FacilitySettings, values)
    if settings is None:
        lines = tuple(str(Problem.at(stack.place(finding.keys), finding.message)) for finding in wrong)
        raise ConfigurationError(f"the site file {first.file} cannot be used", lines)
    parts = extends.common_part(first)
    found = [*wrong, *(finding for finding in unsaid(facility_findings(settings), wrong) if not (parts and finding.keys == ("queues",)))]
    problems += [Problem.at(stack.place(finding.keys), finding.message) for finding in found]
    problems += fact_problems(layers)
    facility = facility_of(settings, default_name=first.file.stem, home=first.file.parent, environ=environ)
    return Site(
        name=first.file.stem, file=first.file, files=tuple(file.file for file in files), values=stack.values, settings=settings,
        facility=facility, facts=facts_of(layers, stack), common_part_of=parts, problems=tuple(dict.fromkeys(problems)),
    )
