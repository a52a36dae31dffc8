"""Which facility files a configuration stands on."""
from __future__ import annotations

import site
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from harvester_hpc.config import source
from harvester_hpc.config.expand import absolute, expanded
from harvester_hpc.config.problems import Problem
from harvester_hpc.config.source import Document
from harvester_hpc.errors import ConfigurationError, did_you_mean


def site_folders(home: Path) -> tuple[Path, ...]:
    """Return where facility files are looked for, the nearest first: the instance's, the user's, a checkout's, the installed ones."""
    checkout = Path(__file__).resolve().parents[2] / "site_configs"
    installed = (Path(prefix) / "share" / "harvester_hpc" / "site_configs" for prefix in (sys.prefix, site.getuserbase()))
    return tuple(dict.fromkeys((home / "site_configs", own_folder(), checkout, *installed)))


def own_folder() -> Path:
    """Return where the user keeps facility files for all of his instances."""
    return Path("~/.harvester_hpc/site_configs").expanduser()


def facilities(home: Path) -> tuple[str, ...]:
    """Return the names of all facilities that ``extends`` may name, in alphabetical order; common parts of several are none."""
    nearest: dict[str, Path] = {}
    for folder in site_folders(home):
        for file in folder.glob("*.json"):
            nearest.setdefault(file.stem, file)
    return tuple(sorted(name for name, file in nearest.items() if not _common_part(file)))


def common_part(document: Document) -> tuple[str, ...]:
    """Return the sites that a file is only the common part of; empty if it is a site itself."""
    said = document.values.get("commonPartOf")
    return tuple(str(name) for name in said) if isinstance(said, list) else ()


def _common_part(file: Path) -> bool:
    try:
        return bool(common_part(source.read(file)))
    except ConfigurationError:  # who names it hears why
        return False


def chain(document: Document, home: Path, environ: Mapping[str, str]) -> tuple[list[Document], list[Problem]]:
    """Return the facility files that ``document`` extends, the nearest first, and what is wrong with the chain.

    Raises:
        ConfigurationError: one of them cannot be read.
    """
    files: list[Document] = []
    problems: list[Problem] = []
    while document.values.get("extends") is not None:
        file = _file_of(document, home, environ)
        if isinstance(file, str):
            problems.append(Problem.at(document.place.below("extends"), file))
            break
        known = [each.file.resolve() for each in files]
        if file.resolve() in known:
            way = " -> ".join(each.stem for each in [*known[known.index(file.resolve()):], file.resolve()])
            problems.append(Problem.at(document.place.below("extends"), f"goes round in a circle: {way}"))
            break
        document = source.read(file)
        files.append(document)
        problems.extend(document.problems)
    return files, problems


def _file_of(document: Document, home: Path, environ: Mapping[str, str]) -> Path | str:
    """Return the file that ``document`` extends, or why there is none."""
    said = document.values["extends"]
    if not isinstance(said, str) or not said or "\0" in said:
        return "must be the name of a facility or the path of its file"
    text, troubles = expanded(said, environ)
    if troubles:
        return troubles[0]
    for file in _candidates(text, document, home, environ):
        if _is_file(file):
            return file
    if _is_path(text):
        return f"there is no file {absolute(text, document.file.parent, environ)}"
    there = facilities(home)
    return f"no facility {text!r}; there is: {', '.join(there)}{did_you_mean(text, there)}"


def _is_path(text: str) -> bool:
    return "/" in text or text.endswith(".json")


def _candidates(text: str, document: Document, home: Path, environ: Mapping[str, str]) -> Iterator[Path]:
    if _is_path(text):
        yield absolute(text, document.file.parent, environ)
        return
    for folder in site_folders(home):
        yield folder / f"{text}.json"


def _is_file(file: Path) -> bool:
    try:
        return file.is_file()
    except OSError:  # a name that no file can have
        return False
