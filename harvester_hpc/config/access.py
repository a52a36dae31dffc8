"""Access points: each worker's folder is its own, and lies where cleaning up can do no harm."""
from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from harvester_hpc.config.expand import absolute

WORKER = "${workerID}"
KEY = ("messenger", "accessPoint")

_PLACEHOLDER = re.compile(r"\$\{([^{}]*)\}")
_OF_WORKER = re.compile(r"\$\{(?:workerID|_workerID_[0-9.]+)\}")
#: ``${_workerID_3.2}``: digits of the number, counted from its end, which is 0.
_DIGITS = re.compile(r"_workerID_\d(?:\.\d)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Where the workers of a queue have their folders.

    Attributes:
        template: absolute, with ``${workerID}`` as its only placeholder, and ``${_workerID_3.2}`` for some of its digits.
        root: the last folder of it that is the same for all workers.
    """

    template: str
    root: str


def access_of(text: str, known: Mapping[str, str], home: Path, environ: Mapping[str, str]) -> Access | str:
    """Return the access points that ``text`` describes, or why it cannot be used.

    Args:
        text: template as the user wrote it, variables of the environment already expanded.
        known: values of the other placeholders (workDir, queueName, ...).
    """
    for name in _PLACEHOLDER.findall(text):
        if name not in known and name != "workerID" and not _DIGITS.fullmatch(name):
            return _unknown(name, known)
    if WORKER not in text:
        return f"must have {WORKER}: two workers must never use the same folder (it is {text!r})"
    filled = _PLACEHOLDER.sub(lambda match: known.get(match[1], match[0]), text)
    if ".." in PurePosixPath(filled).parts:
        return f"must not have '..': it would lead out of the worker's own folder (it is {text!r})"
    template = str(absolute(filled, home, environ))
    parts = PurePosixPath(template).parts
    first = next(number for number, part in enumerate(parts) if WORKER in part or "${_workerID_" in part)
    return Access(template=template, root=str(PurePosixPath(*parts[:first])))


def _unknown(name: str, known: Mapping[str, str]) -> str:
    there = ", ".join(f"${{{word}}}" for word in ("workerID", *known))
    return f"${{{name}}} is not known when the folder is made; there is: {there}"


def forbidden_root(access: Access, home_dirs: Mapping[str, str]) -> str:
    """Return why access points must not lie directly in ``access.root``; "" if they may.

    Args:
        home_dirs: folders to keep clear of, by what they are ("your home directory").
    """
    root = os.path.realpath(access.root)
    if root == "/":
        return f"lies directly in /: workers need a folder of their own to be in (it is {access.template!r})"
    for what, folder in home_dirs.items():
        inner = os.path.realpath(folder)
        if inner == root or inner.startswith(root + "/"):
            return f"lies directly in {access.root}, which is or holds {what}, {folder}; name a folder for workers only"
    return ""


def collisions(accesses: Mapping[str, Access]) -> Iterator[tuple[str, str]]:
    """Give (queue, why) for queues that come into the way of another one, in the order of the file."""
    earlier: dict[str, Access] = {}
    for name, access in accesses.items():
        for other, there in earlier.items():
            if os.path.realpath(there.root) == os.path.realpath(access.root):
                yield name, f"queue {other} has its workers in the same folder, {access.root}; add ${{queueName}} to one of them"
            elif _may_hold(there, access.root) or _may_hold(access, there.root):
                yield name, f"lies inside of what may become the folder of a worker of the other queue, {other}; keep them apart"
        earlier[name] = access


def _may_hold(outer: Access, root: str) -> bool:
    """Tell whether some worker of ``outer`` could have ``root`` in its folder."""
    pattern = r"\d+".join(re.escape(part) for part in _OF_WORKER.split(outer.template))
    return re.match(pattern + "(?:/|$)", root) is not None
