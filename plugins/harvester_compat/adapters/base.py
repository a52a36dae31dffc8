"""What all adapters have in common: a new plugin for each call, its section, its surroundings, and its memory."""
from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, ClassVar

from harvester_compat.api.db_interface import DBInterface
from harvester_compat.api.surroundings import harvester_config
from harvester_compat.memory import Memory
from harvester_compat.settings import AnySettings
from harvester_hpc.model.queue import Queue
from harvester_hpc.ports.context import Context

log = logging.getLogger(__name__)


class Adapted:
    """A plugin of the published interface, as one of ours. Derived for each class that is found.

    Attributes:
        kind: key of the section.
        published: the class that is run.
    """

    Settings: ClassVar[type[Any]] = AnySettings
    kind: ClassVar[str]
    published: ClassVar[type[Any]]

    def __init__(self, settings: AnySettings, context: Context) -> None:
        """Keep what was given; the plugin is made when it is called."""
        self._settings, self._context = settings, context
        self._memory = Memory(context.state_dir / "compat" / f"{self.kind}-{self.queue.name}.db")
        harvester_config.master.harvester_id = context.instance

    @property
    def queue(self) -> Queue:
        """The queue that it serves."""
        return self._context.queue or Queue(name="")

    @property
    def name(self) -> str:
        """Name of the published class, for messages."""
        return self.published.__name__

    def plugin(self) -> Any:
        """Return a plugin made anew, as the existing Harvester makes one for each round."""
        given = {"queueName": self.queue.name, "siteName": self.queue.site or self.queue.name, **self._settings.arguments()}
        return self.published(dbInterface=DBInterface(), **given)

    def call(self, plugin: Any, names: tuple[str, ...], *arguments: Any) -> Any:
        """Return the answer of the first method that the plugin has; what it raises passes.

        Args:
            names: spellings of one method: of the existing code, and of the published pages.
        """
        return method_of(plugin, names)(*arguments)

    def raised(self, error: Exception, what: str) -> str:
        """Log what a plugin has raised; return it in words."""
        log.error("a plugin of the published interface has raised plugin=%s what=%s", self.name, what, exc_info=error)
        return f"{self.name} has raised {type(error).__name__}: {error}"


def method_of(plugin: Any, names: tuple[str, ...]) -> Callable[..., Any]:
    """Return the first method of these names.

    Raises:
        AttributeError: it has none of them.
    """
    for name in names:
        if callable(found := getattr(plugin, name, None)):
            return found  # type: ignore[no-any-return]
    raise AttributeError(f"{type(plugin).__name__} has no {names[0]}")


def has_all(plugin: type[Any], methods: tuple[tuple[str, ...], ...]) -> bool:
    """Tell whether a class has one spelling of each method."""
    return all(any(callable(getattr(plugin, name, None)) for name in names) for names in methods)
