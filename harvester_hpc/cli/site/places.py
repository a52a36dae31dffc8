"""The site files that there are, and which one is meant."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harvester_hpc.cli.instance import Instance
from harvester_hpc.config.locate import VARIABLE
from harvester_hpc.errors import ConfigurationError

if TYPE_CHECKING:
    from harvester_hpc.config.site_file import Site


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A site file, or why it cannot be read; ``hides`` are others of its name that come after it."""

    name: str
    file: Path
    owner: str
    site: Site | None = None
    trouble: str = ""
    hides: tuple[Path, ...] = ()


def site_home(instance: Instance) -> Path:
    """Return the folder whose ``site_configs`` comes first: that of the instance, or one that was named and is to become one.

    Where nothing was named, and there is no instance, it is the user's own.
    """
    from harvester_hpc.config.extends import own_folder

    named = instance.home_option or instance.environ.get(VARIABLE)
    try:
        return instance.home
    except ConfigurationError:
        return Path(named).absolute() if named else own_folder().parent


def all_sites(instance: Instance, home: Path | None = None) -> Iterator[Found]:
    """Give every site by its name; of several files of one name the nearest is taken.

    Args:
        home: folder whose ``site_configs`` comes first; by default ``site_home``.
    """
    from harvester_hpc.config.extends import own_folder, site_folders

    home = home or site_home(instance)
    files: dict[str, list[Path]] = {}
    for folder in site_folders(home):
        for file in sorted(folder.glob("*.json")):
            known = files.setdefault(file.stem, [])
            if not any(_same(file, other) for other in known):
                known.append(file)
    owners = {home / "site_configs": "the instance's", own_folder(): "yours"}
    for name in sorted(files):
        file, *others = files[name]
        site, trouble = _read(file, instance, home)
        owner = owners.get(file.parent, "shipped")
        yield Found(name=name, file=file, owner=owner, site=site, trouble=trouble, hides=tuple(others))


def site_called(instance: Instance, name: str) -> Site:
    """Return the site of a name, or in the file of a path.

    Raises:
        ConfigurationError: there is none, or nothing of it can be used.
    """
    from harvester_hpc.config.site_file import site_named

    return site_named(str(Path(name).absolute()) if "/" in name or name.endswith(".json") else name, site_home(instance), instance.environ)


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other) or one.read_bytes() == other.read_bytes()
    except OSError:
        return False


def _read(file: Path, instance: Instance, home: Path) -> tuple[Site | None, str]:
    from harvester_hpc.config.site_file import site_named

    try:
        return site_named(str(file), home, instance.environ), ""
    except ConfigurationError as error:
        return None, error.problems[0] if error.problems else str(error)
