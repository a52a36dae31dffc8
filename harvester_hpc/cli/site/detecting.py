"""``site detect``: where are we, and which site file fits."""
from __future__ import annotations

import socket
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import click

from harvester_hpc.cli import options
from harvester_hpc.cli.exits import Exit
from harvester_hpc.cli.instance import Instance
from harvester_hpc.cli.paper import write_facts, write_json
from harvester_hpc.cli.site.live import IDENTIFY_S, Answer, answers
from harvester_hpc.cli.site.places import Found, all_sites, site_home
from harvester_hpc.model.surroundings import Detection

#: Variables by which centres name their machines; told, beside those that a site file asks for.
TELLING = ("NERSC_HOST", "LMOD_SYSTEM_NAME")
NAME_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Clues:
    """What this machine says of itself."""

    hosts: tuple[str, ...]
    environment: Mapping[str, str]
    systems: Sequence[Answer]

    @property
    def clusters(self) -> dict[str, str]:
        """Names of the batch systems that answer, {cluster: scheduler}."""
        return {one.identity.cluster: one.scheduler for one in self.systems if one.identity and one.identity.cluster}


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A site file that fits, and why."""

    name: str
    reasons: tuple[str, ...]
    retired: bool = False


@click.command("detect")
@click.option(
    "--timeout", type=click.FloatRange(min=0.1), default=IDENTIFY_S, show_default=True, help="Seconds for a batch system to answer."
)
@options.as_json
@click.pass_obj
def detect_site(instance: Instance, timeout: float, as_json: bool) -> int:
    """Tell where we are by host name, environment and batch system, and which site file fits."""
    clues = clues_here(instance.environ, timeout)
    sites = list(all_sites(instance))
    matches = matching_sites(sites, clues)
    fallback, why = fallback_site(clues, site_home(instance))
    said = _telling(sites, clues)
    if as_json:
        write_json({
            "hosts": list(clues.hosts), "environment": said,
            "batch_systems": [_system_json(one) for one in clues.systems],
            "sites": [{"name": one.name, "reasons": list(one.reasons), "retired": one.retired} for one in matches],
            "otherwise": {"name": fallback, "why": why},
        })
        return Exit.DONE
    write_facts({
        "host": ", ".join(clues.hosts), "environment": " ".join(f"{name}={value}" for name, value in said.items()),
        "batch system": "; ".join(_system_text(one) for one in clues.systems) or "none: no commands of one on PATH",
    })
    for line in _advice(matches, fallback, why, clues):
        click.echo(line)
    return Exit.DONE


def clues_here(environ: Mapping[str, str], within_s: float = IDENTIFY_S) -> Clues:
    """Return what this machine says of itself; takes no longer than the batch system may take to answer."""
    return Clues(hosts=_host_names(), environment=environ, systems=answers(within_s))


def matching_sites(sites: Iterable[Found], clues: Clues) -> list[Match]:
    """Return the sites whose ``detect`` fits, those with more reasons first, retired ones last."""
    found: list[Match] = []
    for one in sites:
        if one.site is None or one.site.common_part_of:
            continue
        reasons = tuple(_reasons(one.site.facility.detection, one.site.facility.scheduler, clues))
        if reasons:
            found.append(Match(name=one.name, reasons=reasons, retired=bool(one.site.settings.retired)))
    return sorted(found, key=lambda match: (match.retired, -len(match.reasons), match.name))


def _telling(sites: Iterable[Found], clues: Clues) -> dict[str, str]:
    asked = {name for one in sites if one.site for name in one.site.facility.detection.environment}
    return {name: clues.environment[name] for name in sorted({*TELLING, *asked}) if name in clues.environment}


def _reasons(detection: Detection, scheduler: str, clues: Clues) -> Iterator[str]:
    wanted = detection.environment
    if wanted and all(clues.environment.get(name) == value for name, value in wanted.items()):
        yield " ".join(f"{name}={value}" for name, value in wanted.items())
    for host in clues.hosts:
        if any(fnmatchcase(host.lower(), pattern.lower()) for pattern in detection.hosts):
            yield f"host name {host}"
            break
    for cluster, kind in clues.clusters.items():
        if kind == scheduler and any(fnmatchcase(cluster, pattern) for pattern in detection.clusters):
            yield f"{kind} calls itself {cluster}"


def fallback_site(clues: Clues, home: Path) -> tuple[str, str]:
    """Return the generic site that fits where no other does ("" if its batch system has none), and why.

    Args:
        home: folder whose ``site_configs`` comes first.
    """
    for one in sorted(clues.systems, key=lambda one: one.identity is None):
        why = f"{one.scheduler} answers" if one.identity else f"its commands are here, but it does not answer: {one.silence}"
        return generic_site(one.scheduler, home), why
    return "local", "there is no batch system"


def generic_site(scheduler: str, home: Path) -> str:
    """Return the name of the site that knows nothing but the batch system; "" if there is none."""
    from harvester_hpc.config.extends import facilities

    name = f"{scheduler}-generic"
    return name if name in facilities(home) else ""


def _advice(matches: Sequence[Match], fallback: str, why: str, clues: Clues) -> Iterator[str]:
    yield ""
    for match in matches:
        yield f"{match.name} fits: {'; '.join(match.reasons)}{'; but it is retired' if match.retired else ''}"
    alive = [one for one in clues.systems if one.identity is not None]
    if matches:
        if len(matches) > 1:
            yield "several fit: choose by the nodes that you want, see: harvester-hpc site show NAME"
        yield f"next: harvester-hpc init DIR --site {matches[0].name}"
        if alive:
            yield f"next: harvester-hpc site check {matches[0].name}"
        return
    yield f"no site file fits; by default {fallback or 'none'}: {why}"
    if alive:
        yield "next: harvester-hpc site generate      # a first site file from what the batch system says"
        yield "next: harvester-hpc init DIR           # the same, with an instance that uses it"
    elif fallback:
        yield f"next: harvester-hpc init DIR --site {fallback}"


def _system_text(one: Answer) -> str:
    if one.identity is None:
        return f"{one.scheduler} does not answer: {one.silence}"
    cluster = f", cluster {one.identity.cluster}" if one.identity.cluster else ""
    return f"{one.scheduler} {one.identity.version}".strip() + cluster


def _system_json(one: Answer) -> dict[str, object]:
    identity = one.identity
    return {
        "scheduler": one.scheduler, "answers": identity is not None, "version": identity.version if identity else None,
        "cluster": identity.cluster if identity else None, "silence": one.silence or None,
    }


def _host_names() -> tuple[str, ...]:
    """Return the name of this host, and its full one if the name service gives it soon."""
    short = socket.gethostname()
    full: list[str] = []
    # A name service that is out of reach takes half a minute.
    asking = threading.Thread(target=lambda: full.append(socket.getfqdn()), name="host name", daemon=True)
    asking.start()
    asking.join(NAME_S)
    return tuple(dict.fromkeys([short, *(name for name in full if name and not name.startswith("localhost"))]))
