"""The base of the specs: a fixed set of attributes, and which of them were changed."""
from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar


class SpecBase:
    """Attributes are those of ``attributesWithTypes`` (``name:type``), None at first; setting any other raises AttributeError.

    Source: existing Harvester, spec_base: plugins rely on the AttributeError in hasattr and try.
    """

    attributesWithTypes: ClassVar[tuple[str, ...]] = ()
    zeroAttrs: ClassVar[tuple[str, ...]] = ()
    skipAttrsToSlim: ClassVar[tuple[str, ...]] = ()
    #: Attributes that a plugin finds and that no table has.
    beside: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        for name in self.names():
            object.__setattr__(self, name, 0 if name in self.zeroAttrs else None)
        object.__setattr__(self, "changedAttrs", {})

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Return the names of the attributes that have a column."""
        return tuple(one.partition(":")[0] for one in cls.attributesWithTypes)

    if TYPE_CHECKING:  # for type checkers only: what is not there raises AttributeError

        def __getattr__(self, name: str) -> Any: ...

    def __setattr__(self, name: str, value: Any) -> None:
        before = getattr(self, name)  # AttributeError for what is not there
        object.__setattr__(self, name, value)
        if name in self.names() and (isinstance(value, dict | list) or (before is not value and before != value)):
            self.changedAttrs[name] = value

    def force_update(self, name: str) -> None:
        """Mark an attribute as changed."""
        if name in self.names():
            self.changedAttrs[name] = getattr(self, name)

    def force_not_update(self, name: str) -> None:
        """Mark an attribute as not changed."""
        self.changedAttrs.pop(name, None)

    def reset_changed_list(self) -> None:
        """Forget what was changed."""
        object.__setattr__(self, "changedAttrs", {})

    def has_updated_attributes(self) -> bool:
        """Tell whether anything was changed."""
        return bool(self.changedAttrs)

    def values_map(self, only_changed: bool = False) -> dict[str, Any]:
        """Return {``:name``: value} of all attributes, or of those that were changed."""
        names = self.changedAttrs if only_changed else self.names()
        return {f":{name}": getattr(self, name) for name in names}

    def values_list(self) -> list[Any]:
        """Return the values of all attributes in their order."""
        return [getattr(self, name) for name in self.names()]

    @classmethod
    def column_names(cls, prefix: str | None = None, slim: bool = False) -> str:
        """Return the names of all attributes, with commas between them."""
        names = [name for name in cls.names() if not slim or name not in cls.skipAttrsToSlim]
        return ",".join(name if prefix is None else f"{prefix}.{name}" for name in names)

    def pack(self, values: Mapping[str, Any]) -> None:
        """Take the values of attributes that there are; they do not count as changed."""
        for name in self.names():
            if name in values:
                object.__setattr__(self, name, values[name])

    # Pickle and copy go by these; a permissive one would break them.
    def __getstate__(self) -> dict[str, Any]:
        return dict(self.__dict__)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
