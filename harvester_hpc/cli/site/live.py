"""The batch system that is really there, asked through the surveyors that plugins bring."""
from __future__ import annotations

import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from harvester_hpc.errors import ConfigurationError, PluginMissing, Unavailable, did_you_mean
from harvester_hpc.ports.survey import Identity, Survey, Surveyor

GROUP = "harvester_hpc.surveyor"
#: Seconds in which a batch system says who it is.
IDENTIFY_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One kind of batch system whose commands are on this machine: who it is, or why it does not say."""

    scheduler: str
    identity: Identity | None = None
    silence: str = ""


def surveyors() -> Mapping[str, Surveyor]:
    """Return the surveyors of all plugins, {scheduler: surveyor}.

    Raises:
        PluginMissing: one cannot be imported.
    """
    from harvester_hpc.plugin_classes import installed

    made: dict[str, Surveyor] = {}
    for one in installed():
        if one.group == GROUP and one.name not in made:
            try:
                made[one.name] = one.load()()
            except Exception as error:  # a module may raise anything while it is imported
                why = f"{type(error).__name__}: {error}"
                raise PluginMissing(f"the surveyor {one.name!r} cannot be imported", why=why) from error
    return dict(sorted(made.items()))


def answers(within_s: float = IDENTIFY_S) -> list[Answer]:
    """Return which kinds of batch systems there are on this machine; all are asked at once.

    Args:
        within_s: seconds for the slowest.
    """
    there = {name: one for name, one in surveyors().items() if all(shutil.which(command) for command in one.commands)}
    if not there:
        return []
    with ThreadPoolExecutor(len(there), "identify") as pool:
        found = list(pool.map(lambda name: _answer(name, there[name], within_s), there))
    known = [one for one in found if one is not None]
    return sorted(known, key=lambda one: one.identity is None)


def _answer(name: str, surveyor: Surveyor, within_s: float) -> Answer | None:
    try:
        identity = surveyor.identify(within_s)
    except Unavailable as error:
        return Answer(scheduler=name, silence=error.why or error.what)
    return None if identity is None else Answer(scheduler=name, identity=identity)


def survey_of(scheduler: str, within_s: float) -> Survey:
    """Return what a batch system says of itself.

    Raises:
        ConfigurationError: no plugin can ask it.
        Unavailable: it does not answer.
    """
    known = surveyors()
    if scheduler not in known:
        what = f"no plugin can ask {scheduler!r}; there is: {', '.join(known) or 'none'}{did_you_mean(scheduler, known)}"
        raise ConfigurationError(what, remedy="see: harvester-hpc site detect")
    for command in known[scheduler].commands:
        if shutil.which(command) is None:
            what = f"there is no {scheduler} on this machine: no command '{command}'"
            raise Unavailable(what, remedy="go to a login node, or look at PATH")
    return known[scheduler].survey(within_s)


def only_scheduler(within_s: float = IDENTIFY_S) -> str:
    """Return the one batch system that answers here.

    Raises:
        ConfigurationError: there is none, or there are several.
        Unavailable: there is one, and it does not answer.
    """
    found = answers(within_s)
    there = [one.scheduler for one in found if one.identity is not None]
    if len(there) > 1:
        raise ConfigurationError(f"several batch systems answer here: {', '.join(there)}", remedy="name one with --scheduler")
    if there:
        return there[0]
    if found:
        silence = "; ".join(f"{one.scheduler}: {one.silence}" for one in found)
        raise Unavailable("the batch system of this machine does not answer", why=silence, remedy="try again when it does")
    names = ", ".join(surveyors())
    raise ConfigurationError(f"no batch system on this machine (looked for {names})", remedy="go to a login node, or load its module")
