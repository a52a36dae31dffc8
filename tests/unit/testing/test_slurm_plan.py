"""What a private cluster is configured to be."""
from __future__ import annotations

import socket
import tempfile
from pathlib import Path

import pytest

from harvester_hpc.testing.slurm.configuration import environment, hosts, make_link, remove_link, settings_for, slurm_conf, write_files
from harvester_hpc.testing.slurm.errors import ClusterError
from harvester_hpc.testing.slurm.network import cable_of, hardware_address
from harvester_hpc.testing.slurm.plan import (
    LONGEST_BASE,
    PLAIN_PATH,
    Isolation,
    Plan,
    base_of,
    free_ports,
    make_plan,
    read_plan,
    save_plan,
)

BRIDGE = {Isolation.NETWORK: "hslurm254"}


def plan_for(
    folder: Path, isolation: Isolation = Isolation.NONE, settings: dict[str, str] | None = None, count: int = 2, cpus: int = 4
) -> Plan:
    bridge = BRIDGE.get(isolation, "")
    return make_plan(
        folder, count=count, cpus=cpus, memory_mb=1000, settings=settings or {}, isolation=isolation,
        bridge=bridge, subnet="10.213.254" if bridge else "",
    )


@pytest.mark.parametrize("isolation", list(Isolation))
def test_no_two_nodes_listen_at_the_same_place(isolation: Isolation, tmp_path: Path) -> None:
    nodes = plan_for(tmp_path, isolation, count=50).nodes
    assert len({(node.address, node.port) for node in nodes}) == 50
    assert [node.name for node in nodes[:2]] == ["n1", "n2"]


@pytest.mark.parametrize("isolation", list(Isolation))
def test_a_plan_is_read_as_it_was_written(isolation: Isolation, tmp_path: Path) -> None:
    assert read_plan(tmp_path) is None
    plan = plan_for(tmp_path, isolation, {"MinJobAge": "5"})
    save_plan(plan)
    assert read_plan(tmp_path) == plan


@pytest.mark.parametrize(("count", "cpus"), [(0, 1), (251, 1), (1, 0)])
def test_impossible_sizes_are_refused(count: int, cpus: int, tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="no cluster of"):
        plan_for(tmp_path, count=count, cpus=cpus)


def test_an_unknown_node_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="no node 'n3'; there is: n1, n2"):
        plan_for(tmp_path).node("n3")


def test_a_free_port_is_not_one_in_use() -> None:
    ports = free_ports(20)
    assert len(set(ports)) == 20
    with socket.socket() as taken:
        taken.bind(("", ports[0]))


def test_settings_replace_ours_whatever_their_case_and_an_empty_one_removes(tmp_path: Path) -> None:
    settings = settings_for(plan_for(tmp_path, settings={"minjobage": "7", "KILLWAIT": "", "Prolog": "/bin/true"}))
    assert settings["MinJobAge"] == "7"
    assert "KillWait" not in settings
    assert settings["Prolog"] == "/bin/true"
    assert len({key.lower() for key in settings}) == len(settings)


def test_every_node_and_partition_stands_in_the_configuration(tmp_path: Path) -> None:
    lines = slurm_conf(plan_for(tmp_path, Isolation.NETWORK, count=3)).splitlines()
    assert sum(line.startswith("NodeName=n") for line in lines) == 3
    assert [line.split()[0] for line in lines if line.startswith("PartitionName")] == [
        "PartitionName=batch", "PartitionName=debug", "PartitionName=tiny",
    ]


def test_a_node_knows_the_login_node_and_the_others(tmp_path: Path) -> None:
    plan = plan_for(tmp_path, Isolation.NETWORK)
    rows = hosts(plan).splitlines()
    assert rows == ["127.0.0.1 localhost", f"10.213.254.254 {plan.host}", "10.213.254.1 n1", "10.213.254.2 n2"]


@pytest.mark.parametrize("name", ["x" * LONGEST_BASE, "with blank", "per%cent", "hash#", "quo'te", "ü"])
def test_a_folder_that_slurm_cannot_name_gets_a_short_plain_name(name: str) -> None:
    base = base_of(Path("/scratch") / name)
    assert len(base) <= LONGEST_BASE
    assert PLAIN_PATH.fullmatch(base)
    assert base != base_of(Path("/scratch") / f"{name}2")


def test_the_short_name_is_short_even_where_temporary_files_have_a_long_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/scratch/" + "x" * LONGEST_BASE)
    assert len(base_of(Path("/scratch/with blank"))) <= LONGEST_BASE


def test_a_plain_folder_keeps_its_name() -> None:
    assert base_of(Path("/scratch/run_1.2-a+b")) == "/scratch/run_1.2-a+b"


def test_the_short_name_is_a_link_that_goes_with_the_cluster(tmp_path: Path) -> None:
    folder = tmp_path / "with blank"
    folder.mkdir()
    plan = plan_for(folder)
    write_files(plan)
    write_files(plan)
    assert Path(plan.base).resolve() == folder
    assert (folder / "munge/key").stat().st_mode & 0o777 == 0o400
    remove_link(plan)
    remove_link(plan)
    assert not Path(plan.base).is_symlink()


def test_a_short_name_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    plan = plan_for(tmp_path / "with blank")
    Path(plan.base).symlink_to(tmp_path / "elsewhere")
    try:
        with pytest.raises(ClusterError, match="not a link of ours"):
            make_link(plan)
        remove_link(plan)
        assert Path(plan.base).is_symlink()
    finally:
        Path(plan.base).unlink()


def test_the_variables_of_another_slurm_are_not_inherited(tmp_path: Path) -> None:
    inherited = {"SLURM_JOB_ID": "1", "SBATCH_ACCOUNT": "x", "SLURM_CONF": "/etc/slurm.conf", "HOME": "/home/me", "PATH": "/usr/bin"}
    plan = plan_for(tmp_path)
    seen = environment(plan, inherited)
    assert seen == {"HOME": "/home/me", "SLURM_CONF": f"{plan.base}/slurm.conf", "PATH": seen["PATH"]}
    assert seen["PATH"].split(":")[0] == "/usr/bin"
    assert "/usr/sbin" in seen["PATH"].split(":")


def test_device_names_fit_the_kernel(tmp_path: Path) -> None:
    plan = plan_for(tmp_path, Isolation.NETWORK, count=250)
    assert max(len(cable_of(plan, node)) for node in plan.nodes) <= 15
    assert hardware_address("a1b2c3") == "02:48:50:a1:b2:c3"
