"""From a section of the configuration to the plugin that it names."""
from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from harvester_hpc.common_settings import with_common
from harvester_hpc.errors import ConfigurationError, HarvesterError, PluginMissing
from harvester_hpc.model.facility import Facility
from harvester_hpc.model.queue import Queue
from harvester_hpc.plugin_classes import PluginClasses, installed
from harvester_hpc.plugin_kinds import (
    COMMUNICATOR,
    CORE_OWNED,
    CREDENTIAL,
    HOPS,
    LOG_EXPOSER,
    MOVERS,
    NAMING,
    NOBODY,
    OF_THE_INSTANCE,
    PORTS,
    THROTTLER,
    moves_batches,
)
from harvester_hpc.ports.communicator import Communicator
from harvester_hpc.ports.context import Commons, Context
from harvester_hpc.ports.credential import CredentialManager
from harvester_hpc.ports.plugins import InBatches, QueuePlugins
from harvester_hpc.settings import problems_of, settings_of

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

class QueueSections(Protocol):
    """What is used of ``config.values.QueueConfiguration``, and means the same here."""

    @property
    def queue(self) -> Queue: ...

    @property
    def sections(self) -> Mapping[str, Mapping[str, Any]]: ...

    @property
    def where(self) -> Mapping[str, str]: ...

    @property
    def common(self) -> Mapping[str, Any]: ...


class CredentialSection(Protocol):
    """What is used of ``config.values.CredentialConfiguration``, and means the same here."""

    @property
    def section(self) -> Mapping[str, Any]: ...

    @property
    def where(self) -> str: ...


class Configured(Protocol):
    """What is used of ``config.values.Configuration``, and means the same here."""

    @property
    def instance(self) -> str: ...

    @property
    def tag(self) -> str: ...

    @property
    def state_dir(self) -> Path: ...

    @property
    def facility(self) -> Facility: ...

    @property
    def queues(self) -> Mapping[str, QueueSections]: ...

    @property
    def communicator(self) -> Mapping[str, Any]: ...

    @property
    def credentials(self) -> Mapping[str, CredentialSection]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """All plugins of an instance; those of the queues by the queue's name."""

    communicator: Communicator
    queues: Mapping[str, QueuePlugins]
    credentials: Mapping[str, CredentialManager] = dataclasses.field(default_factory=dict)


class Registry:
    """Finds plugins, checks their settings and makes them.

    Args:
        find: gives all entry points; asked once, when the first one is wanted.
    """

    def __init__(self, find: Callable[[], Iterable[EntryPoint]] = installed) -> None:
        self._classes = PluginClasses(find)
        self._shared: list[tuple[type[Any], Any, Context, Any]] = []
        self._keepers: tuple[Configured, Mapping[str, CredentialManager]] | None = None
        self._commons = Commons()

    def names(self, kind: str) -> tuple[str, ...]:
        """Return the names of the installed plugins of a kind, in alphabetical order."""
        return self._classes.names(kind)

    def load(self, kind: str, section: Mapping[str, Any], context: Context, *, where: str) -> Any:
        """Return the plugin that ``section`` names.

        A class that says ``shared = True`` is made once for the same settings and surroundings, without a queue.
        What types cannot tell is asked of ``problems(settings, context)`` of the class and ``problems()`` of its
        Settings, where they are; each line may start with the name of a field and a colon.

        Args:
            kind: a key of PORTS.
            section: ``name`` of an entry point, or ``module`` and ``name`` of a class; its settings.
            where: ``file: path`` of the section, for messages.

        Raises:
            PluginMissing: it is not installed, not importable or not of this kind.
            ConfigurationError: its settings cannot be used; all their problems.
        """
        plugin = self._classes.of(kind, section, where)
        if getattr(plugin, "shared", False):
            context = dataclasses.replace(context, queue=None)
        with _blamed(plugin, where):
            settings = settings_of(plugin, section, NAMING | CORE_OWNED.get(kind, frozenset()), where)
            problems = tuple(problems_of(plugin, settings, context, where))
            if problems:
                raise ConfigurationError(f"{where}: cannot be used", problems)
            return self._made(plugin, settings, context)

    def plugins_for(
        self, queue: Queue, sections: Mapping[str, Mapping[str, Any]], base: Context, *, where: Mapping[str, str] | None = None
    ) -> QueuePlugins:
        """Return the plugins of a queue.

        Args:
            sections: {kind: section}, all but the communicator.
            base: the surroundings; the queue is put in.
            where: {kind: ``file: path``}; the kind alone where it says nothing.

        Raises:
            ConfigurationError: the problems of all of them together.
        """
        context = dataclasses.replace(base, queue=queue)
        problems: list[str] = []
        made: dict[str, Any] = {}
        for kind in PORTS:
            if kind not in OF_THE_INSTANCE and not _is_nobody(kind, sections):
                place = (where or {}).get(kind, f"queues.{queue.name}.{kind}")
                with _collected(problems):
                    made[kind] = self._plugin_or_hops(kind, sections.get(kind, {}), context, place)
        if problems:
            raise ConfigurationError(f"the plugins of queue {queue.name} cannot be used", tuple(problems))
        for kind, direction in (("preparator", "inward"), ("stager", "outward")):
            if isinstance(made[kind], tuple):
                made[direction], made[kind] = made[kind], InBatches()
        return QueuePlugins(queue=queue, worker_maker=made.pop("workerMaker"), log_exposer=made.pop(LOG_EXPOSER, None), **made)

    def _plugin_or_hops(self, kind: str, section: Mapping[str, Any], context: Context, where: str) -> Any:
        """Return the plugin of a section; a tuple if it moves batches, with one for each hop."""
        if HOPS not in section or kind not in MOVERS:
            plugin = self.load(kind, section, context, where=where)
            return (plugin,) if moves_batches(kind, type(plugin)) else plugin
        hops = section[HOPS]
        if len(section) > 1 or not isinstance(hops, (list, tuple)) or not hops or not all(isinstance(hop, Mapping) for hop in hops):
            line = f"{where}: with hops it has nothing else, and hops is a list of sections, one for each plugin"
            raise ConfigurationError(f"{where}: cannot be used", (line,))
        made = tuple(self.load(kind, hop, context, where=f"{where}.{HOPS}[{number}]") for number, hop in enumerate(hops))
        alone = [type(hop).__name__ for hop in made if not moves_batches(kind, type(hop))]
        if alone:
            line = f"{where}: {', '.join(alone)} moves the files of a job by itself and cannot be a hop"
            raise ConfigurationError(f"{where}: cannot be used", (line,))
        return made

    def credentials_of(self, configuration: Configured) -> Mapping[str, CredentialManager]:
        """Return who keeps the credentials, by their names; the same ones each time for one configuration.

        Raises:
            ConfigurationError: the problems of all of them together.
        """
        if self._keepers is not None and self._keepers[0] is configuration:
            return self._keepers[1]
        problems: list[str] = []
        made: dict[str, CredentialManager] = {}
        for name, one in configuration.credentials.items():
            with _collected(problems):
                made[name] = self.load(CREDENTIAL, one.section, self._surroundings(configuration), where=one.where)
        problems += _in_one_place(made, configuration)
        if problems:
            raise ConfigurationError("the credentials cannot be used", tuple(dict.fromkeys(problems)))
        self._keepers = configuration, MappingProxyType(made)
        return self._keepers[1]

    def context_of(self, configuration: Configured) -> Context:
        """Return the surroundings of the plugins of an instance, without a queue.

        Raises:
            ConfigurationError: the problems of the credentials.
        """
        return dataclasses.replace(self._surroundings(configuration), credentials=self.credentials_of(configuration))

    def communicator_of(self, configuration: Configured) -> Communicator:
        """Return the communicator alone.

        Raises:
            ConfigurationError: its problems, or those of the credentials.
        """
        made: Communicator = self.load(COMMUNICATOR, configuration.communicator, self.context_of(configuration), where=COMMUNICATOR)
        return made

    def plugins_of(self, configuration: Configured) -> Mapping[str, QueuePlugins]:
        """Return the plugins of all queues, by the queue's name.

        Raises:
            ConfigurationError: the problems of all plugins of all queues together, or those of the credentials.
        """
        context = self.context_of(configuration)
        problems: list[str] = []
        made: dict[str, QueuePlugins] = {}
        for name, queue in configuration.queues.items():
            with _collected(problems):
                sections = _with_server(self._with_common(queue), configuration.communicator)
                made[name] = self.plugins_for(queue.queue, sections, context, where=queue.where)
        if problems:
            raise ConfigurationError("the plugins cannot be used", tuple(dict.fromkeys(problems)))
        return MappingProxyType(made)

    def _with_common(self, queue: QueueSections) -> Mapping[str, Mapping[str, Any]]:
        sections = {kind: section for kind, section in queue.sections.items() if not _is_nobody(kind, queue.sections)}
        together, unknown = with_common(sections, queue.common, lambda kind, section: self._classes.of(kind, section, kind))
        if unknown:
            lines = tuple(f"queue {queue.queue.name}: common.{key}: no plugin of the queue knows it" for key in sorted(unknown))
            raise ConfigurationError("the plugins cannot be used", lines)
        return {**queue.sections, **together}

    def load_all(self, configuration: Configured) -> Loaded:
        """Return all plugins of an instance.

        Raises:
            ConfigurationError: the problems of the credentials; if they have none those of the communicator and of all plugins of all
                queues together.
        """
        keepers = self.credentials_of(configuration)
        problems: list[str] = []
        communicator: Any = None
        queues: Mapping[str, QueuePlugins] = {}
        with _collected(problems):
            communicator = self.communicator_of(configuration)
        with _collected(problems):
            queues = self.plugins_of(configuration)
        if problems:
            raise ConfigurationError("the plugins cannot be used", tuple(problems))
        return Loaded(communicator=communicator, queues=queues, credentials=keepers)

    def _surroundings(self, configuration: Configured) -> Context:
        return Context(
            instance=configuration.instance, tag=configuration.tag, state_dir=configuration.state_dir,
            facility=configuration.facility, commons=self._commons,
        )

    def _made(self, plugin: type[Any], settings: Any, context: Context) -> Any:
        if not getattr(plugin, "shared", False):
            return plugin(settings, context)
        for known, its_settings, its_context, instance in self._shared:
            if known is plugin and its_settings == settings and its_context == context:
                return instance
        instance = plugin(settings, context)
        self._shared.append((plugin, settings, context, instance))
        return instance


def _in_one_place(made: Mapping[str, CredentialManager], configuration: Configured) -> list[str]:
    """Return who would write to the file of another one."""
    first: dict[Path, str] = {}
    wrong = [(name, first.setdefault(one.path, name)) for name, one in made.items()]
    return [
        f"{configuration.credentials[name].where}: its file is that of credential {other!r}" for name, other in wrong if name != other
    ]


def _is_nobody(kind: str, sections: Mapping[str, Mapping[str, Any]]) -> bool:
    if kind == THROTTLER:
        return not sections.get(kind)
    return kind == LOG_EXPOSER and sections.get(kind, {"name": NOBODY}).get("name") == NOBODY


def _with_server(sections: Mapping[str, Mapping[str, Any]], communicator: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """Return the sections; a log exposer of the communicator's name has its settings (server, credential), unless it says otherwise."""
    own = sections.get(LOG_EXPOSER, {})
    if not own or own.get("name") != communicator.get("name") or "module" in own or "module" in communicator:
        return sections
    return {**sections, LOG_EXPOSER: {**communicator, **own}}


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


@contextmanager
def _blamed(plugin: type[Any], where: str) -> Iterator[None]:
    """Turn whatever a plugin raises while it is checked and made into an error that says whose it is."""
    try:
        yield
    except HarvesterError:
        raise
    except Exception as error:  # other people's code
        line = f"{where}: {plugin.__module__}.{plugin.__qualname__} raised {_said(error)}"
        raise ConfigurationError("a plugin cannot be made", (line,)) from error


@contextmanager
def _collected(problems: list[str]) -> Iterator[None]:
    try:
        yield
    except ConfigurationError as error:
        problems.extend(error.problems or (str(error),))
    except PluginMissing as error:
        problems.append(str(error))
