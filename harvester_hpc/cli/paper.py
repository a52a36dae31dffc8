"""Paper: tables and JSON on standard output; drawn on a terminal, plain and whole when piped."""
from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click

from harvester_hpc.cli.log_text import harmless

#: Colour of a word of state, on a terminal.
COLOURS: Mapping[str, str] = {
    "running": "green", "finished": "blue", "failed": "red", "cancelled": "magenta", "missed": "magenta", "submitted": "cyan",
    "transferring": "yellow", "to_transfer": "yellow",
}


def on_terminal() -> bool:
    """Tell whether standard output is a terminal that can draw."""
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def write_json(value: Any) -> None:
    """Write JSON, the same on a terminal and into a pipe."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def write_table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Write a table.

    Args:
        headings: names of the columns.
        rows: shape (n, columns); numbers stand to the right, None is empty.
    """
    if on_terminal():
        _draw(headings, rows)
        return
    cells = [list(headings), *([_text(cell) for cell in row] for row in rows)]
    right = [all(isinstance(row[column], int | None) for row in rows) for column in range(len(headings))]
    widths = [max(len(row[column]) for row in cells) for column in range(len(headings))]
    for row in cells:
        padded = [cell.rjust(width) if is_right else cell.ljust(width) for cell, width, is_right in zip(row, widths, right, strict=True)]
        click.echo("  ".join(padded).rstrip())


def write_facts(facts: Mapping[str, object]) -> None:
    """Write one thing, a line each; what is empty is left out."""
    shown = {name: _text(value) for name, value in facts.items() if value not in (None, "", (), [])}
    width = max((len(name) for name in shown), default=0)
    for name, text in shown.items():
        click.echo(f"{name.ljust(width)}  {text}")


def warn(line: str) -> None:
    """Write one line to standard error; what others have said in it moves no cursor."""
    click.echo(harmless(line), err=True)


def _text(cell: object) -> str:
    """Return one line: words of a scheduler, a server or a payload may bring their own ends of line, and orders for the terminal."""
    return "" if cell is None else harmless(" ".join(str(cell).split()))


def _draw(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column, heading in enumerate(headings):
        is_number = bool(rows) and all(isinstance(row[column], int | None) for row in rows)
        table.add_column(heading, justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(_text(cell), style=COLOURS.get(str(cell), "")) for cell in row))
    Console().print(table)
