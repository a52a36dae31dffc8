"""What is to be thought of the reports of all ranks: problems, remarks, and a table for people. Pure functions."""
from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harvester_launch.check_facts import Facts, numbers_of

#: Seconds after which a file that another node shows is called late.
LATE_S = 5.0
COLUMNS = ("rank", "host", "cores", "of", "GPUs", "sees", "after s", "shown", "after s", "Python", "MPI")


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What was started: ranks, nodes, and cores that are used on each; None for what nobody has said."""

    ranks: int | None = None
    nodes: int | None = None
    cores_per_node: int | None = None


def problems_in(reports: Sequence[Facts], expected: Expected) -> Iterator[str]:
    """Give what will keep workers from working, one line each.

    Args:
        reports: facts of ranks, with ``sees`` (it has seen the file of rank 0), ``seesAfter``, ``shown`` (rank 0 has seen its file),
            ``shownAfter``; seconds, None if never; and ``worldSize``, 0 where there is no MPI.
    """
    ranks = sorted(report["rank"] for report in reports)
    if expected.ranks is not None and len(ranks) < expected.ranks:
        missing = [str(rank) for rank in range(expected.ranks) if rank not in ranks]
        yield f"{len(missing)} of {expected.ranks} ranks have not reported: {', '.join(missing[:20])}"
    sizes = {report["worldSize"] for report in reports}
    if sizes == {1} and (expected.ranks or len(ranks)) > 1:
        yield "MPI made one world of each rank: launcher and MPI library do not fit (srun --mpi=..., or the mpiexec of another MPI)"
    elif 0 in sizes:
        yield f"no MPI on {sum(not report['worldSize'] for report in reports)} ranks: {reports[0]['mpi']}"
    nodes = nodes_of(reports)
    if expected.nodes is not None and len(nodes) != expected.nodes:
        yield f"the ranks are on {len(nodes)} nodes ({', '.join(list(nodes)[:10])}), and {expected.nodes} were asked for"
    for host, group in nodes.items():
        usable = len(set().union(*(numbers_of(report["cores"]) for report in group)))
        if expected.cores_per_node is not None and usable < expected.cores_per_node:
            yield f"the ranks of {host} may use {usable} cores, and {expected.cores_per_node} were asked for"
    for key, what in (("sees", "do not see a file that rank 0 has written"), ("shown", "have written a file that rank 0 does not see")):
        blind = [str(report["rank"]) for report in reports if not report[key]]
        if blind:
            yield f"ranks {', '.join(blind[:20])} {what}: the access point is not on a shared file system, or that is very late"
    yield from _differences(reports)


def _differences(reports: Sequence[Facts]) -> Iterator[str]:
    for key, what in (("python", "Pythons"), ("mpi", "MPI libraries")):
        found = sorted({report[key] for report in reports})
        if len(found) > 1:
            yield f"the ranks have different {what}: {'; '.join(found[:4])}"
    names = {name for report in reports for name in report["harvester"]}
    for name in sorted(names):
        without = [str(report["rank"]) for report in reports if name not in report["harvester"]]
        if without:
            yield f"ranks {', '.join(without[:20])} have no {name}: the launcher does not pass the environment on"


def remarks_in(reports: Sequence[Facts]) -> Iterator[str]:
    """Give what is worth knowing and keeps nobody from working."""
    counts = {host: len(group) for host, group in nodes_of(reports).items()}
    if len(set(counts.values())) > 1:
        yield "not the same number of ranks on each node: " + ", ".join(f"{host} {count}" for host, count in list(counts.items())[:10])
    delays = [report[key] for report in reports for key in ("seesAfter", "shownAfter") if report[key] is not None]
    if delays and max(delays) > LATE_S:
        yield f"the file system shows new files up to {max(delays):.1f} s late"


def nodes_of(reports: Sequence[Facts]) -> dict[str, list[Facts]]:
    """Return {host: reports}, in the order of the ranks."""
    found: dict[str, list[Facts]] = defaultdict(list)
    for report in sorted(reports, key=lambda one: int(one["rank"])):
        found[report["host"]].append(report)
    return dict(found)


def table(reports: Sequence[Facts], problems: Sequence[str], remarks: Sequence[str]) -> str:
    """Return all of it for people."""
    rows = [COLUMNS, *(_row(report) for report in sorted(reports, key=lambda one: int(one["rank"])))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines += [f"problem: {line}" for line in problems] + [f"remark: {line}" for line in remarks]
    return "\n".join([*lines, "" if problems else "all is well", ""]).replace("\n\n", "\n")


def _row(report: Mapping[str, Any]) -> tuple[str, ...]:
    def seconds(key: str) -> str:
        return "" if report[key] is None else f"{report[key]:.3f}"

    gpus = ",".join(report["gpuVariables"].values()) or str(report["gpus"] or "")
    return (
        str(report["rank"]), report["host"], report["cores"], str(report["coresOfNode"]), gpus, "yes" if report["sees"] else "NO",
        seconds("seesAfter"), "yes" if report["shown"] else "NO", seconds("shownAfter"), report["python"].split()[0],
        " ".join(report["mpi"].split())[:40],
    )
