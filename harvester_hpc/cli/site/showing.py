"""``site show``: one site file, with where each of its facts comes from."""
from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from harvester_hpc.cli import options
from harvester_hpc.cli.exits import Exit
from harvester_hpc.cli.instance import Instance
from harvester_hpc.cli.paper import warn, write_facts, write_json, write_table
from harvester_hpc.cli.site.places import site_called

if TYPE_CHECKING:
    from harvester_hpc.config.facts import Fact
    from harvester_hpc.config.site_file import Site

#: What is told in the head.
HEAD = frozenset({"name", "title", "retired"})


@click.command("show")
@click.argument("name", metavar="NAME|FILE")
@options.as_json
@click.pass_obj
def show_site(instance: Instance, name: str, as_json: bool) -> int:
    """Show a site file with all that it extends: every value, who says it, when it was checked; recalled ones are marked."""
    site = site_called(instance, name)
    if as_json:
        write_json(_as_json(site))
        return Exit.DONE
    settings = site.settings
    write_facts({
        "site": site.name, "what": settings.title, "retired since": settings.retired, "checked": settings.checked,
        "files": " ".join(map(str, site.files)),
    })
    told = [(path, value, fact) for path, value, fact in site.facts.told() if path.split(".")[0] not in HEAD]
    click.echo()
    sources = list(dict.fromkeys(_source(fact) for _, _, fact in told if fact is not None and fact.by != "recalled"))
    write_table(("WHERE", "VALUE", "?", "SOURCE", "NOTE"), [_row(path, value, fact, sources) for path, value, fact in told])
    click.echo()
    for number, source in enumerate(sources, 1):
        click.echo(f"[{number}] {source}")
    _footnotes(site, [fact for _, _, fact in told if fact is not None])
    return Exit.DONE


def _row(path: str, value: Any, fact: Fact | None, sources: Sequence[str]) -> tuple[str, str, str, str, str]:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if fact is None:
        return path, text, "", "", ""
    if fact.by == "recalled":
        return path, text, "?", "recalled, not checked", fact.note
    return path, text, "", f"[{sources.index(_source(fact)) + 1}]", fact.note


def _source(fact: Fact) -> str:
    from harvester_hpc.config.facts import BY

    documents = "; ".join(fact.documents)
    return f"{BY[fact.by]}: {documents}{f', checked {fact.checked}' if fact.checked else ''}"


def _footnotes(site: Site, facts: list[Fact]) -> None:
    for note in site.settings.notes:
        click.echo(f"note: {note}")
    recalled = sum(fact.by == "recalled" for fact in facts)
    if recalled:
        click.echo(f"{recalled} value(s) with ? are recalled, and nobody has checked them: harvester-hpc site check {site.name}")
    for problem in site.problems:
        warn(f"problem: {problem}")


def _as_json(site: Site) -> dict[str, Any]:
    return {
        "name": site.name, "file": str(site.file), "files": [str(file) for file in site.files], "title": site.settings.title,
        "retired": site.settings.retired or None, "checked": site.settings.checked or None,
        "values": list(_values(site)), "notes": list(site.settings.notes), "problems": [str(problem) for problem in site.problems],
    }


def _values(site: Site) -> Iterator[dict[str, Any]]:
    for path, value, fact in site.facts.told():
        said = None
        if fact is not None:
            said = {
                "by": fact.by, "documents": list(fact.documents), "checked": fact.checked or None, "note": fact.note,
                "recalled": fact.by == "recalled",
            }
        yield {"path": path, "value": value, "fact": said}
