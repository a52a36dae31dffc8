"""How Slurm writes partitions, node kinds, times and configuration."""
from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from harvester_hpc.ports.survey import NodeKind
from harvester_psij.survey.questions import listed, number_of, whole_lines

#: Kinds of nodes: partition, nodes, CPUs, threads of a core, MB, generic resources, features, state, names.
SINFO_FORMAT = "%R|%D|%c|%Z|%m|%G|%f|%T|%N"
SINFO_COLUMNS = SINFO_FORMAT.count("|") + 1
#: States of a node that takes jobs or runs them; sinfo appends a sign to some.
SERVING = ("idle", "mixed", "allocated", "completing", "planned", "reserved", "powering_up", "powered_down", "powering_down")
#: A node that does not answer has a star.
SILENT = "*"
WORD = re.compile(r"(\w+)=(\S*)")
DAYS = re.compile(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?", re.ASCII)
GPU = re.compile(r"gpu(?::([A-Za-z][^:,()]*))?:(\d+)")


def seconds_of(text: str) -> int | None:
    """Return seconds; None for no limit.

    ``10`` and ``10:30`` are minutes, ``1:00:00`` hours, ``1-00`` days and hours.

    Source: sbatch(1), --time.
    """
    found = DAYS.fullmatch(text)
    if not found:
        return None
    days, *parts = found.groups()
    numbers = [int(part) for part in parts if part is not None]
    if days is not None:
        hours, minutes, seconds = [*numbers, 0, 0][:3]
        return int(days) * 86400 + hours * 3600 + minutes * 60 + seconds
    if len(numbers) == 3:
        return numbers[0] * 3600 + numbers[1] * 60 + numbers[2]
    return numbers[0] * 60 + (numbers[1] if len(numbers) == 2 else 0)


def fields_of(text: str, first: str) -> tuple[list[dict[str, str]], list[str]]:
    """Return the records of ``scontrol -o show ...``, one a line, and the lines that are none.

    Args:
        first: the key that a record starts with.
    """
    records, odd = [], []
    for line in whole_lines(text):
        if line.startswith(f"{first}="):
            records.append(dict(WORD.findall(line)))
        else:
            odd.append(line)
    return records, odd


def configuration_of(text: str) -> dict[str, str]:
    """Return what ``scontrol show config`` says, {key: value}."""
    pairs = (line.partition("=") for line in whole_lines(text) if "=" in line)
    return {key.strip(): value.strip() for key, _, value in pairs}


def tables_of(text: str) -> list[dict[str, str]]:
    """Return the rows of ``sacctmgr --parsable2``, {heading: cell}; a row of another length is left out."""
    lines = whole_lines(text)
    heads = [at for at, line in enumerate(lines) if "|" in line][:1]  # warnings may stand before it
    if not heads:
        return []
    headings = lines[heads[0]].split("|")
    rows = (line.split("|") for line in lines[heads[0] + 1:])
    return [dict(zip(headings, row, strict=True)) for row in rows if len(row) == len(headings)]


def kinds_of(text: str, shown: Mapping[str, Mapping[str, str]]) -> dict[str, tuple[NodeKind, ...]]:
    """Return {partition: its kinds of nodes} from sinfo in SINFO_FORMAT.

    Args:
        shown: {node: what ``scontrol show node`` says}, one of each kind where it was asked.
    """
    found: dict[str, dict[NodeKind, tuple[int, int]]] = {}
    for cells in sinfo_rows(text):
        kind = _kind(cells, shown.get(first_node(cells[8]), {}))
        if kind is None:
            continue
        kinds = found.setdefault(cells[0], {})
        count, usable = kinds.get(kind, (0, 0))
        nodes = number_of(cells[1]) or 0
        kinds[kind] = (count + nodes, usable + (nodes if serves(cells[7]) else 0))
    return {partition: _counted(kinds) for partition, kinds in found.items()}


def sinfo_rows(text: str) -> list[list[str]]:
    """Return the rows of sinfo that have all their columns, and nodes."""
    rows = (line.split("|") for line in whole_lines(text))
    return [cells for cells in rows if len(cells) == SINFO_COLUMNS and number_of(cells[1])]


def representatives(text: str, at_most: int) -> list[str]:
    """Return one node of each kind."""
    firsts = {tuple(cells[2:7]): first_node(cells[8]) for cells in reversed(sinfo_rows(text))}
    return [name for name in firsts.values() if name][:at_most]


def first_node(names: str) -> str:
    """Return the first name of a list such as ``nid[001-003,007],x1``."""
    found = re.match(r"([^\[,]+)(?:\[(\d+)[^\]]*\]([^\[,]*))?", names)
    return "".join(part or "" for part in found.groups()) if found else ""


def serves(state: str) -> bool:
    """Tell whether a node in this state takes jobs, or will when it has room."""
    return not state.endswith(SILENT) and state.rstrip("~#!%$@^-+").lower() in SERVING


def _kind(cells: Sequence[str], shown: Mapping[str, str]) -> NodeKind | None:
    cpus, threads = number_of(cells[2].rstrip("+")), number_of(cells[3]) or 1
    if not cpus:
        return None
    usable_cpus = number_of(shown.get("CPUEfctv", "")) or cpus
    if usable_cpus > cpus:
        usable_cpus = cpus
    gpu_type, gpus = gpus_of(cells[5])
    # A node may be told to count CPUs without its threads.
    threads = threads if cpus % threads == 0 else 1
    return NodeKind(
        count=0, cores=max(1, usable_cpus // threads), reserved_cores=(cpus - usable_cpus) // threads, threads_per_core=threads,
        memory_mb=number_of(cells[4].rstrip("+")) or 0, gpus=gpus, gpu_type=gpu_type, features=listed(cells[6]),
    )


def gpus_of(resources: str) -> tuple[str, int]:
    """Return type and number of GPUs in generic resources such as ``gpu:a100:4(S:0-1)``."""
    found = GPU.findall(resources)
    return (found[0][0], sum(int(number) for _, number in found)) if found else ("", 0)


def _counted(kinds: Mapping[NodeKind, tuple[int, int]]) -> tuple[NodeKind, ...]:
    from dataclasses import replace

    return tuple(replace(kind, count=count, usable=usable) for kind, (count, usable) in kinds.items())


def least(limits: Iterable[int | None]) -> int | None:
    """Return the least limit; None if there is none."""
    return min((limit for limit in limits if limit is not None), default=None)
