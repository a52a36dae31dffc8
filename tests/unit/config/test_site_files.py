"""Every site file of the repository: it can be used, its numbers agree, and each of its facts has a source."""
from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.config.extends import facilities
from harvester_hpc.config.facility_file import SCHEDULERS
from harvester_hpc.config.facts import BY
from harvester_hpc.config.load import Configuration, load
from harvester_hpc.config.site_file import site_named
from harvester_hpc.errors import ConfigurationError
from harvester_hpc.model.facility import BatchQueue
from harvester_hpc.policy.fitting import Wish, best, fits

NOWHERE = Path("/nowhere")
FOLDER = Path(__file__).resolve().parents[3] / "site_configs"
SITES = tuple(name for name in facilities(NOWHERE) if (FOLDER / f"{name}.json").is_file())
USABLE = [name for name in SITES if site_named(name, NOWHERE, {}).facility.scheduler in SCHEDULERS]
GENERIC = {"local", "slurm-generic", "pbs-generic", "lsf-generic"}
#: Members that state nothing about a place.
NO_FACTS = re.compile(
    r"(name|title|scheduler|launcher|workDir|requeue|detect|login\.ways|queues\.default\.submitTo|queues\.[^.]+\.(notes|name))($|\.)"
)


def configured(tmp_path: Path, name: str, **more: Any) -> Configuration:
    site = site_named(name, tmp_path, {})
    account = site.facility.account_like.replace("*", "m1") or "m1"
    needed = dict.fromkeys(site.facility.required, "home")
    facility = {"account": account, "attributes": needed, "node": {"cores": 8} if site.facility.node.cores == 1 else {}}
    (tmp_path / "harvester.json").write_text(json.dumps({"extends": name, "facility": facility, "queues": {"Q": more}}))
    return load(tmp_path, {"HOME": "/home/me"})


def sample(queue: BatchQueue) -> dict[str, Any]:
    return {"batchQueue": queue.name, "nodes": max([queue.min_nodes, *(one.min_nodes for one in queue.bins[:1])])}


@pytest.mark.parametrize("name", SITES)
def test_a_site_file_has_no_problem(name: str) -> None:
    site = site_named(name, NOWHERE, {})
    assert not [problem for problem in site.problems if "not yet supported" not in str(problem)]
    assert site.facility.name == name
    assert site.facility.title


@pytest.mark.parametrize("name", USABLE)
def test_every_queue_of_a_site_can_be_used(name: str, tmp_path: Path) -> None:
    for queue in site_named(name, NOWHERE, {}).facility.queues:
        configuration = configured(tmp_path, name, resources=sample(queue))
        assert configuration.queues["Q"].queue.resources.batch_queue == queue.name


@pytest.mark.parametrize("name", SITES)
def test_the_numbers_of_a_queue_agree(name: str) -> None:
    facility = site_named(name, NOWHERE, {}).facility
    for queue in facility.queues:
        bins = queue.bins
        assert all(one.max_nodes + 1 == other.min_nodes for one, other in itertools.pairwise(bins)), queue.name
        assert not bins or queue.max_nodes in (None, bins[-1].max_nodes), queue.name
        assert not bins or queue.min_nodes in (1, bins[0].min_nodes), queue.name
        assert all(one.max_walltime_s <= (queue.max_walltime_s or 10**9) for one in bins), queue.name
        limits = queue.limits
        assert (limits.running or 0) <= (limits.queued or 10**9), queue.name
        count = facility.node_of(queue).count
        assert not count or (queue.max_nodes or 0) <= count, queue.name


@pytest.mark.parametrize("name", SITES)
def test_what_a_queue_states_is_taken_by_it_and_no_more(name: str) -> None:
    facility = site_named(name, NOWHERE, {}).facility
    for queue in facility.queues:
        nodes = sample(queue)["nodes"]
        longest = queue.longest_s(nodes)
        allowed = fits(facility, Wish(nodes=nodes, walltime_s=longest or 3600, gpus_per_node=facility.node_of(queue).gpus), [queue.name])
        assert [fit.takes_it for fit in allowed] == [True]
        beyond = [Wish(nodes=nodes, gpus_per_node=facility.node_of(queue).gpus + 1), Wish(nodes=0)]
        beyond += [Wish(nodes=nodes, walltime_s=longest + 1)] if longest else []
        beyond += [Wish(nodes=queue.max_nodes + 1)] if queue.max_nodes else []
        for wish in beyond:
            assert not fits(facility, wish, [queue.name])[0].takes_it, wish


@pytest.mark.parametrize("name", sorted(set(SITES) - GENERIC))
def test_every_value_of_a_site_says_where_it_comes_from(name: str) -> None:
    site = site_named(name, NOWHERE, {})
    told = {path: fact for path, _, fact in site.facts.told() if not NO_FACTS.match(path)}
    assert told
    assert not [path for path, fact in told.items() if fact is None]
    for fact in told.values():
        assert fact is not None
        assert fact.by in BY
        assert bool(fact.documents) == (fact.by != "recalled"), fact.path
        assert (fact.checked == "") == (fact.by == "recalled"), fact.path


@pytest.mark.parametrize("name", sorted(GENERIC))
def test_a_generic_site_states_no_fact(name: str) -> None:
    assert not site_named(name, NOWHERE, {}).facts.known


def test_a_common_part_is_no_facility(tmp_path: Path) -> None:
    assert "lumi" not in SITES
    (tmp_path / "harvester.json").write_text(json.dumps({"extends": "lumi", "queues": {"Q": {}}}))
    with pytest.raises(ConfigurationError) as raised:
        load(tmp_path, {})
    assert any("extend one of: lumi-c, lumi-g" in str(problem) for problem in raised.value.problems)
    assert not any("names no queue" in str(problem) for problem in raised.value.problems)


def test_every_site_file_stands_in_the_readme() -> None:
    readme = (FOLDER / "README.md").read_text()
    assert {file.name for file in FOLDER.glob("*.json")} == set(re.findall(r"`([a-z0-9-]+\.json)` \|", readme))




@pytest.mark.parametrize(
    ("name", "wish", "queue", "lands_in", "longest_h"),
    [
        ("frontier", Wish(nodes=91, walltime_s=7200), "batch", "batch", 2),
        ("frontier", Wish(nodes=64, walltime_s=86400), "extended", "extended", 24),
        ("frontier", Wish(nodes=5000, walltime_s=43200), "batch", "batch", 12),
        ("aurora", Wish(nodes=1500, walltime_s=18 * 3600), "prod", "medium", 18),
        ("aurora", Wish(nodes=1, walltime_s=3600), "capacity", "capacity", 168),
        ("polaris", Wish(nodes=25, walltime_s=6 * 3600), "prod", "medium", 6),
        ("lumi-g", Wish(nodes=4, walltime_s=72 * 3600, gpus_per_node=8), "small-g", "small-g", 72),
        ("leonardo-dcgp", Wish(nodes=100, walltime_s=3600), "dcgp_qos_bprod", "dcgp_usr_prod", 24),
        ("kestrel", Wish(nodes=1, walltime_s=3600, gpus_per_node=4), "gpu-h100", "gpu-h100", 48),
        ("kestrel", Wish(nodes=1, walltime_s=3600, memory_mb=1_000_000), "bigmem", "bigmem", 48),
        ("karolina-gpu", Wish(nodes=1, walltime_s=3600, gpus_per_node=8), "qgpu", "qgpu", None),
    ],
)
def test_the_queue_that_fits_is_found(name: str, wish: Wish, queue: str, lands_in: str, longest_h: int | None) -> None:
    found = best(fits(site_named(name, NOWHERE, {}).facility, wish))
    assert found is not None
    assert (found.queue.name, found.lands_in) == (queue, lands_in)
    assert found.longest_s == (None if longest_h is None else longest_h * 3600)


def test_what_fits_nowhere_says_why_of_each_queue() -> None:
    facility = site_named("frontier", NOWHERE, {}).facility
    found = fits(facility, Wish(nodes=92, walltime_s=7 * 3600))
    assert best(found) is None
    assert [fit.why_not[0] for fit in found] == [
        "a worker wants 25200 s, batch queue 'batch' gives 21600 s at most to 92 node(s)",
        "a worker has 92 nodes, batch queue 'extended' takes 64 at most",
        "a worker wants 25200 s, batch queue 'debug' gives 7200 s at most",
    ]
