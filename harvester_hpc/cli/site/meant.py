"""Which facility a command is about: a site by name, that of the instance, or the one that fits this machine."""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harvester_hpc.cli.instance import Instance
from harvester_hpc.cli.site.places import all_sites, site_called
from harvester_hpc.config.locate import VARIABLE
from harvester_hpc.errors import ConfigurationError

if TYPE_CHECKING:
    from harvester_hpc.model.facility import Facility


@dataclass(frozen=True, slots=True, kw_only=True)
class Meant:
    """A facility, and what it was taken from, in words."""

    facility: Facility
    what: str


def meant_facility(instance: Instance, name: str | None) -> Meant:
    """Return the facility that is meant.

    Args:
        name: of a site or its file; None: the instance's, and without an instance the site that fits this machine.

    Raises:
        ConfigurationError: it cannot be told, or not be read.
    """
    if name:
        return _of_site(instance, name)
    try:
        home = instance.home
    except ConfigurationError:
        if instance.home_option or instance.environ.get(VARIABLE):
            raise
        return _of_site(instance, _fitting(instance))
    facility = instance.configuration().facility
    return Meant(facility=facility, what=f"the facility of {home} ({facility.name})")


def _of_site(instance: Instance, name: str) -> Meant:
    site = site_called(instance, name)
    if site.problems:
        raise ConfigurationError(f"the site file {site.file} cannot be used", tuple(map(str, site.problems)))
    return Meant(facility=site.facility, what=f"site {site.name} ({site.file})")


def _fitting(instance: Instance) -> str:
    from harvester_hpc.cli.site.detecting import clues_here, matching_sites

    found = [match for match in matching_sites(all_sites(instance), clues_here(instance.environ)) if not match.retired]
    if len(found) == 1:
        return found[0].name
    names = ", ".join(match.name for match in found)
    why = f"several fit this machine: {names}" if found else "there is no instance, and no site file fits this machine"
    raise ConfigurationError("which site is meant?", why=why, remedy="name one; see: harvester-hpc site list")
