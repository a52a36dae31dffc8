"""On which kind of file system a folder lies, and which journal mode SQLite may use there."""
from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harvester_hpc.errors import ConfigurationError

MOUNTINFO = Path("/proc/self/mountinfo")
OVERRIDE = "HARVESTER_HPC_JOURNAL"

#: One kernel holds all pages and locks of these, so that the shared memory of a write-ahead log works.
#: Whatever is not listed counts as a network file system: the rollback journal is right everywhere.
LOCAL = frozenset({
    "ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "jfs", "reiserfs", "bcachefs", "tmpfs", "ramfs", "rootfs", "overlay", "aufs",
    "vfat", "exfat", "ntfs3", "fuseblk", "squashfs", "iso9660", "erofs",
})

#: Mount options with which a lock is seen by this node alone: {type: options}.
NODE_LOCKS: Mapping[str, frozenset[str]] = {
    "nfs": frozenset({"nolock", "local_lock=all", "local_lock=posix", "local_lock=flock"}),
    "nfs4": frozenset({"local_lock=all", "local_lock=posix", "local_lock=flock"}),
    "lustre": frozenset({"localflock", "noflock"}),
    "cifs": frozenset({"nobrl"}),
    "smb3": frozenset({"nobrl"}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSystem:
    """Where a path lies.

    Attributes:
        name: the kernel's name of the type (``ext4``, ``nfs4``, ``fuse.sshfs``); ``unknown`` if it cannot be told.
        network: whether other nodes may see the same files; unknown types count as such.
        mount_point: the folder at which it is mounted.
        node_locks: mount options that hide our locks from other nodes; empty as it should be.
    """

    name: str
    network: bool
    mount_point: str = "/"
    node_locks: tuple[str, ...] = ()


def kind_of(path: Path, mountinfo: Path = MOUNTINFO) -> FileSystem:
    """Return the file system of ``path``, which need not exist yet.

    Args:
        mountinfo: the kernel's table of mounts; a recorded one in tests.

    Source: proc(5), "/proc/pid/mountinfo".
    """
    try:
        text = os.fsdecode(mountinfo.read_bytes())
    except OSError:
        return FileSystem(name="unknown", network=True)
    return mounted_at(path.resolve(), text)


def mounted_at(path: Path, mountinfo: str) -> FileSystem:
    """Return the file system of an absolute ``path`` without symbolic links, by the text of a mountinfo table."""
    best = FileSystem(name="unknown", network=True, mount_point="")
    for line in mountinfo.splitlines():
        found = _mount(line)
        # A later mount at the same place hides the earlier one, hence >=.
        if found is not None and path.is_relative_to(found.mount_point) and len(found.mount_point) >= len(best.mount_point):
            best = found
    return best


def journal_mode(filesystem: FileSystem, environ: Mapping[str, str] = os.environ) -> str:
    """Return SQLite's name of the journal mode for ``filesystem``: ``wal`` or ``delete``.

    Raises:
        ConfigurationError: $HARVESTER_HPC_JOURNAL says something else.
    """
    wanted = environ.get(OVERRIDE, "").lower()
    if wanted not in ("", "wal", "delete"):
        raise ConfigurationError(f"${OVERRIDE} is {wanted!r}", remedy="set it to wal or delete, or leave it away")
    return wanted or ("delete" if filesystem.network else "wal")


def _mount(line: str) -> FileSystem | None:
    fields, dash, rest = line.partition(" - ")
    columns, kind = fields.split(" "), rest.split(" ")
    if not dash or len(columns) < 6 or len(kind) < 3:
        return None
    options = frozenset(columns[5].split(",")) | frozenset(kind[2].split(","))
    return FileSystem(
        name=kind[0],
        network=kind[0] not in LOCAL,
        mount_point=_unescaped(columns[4]),
        node_locks=tuple(sorted(options & NODE_LOCKS.get(kind[0], frozenset()))),
    )


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)
