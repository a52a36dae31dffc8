"""Where an instance lives: its home folder and its state folder. Read by every command, so it is quick."""
from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from harvester_hpc.config import source
from harvester_hpc.config.expand import absolute, expanded
from harvester_hpc.config.problems import Place, Problem
from harvester_hpc.errors import ConfigurationError

#: The user's file in the home folder of an instance.
FILE_NAME = "harvester.json"
VARIABLE = "HARVESTER_HPC_HOME"
DEFAULT_STATE_DIR = "state"

_REMEDY = "make one with: harvester-hpc init DIR"


def find_home(option: str | None, environ: Mapping[str, str], *, start: Path | None = None) -> Path:
    """Return the absolute home folder of the instance that is meant.

    The first that is there of: ``--home``, $HARVESTER_HPC_HOME, the current folder or the nearest folder above it
    with a harvester.json, ~/.harvester_hpc. What was named (the first two) is not passed over if it is not there.

    Args:
        option: what --home says; None if it was not given.
        start: the folder to look upwards from; the current one if None.

    Raises:
        ConfigurationError: there is no instance there.
    """
    here = start or Path.cwd()
    if option is not None:
        return _named(absolute(option, here, environ), "--home")
    if environ.get(VARIABLE):
        return _named(absolute(environ[VARIABLE], here, environ), f"${VARIABLE}")
    fallback = absolute("~/.harvester_hpc", here, environ)
    for folder in (here, *here.parents, fallback):
        if (folder / FILE_NAME).is_file():
            return folder
    raise ConfigurationError(
        f"there is no {FILE_NAME} in {here}, above it, or in {fallback}", remedy=f"name one with --home or ${VARIABLE}, or {_REMEDY}"
    )


def _named(folder: Path, by: str) -> Path:
    if (folder / FILE_NAME).is_file():
        return folder
    raise ConfigurationError(f"there is no {FILE_NAME} in {folder}, which {by} names", remedy=_REMEDY)


def state_dir(home: Path, environ: Mapping[str, str] | None = None) -> Path:
    """Return the absolute folder of the instance's own files (``stateDir``), without checking anything else.

    Raises:
        ConfigurationError: harvester.json cannot be read, or its stateDir cannot be used.
    """
    from os import environ as surroundings

    document = source.read(home / FILE_NAME)
    text = document.values.get("stateDir", DEFAULT_STATE_DIR)
    place = Place(file=str(document.file), keys=("stateDir",))
    if not isinstance(text, str) or not text:
        raise _unusable(place, "must be the name of a folder")
    folder, troubles = expanded(text, surroundings if environ is None else environ)
    if troubles:
        raise _unusable(place, troubles[0])
    return absolute(folder, home, surroundings if environ is None else environ)


def _unusable(place: Place, message: str) -> ConfigurationError:
    return ConfigurationError("the state folder is unknown", (str(Problem.at(place, message)),))
