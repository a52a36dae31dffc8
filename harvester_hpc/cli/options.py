"""Options that several commands share."""
from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

import click

from harvester_hpc.cli.times import seconds_of
from harvester_hpc.errors import did_you_mean

if TYPE_CHECKING:
    from harvester_hpc.store.look import Wanted

Function = TypeVar("Function", bound=Callable[..., Any])

as_json = click.option("--json", "as_json", is_flag=True, help="Write JSON; times in UTC.")
yes = click.option("-y", "--yes", is_flag=True, help="Do not ask.")

ALIASES = {"ls": "list", "info": "show", "cat": "show"}


class Noun(click.Group):
    """A noun with verbs: ``jobs`` is ``jobs list``, ``jobs 17`` is ``jobs show 17``, ``ls`` is ``list``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the verb in that was left out."""
        first = args[0] if args else ""
        if first.isdigit():
            args = ["show", *args]
        elif not args or (first.startswith("-") and first not in ("-h", "--help")):
            args = ["list", *args]
        return super().parse_args(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the verb, by name or alias."""
        return super().get_command(ctx, ALIASES.get(cmd_name, cmd_name))

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb; an unknown one is answered with the nearest."""
        if self.get_command(ctx, args[0]) is None:
            raise click.UsageError(f"no verb {args[0]!r}{did_you_mean(args[0], [*self.commands, *ALIASES])}", ctx)
        return super().resolve_command(ctx, args)


def filters(function: Function) -> Function:
    """Add the filters of a list: state, queue, age, limit, all."""
    for option in (
        click.option("--limit", type=click.IntRange(min=0), default=100, show_default=True, help="Rows at most; 0 for all."),
        click.option("--since", type=seconds_of, default=None, metavar="SPAN", help="Changed within a span of time, such as 30m, 2h, 1d."),
        click.option("-q", "--queue", default=None, help="Of one PanDA queue."),
        click.option("-a", "--all", "everything", is_flag=True, help="Those that ended too."),
        click.option("-s", "--state", "states", multiple=True, help="In a state; may be given several times, or as a,b."),
    ):
        function = option(function)
    return function


def wanted(
    kind: type[StrEnum], final: Iterable[str], *, states: tuple[str, ...], everything: bool, queue: str | None, since: float | None,
    limit: int, now: float,
) -> Wanted:
    """Return the rows that the filters ask for: active ones unless states are named or ``everything`` is.

    Raises:
        UsageError: a state that there is not.
    """
    from harvester_hpc.store.look import Wanted

    known = [str(state) for state in kind]
    asked = tuple(word.strip() for one in states for word in one.split(",") if word.strip())
    for word in asked:
        if word not in known:
            raise click.UsageError(f"no state {word!r}{did_you_mean(word, known)}; there is: {', '.join(known)}")
    ended = set(final)
    active = tuple(state for state in known if state not in ended)
    return Wanted(
        states=asked or (tuple(known) if everything else active), queue=queue,
        since=0.0 if since is None else now - since, limit=limit or None,
    )
