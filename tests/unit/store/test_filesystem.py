"""Which file systems other nodes may see, told by the kernel's table of mounts."""
from __future__ import annotations

from pathlib import Path

import pytest

from harvester_hpc.errors import ConfigurationError
from harvester_hpc.store.filesystem import LOCAL, OVERRIDE, FileSystem, journal_mode, kind_of, mounted_at

# As the kernel prints it (proc(5)): the optional fields before the dash come in any number.
LOGIN_NODE = r"""22 27 0:21 / /proc rw,relatime - proc proc rw
24 27 0:6 / /dev rw,relatime shared:2 master:1 - devtmpfs devtmpfs rw,size=12334524k,nr_inodes=3083631,mode=755
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard
40 27 0:35 / /home rw,relatime shared:20 - autofs systemd-1 rw,fd=41,pgrp=1,timeout=0,direct
41 40 0:45 / /home/ann rw,relatime shared:21 - nfs4 filer:/export/ann rw,vers=4.2,hard,proto=tcp,local_lock=none,addr=10.0.0.9
42 27 0:46 / /old rw,relatime - nfs filer:/old rw,vers=3,hard,nolock,local_lock=all,addr=10.0.0.9
43 27 0:47 / /lustre rw,noatime shared:30 - lustre 10.1.1.1@o2ib:10.1.1.2@o2ib:/scratch rw,flock,lazystatfs
44 27 0:48 / /work rw,noatime - lustre 10.1.1.1@o2ib:/work rw,localflock,lazystatfs
45 27 0:49 / /gpfs rw,relatime - gpfs gpfs0 rw
46 27 8:17 / /scratch rw,relatime - xfs /dev/sdb1 rw,attr2,inode64
47 27 0:50 / /My\040Disk\134x rw,relatime - btrfs /dev/sdc rw,space_cache
48 27 0:51 / /mnt/ssh rw,relatime - fuse.sshfs ann@elsewhere:/ rw,user_id=1000
49 27 0:52 / /mnt/odd rw,relatime - fuse.something odd rw
50 27 0:53 / /twice rw,relatime - ext4 /dev/sdd rw
51 50 0:54 / /twice rw,relatime - beegfs beegfs_nodev rw,cfgFile=/etc/beegfs/client.conf
52 27 0:55 / /run rw,nosuid - tmpfs tmpfs rw,mode=755
this line is none
"""


@pytest.mark.parametrize(("path", "name", "network"), [
    ("/", "ext4", False), ("/etc/x", "ext4", False), ("/home/ann/state/store.db", "nfs4", True), ("/home/bob", "autofs", True),
    ("/lustre/p/q", "lustre", True), ("/lustrex", "ext4", False), ("/gpfs", "gpfs", True), ("/scratch/ann", "xfs", False),
    ("/My Disk\\x/y", "btrfs", False), ("/mnt/ssh/a", "fuse.sshfs", True), ("/mnt/odd/a", "fuse.something", True),
    ("/twice/a", "beegfs", True), ("/run/user/1000", "tmpfs", False),
])
def test_the_longest_mount_point_and_the_latest_mount_at_it_tell(path: str, name: str, network: bool) -> None:
    found = mounted_at(Path(path), LOGIN_NODE)
    assert (found.name, found.network) == (name, network)


@pytest.mark.parametrize(("path", "options"), [
    ("/home/ann", ()), ("/old/x", ("local_lock=all", "nolock")), ("/lustre/x", ()), ("/work/x", ("localflock",)), ("/scratch", ()),
])
def test_mount_options_that_hide_our_locks_are_named(path: str, options: tuple[str, ...]) -> None:
    assert mounted_at(Path(path), LOGIN_NODE).node_locks == options


@pytest.mark.parametrize("name", [
    "nfs", "nfs4", "lustre", "gpfs", "beegfs", "ceph", "cifs", "smb3", "afs", "panfs", "orangefs", "wekafs", "9p", "virtiofs",
    "fuse.sshfs", "fuse.any", "invented-tomorrow",
])
def test_what_is_not_known_to_be_local_counts_as_network(name: str) -> None:
    assert mounted_at(Path("/x"), f"1 0 0:1 / / rw - {name} source rw\n").network


@pytest.mark.parametrize("name", ["ext4", "xfs", "btrfs", "tmpfs", "overlay", "zfs"])
def test_local_disks_are_known(name: str) -> None:
    assert name in LOCAL
    assert not mounted_at(Path("/x"), f"1 0 0:1 / / rw - {name} source rw\n").network


def test_a_link_is_followed_and_a_file_need_not_exist(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "far")
    table = tmp_path / "mountinfo"
    table.write_text(f"1 0 0:1 / / rw - ext4 source rw\n2 1 0:2 / {tmp_path.resolve()}/far rw - nfs4 source rw\n")
    assert kind_of(tmp_path / "link" / "not" / "yet", table).name == "nfs4"
    assert kind_of(tmp_path / "near", table).name == "ext4"


def test_without_a_table_of_mounts_the_careful_answer_is_given(tmp_path: Path) -> None:
    assert kind_of(tmp_path, tmp_path / "none") == FileSystem(name="unknown", network=True)


def test_this_machine_knows_where_proc_is() -> None:
    assert kind_of(Path("/proc/self/mountinfo")).name == "proc"


@pytest.mark.parametrize(("network", "setting", "mode"), [
    (False, None, "wal"), (True, None, "delete"), (False, "", "wal"), (True, "wal", "wal"), (False, "delete", "delete"),
    (False, "DELETE", "delete"),
])
def test_the_journal_follows_the_file_system_unless_the_site_says_otherwise(network: bool, setting: str | None, mode: str) -> None:
    environ = {} if setting is None else {OVERRIDE: setting}
    assert journal_mode(FileSystem(name="x", network=network), environ) == mode


def test_a_misspelt_setting_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"HARVESTER_HPC_JOURNAL is 'fast'.*wal or delete"):
        journal_mode(FileSystem(name="ext4", network=False), {OVERRIDE: "fast"})
