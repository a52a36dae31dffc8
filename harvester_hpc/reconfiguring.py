"""The configuration while the instance runs: which of it is in use, what takes effect at once, what was before."""
from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from harvester_hpc.agents.cacher import refuse
from harvester_hpc.agents.generations import Generations, together
from harvester_hpc.agents.roster import Roster
from harvester_hpc.config.differences import Difference, Effect, differences
from harvester_hpc.config.earlier import earlier_queue, retired
from harvester_hpc.config.reading import Reading, read
from harvester_hpc.config.remote import keep
from harvester_hpc.config.show import show
from harvester_hpc.config.values import Configuration, QueueConfiguration
from harvester_hpc.errors import ConfigurationError, PluginMissing
from harvester_hpc.model.turn import AGENTS
from harvester_hpc.ports.plugins import QueuePlugins
from harvester_hpc.registry import Registry
from harvester_hpc.store import configuration as store
from harvester_hpc.store.configuration import Version
from harvester_hpc.store.database import Database

log = logging.getLogger(__name__)


class Reconfiguring:
    """Keeps the queues of a running instance as the configuration says.

    Attributes:
        queues: what the agents look at.
    """

    def __init__(
        self, running: Configuration, plugins: Mapping[str, QueuePlugins], registry: Registry, database: Database,
        environ: Mapping[str, str], reached: Callable[[str], None],
    ) -> None:
        self.queues = Roster(plugins)
        self._running = running  # its queues are those in use now, all else is as at the start
        self._newest = running
        self._plugins = dict(plugins)
        self._registry = registry
        self._database = database
        self._environ = environ
        self._reached = reached

    def begin(self, reading: Reading | None) -> None:
        """Keep what the instance starts with, and bring back what workers under way were made with."""
        if reading is not None:
            self._keep(reading)
        before = self._last()
        for one in differences(before, show(self._running)) if before else ():
            log.info("configuration since the last start: %s", one)
        self._use("started")

    def again(self) -> int:
        """Read everything again, and let take effect what can; return how many queues have changed.

        Raises:
            Unavailable: the newest configuration cannot be had or used; what could be done without it is done.
        """
        made: dict[str, QueuePlugins] = {}

        def problems(configuration: Configuration) -> Iterable[str]:
            made.clear()
            try:
                made.update(self._made(configuration))
            except (ConfigurationError, PluginMissing) as error:
                return getattr(error, "problems", ()) or (str(error),)
            return ()

        try:
            reading = read(self._running.home, self._environ, self._database.clock.now(), problems, again=True)
        except ConfigurationError as error:
            raise refuse(str(error)) from error
        self._keep(reading)
        self._reached("configuration kept, not used")
        changed = self._take(reading.configuration, made)
        if reading.trouble:
            raise refuse(reading.trouble)
        return changed

    # -- what changes ----------------------------------------------------------------------------

    def _made(self, configuration: Configuration) -> Mapping[str, QueuePlugins]:
        """Make the plugins of queues that are new or other than those in use."""
        changed = {name: queue for name, queue in configuration.queues.items() if self._is_other(name, queue)}
        return self._registry.plugins_of(dataclasses.replace(self._running, queues=changed)) if changed else {}

    def _is_other(self, name: str, queue: QueueConfiguration) -> bool:
        known = self._running.queues.get(name)
        return known is None or (known.queue, known.sections, known.common) != (queue.queue, queue.sections, queue.common)

    def _take(self, configuration: Configuration, made: Mapping[str, QueuePlugins]) -> int:
        found = differences(show(self._newest), show(configuration))
        for one in found:
            log.log(logging.WARNING if one.effect is Effect.AT_RESTART else logging.INFO, "configuration changed: %s", one)
        self._newest = configuration
        late = _waits_for_restart(differences(show(self._running), show(configuration))) & set(self._running.queues)
        gone = [name for name in self._running.queues if name not in configuration.queues]
        changed = [name for name in made if name not in late]
        if not changed and not gone:
            return 0
        queues = {**{name: queue for name, queue in self._running.queues.items() if name not in gone}}
        queues |= {name: configuration.queues[name] for name in changed}
        self._running = dataclasses.replace(self._running, queues=queues)
        self._plugins |= {name: made[name] for name in changed}
        for name in gone:
            log.info("not configured any more, what is under way goes on to its end queue=%s", name)
        self._use("changed")
        return len(changed) + len(gone)

    # -- what is in use ----------------------------------------------------------------------------

    def _keep(self, reading: Reading) -> None:
        try:
            keep(reading.folder, reading.fresh)
        except OSError as error:
            raise refuse(f"its copy cannot be kept in {reading.folder}: {error}") from error

    def _last(self) -> Mapping[str, Any]:
        with self._database.read() as connection:
            last = store.last_applied(connection)
        found: Mapping[str, Any] = json.loads(last.content) if last else {}
        return found

    def _use(self, how: str) -> None:
        """Make new jobs and workers with what is configured now, and look after the others with what they were made with."""
        texts = {name: queue.text for name, queue in self._running.queues.items()}
        with self._database.write() as write:
            numbers = store.use(write, texts)
            store.applied(write, how, json.dumps(show(self._running)))
            for agent in AGENTS:
                write.ring(agent)
        with self._database.read() as connection:
            versions = [one for one in store.under_way(connection) if one.number not in numbers.values()]
        older: dict[str, dict[int, QueuePlugins]] = {}
        for one in versions:
            plugins = self._of_version(one)
            if plugins is not None:
                older.setdefault(one.queue, {})[one.number] = plugins
        served = {name: self._plugins[name] for name in self._running.queues}
        gone = {name: plugins for name, plugins in self._plugins.items() if name not in served}
        gone = {name: list(some.values())[-1] for name, some in older.items() if name not in served} | gone
        served |= {name: dataclasses.replace(plugins, queue=retired(plugins.queue)) for name, plugins in gone.items()}
        self.queues.put({name: self._with_older(plugins, older.get(name, {})) for name, plugins in served.items()})

    def _with_older(self, plugins: QueuePlugins, older: Mapping[int, QueuePlugins]) -> QueuePlugins:
        return together(Generations(current=plugins, older=older, database=self._database)) if older else plugins

    def _of_version(self, version: Version) -> QueuePlugins | None:
        """Return the plugins of an older version; None if they are those of now, or cannot be made any more."""
        try:
            queue = earlier_queue(version.queue, version.number, version.content, self._running, self._environ)
            now = self._running.queues.get(version.queue)
            if now is not None and (now.sections, now.common) == (queue.sections, queue.common):
                return None
            return self._registry.plugins_of(dataclasses.replace(self._running, queues={version.queue: queue}))[version.queue]
        except (ConfigurationError, PluginMissing) as error:
            log.error(
                "workers made with version=%d of queue=%s are looked after with the configuration of now, if there is one why=%s",
                version.number, version.queue, error,
            )
            return None


def _waits_for_restart(found: Iterable[Difference]) -> set[str]:
    """Return the queues of which something counts at a restart only: nothing of them changes before."""
    return {one.keys[1] for one in found if one.effect is Effect.AT_RESTART and one.keys[0] == "queues" and len(one.keys) > 1}
