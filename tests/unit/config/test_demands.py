"""What a facility demands is asked for by config check, and what it would undo is warned of."""
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.config.load import Configuration, load
from harvester_hpc.errors import ConfigurationError
from harvester_hpc.login_proxy import use_login_proxy
from harvester_hpc.model.surroundings import Network

SECTIONS = {kind: {"name": "x"} for kind in ("preparator", "workerMaker", "submitter", "messenger", "monitor", "stager", "sweeper")}
SITE: dict[str, Any] = {
    "scheduler": "slurm", "queues": [{"name": "batch"}], "node": {"cores": 4}, "defaults": SECTIONS,
}


def configured(home: Path, site: dict[str, Any], facility: dict[str, Any] | None = None, **queue: Any) -> Configuration:
    (home / "site_configs").mkdir(exist_ok=True)
    (home / "site_configs" / "mine.json").write_text(json.dumps({**SITE, **site}))
    file = {"extends": "mine", "facility": {"workDir": "/scratch/p1/me/work", **(facility or {})}, "queues": {"Q": queue}}
    (home / "harvester.json").write_text(json.dumps(file))
    return load(home, {"SCRATCH": "/scratch/p1/me", "HOME": "/home/me"})


def problems(home: Path, site: dict[str, Any], facility: dict[str, Any] | None = None, **queue: Any) -> str:
    with pytest.raises(ConfigurationError) as raised:
        configured(home, site, facility, **queue)
    return "\n".join(str(problem) for problem in raised.value.problems)


def test_an_account_that_is_needed_is_asked_for_and_where_it_goes_is_said(tmp_path: Path) -> None:
    site = {"accountRequired": True, "accountLike": "*_g"}
    said = problems(tmp_path, site)
    assert 'mine takes no batch job without an account, one like *_g; say it in harvester.json: {"facility": {"account": ...}}' in said
    assert not configured(tmp_path, site, {"account": "m1_g"}).warnings
    assert not configured(tmp_path, site, {"attributes": {"account": "m1_g"}}).warnings
    assert "'m1' is not like the accounts of these nodes, *_g" in "".join(configured(tmp_path, site, {"account": "m1"}).warnings)


def test_an_option_that_is_needed_may_be_said_in_three_places(tmp_path: Path) -> None:
    site = {"required": {"l.filesystems": "file systems, such as home:eagle"}}
    said = problems(tmp_path, site)
    assert "mine takes no batch job without the option l.filesystems (file systems, such as home:eagle)" in said
    assert '{"facility": {"attributes": {"l.filesystems": ...}}}' in said
    assert configured(tmp_path, site, {"attributes": {"l.filesystems": "home"}})
    assert configured(tmp_path, site, {"queues": [{"name": "batch", "attributes": {"l.filesystems": "home"}}]})
    assert configured(tmp_path, site, submitter={"attributes": {"l.filesystems": "home"}})


def test_a_work_folder_where_jobs_may_not_work_is_an_error(tmp_path: Path) -> None:
    site = {"fileSystems": [{"path": "/home", "forJobs": False, "note": "no jobs here"}, {"path": "/scratch/<project>"}]}
    assert "workDir: /home/me/work lies on /home, where batch jobs may not work (no jobs here)" in problems(
        tmp_path, site, {"workDir": "~/work"}
    )
    assert configured(tmp_path, site)


@pytest.mark.parametrize("path", ["$SCRATCH", "/scratch/<project>/<user>", "/scratch/<project>", "/scratch"])
def test_folders_that_would_be_purged_before_they_are_cleaned_are_warned_of(tmp_path: Path, path: str) -> None:
    site = {"fileSystems": [{"path": "/", "name": "root"}, {"path": path, "purgeDays": 40}]}
    assert not configured(tmp_path, site, keepFailed=40 * 24).warnings
    (warning,) = configured(tmp_path, site, keepFailed=41 * 24).warnings
    assert f"keepFailed: 984 hours are more than files last on {path}, 40 days" in warning


@pytest.mark.parametrize("path", ["$ELSEWHERE", "/scratch/<project>/<user>/work/deeper/still", "/scratch/p2", "scratch"])
def test_another_file_system_says_nothing(tmp_path: Path, path: str) -> None:
    assert not configured(tmp_path, {"fileSystems": [{"path": path, "purgeDays": 1, "forJobs": False}]}, keepFailed=1000.0).warnings


def test_a_purge_that_is_not_done_warns_of_nothing(tmp_path: Path) -> None:
    site = {"fileSystems": [{"path": "/scratch", "purgeDays": 40, "purges": False}]}
    configuration = configured(tmp_path, site, keepFailed=1000.0)
    assert not configuration.warnings
    assert configuration.queues["Q"].queue.cache.unused_s == 0


def test_a_cache_keeps_to_the_quota_of_files_and_is_faster_than_the_purge(tmp_path: Path) -> None:
    site = {"fileSystems": [{"path": "/scratch", "purgeDays": 40, "maxFiles": 1000}]}
    cache = configured(tmp_path, site).queues["Q"].queue.cache
    assert (cache.limit_files, cache.unused_s) == (1000, 36 * 86400)
    assert configured(tmp_path, site, inputCache={"maxFiles": 10}).queues["Q"].queue.cache.limit_files == 10
    assert configured(tmp_path, site, inputCache={"maxFiles": 5000}).queues["Q"].queue.cache.limit_files == 1000
    elsewhere = configured(tmp_path, site, inputCache={"folder": "/other", "maxFiles": 5000}).queues["Q"].queue.cache
    assert (elsewhere.limit_files, elsewhere.unused_s) == (5000, 0)


def test_what_is_gone_or_unknown_or_not_meant_so_is_warned_of(tmp_path: Path) -> None:
    warnings = "\n".join(configured(tmp_path, {
        "retired": "2024-11-15", "title": "Old", "node": {"gpus": 1}, "queues": [{"name": "debug", "production": False}],
        "login": {"cpuMinutes": 10, "ways": ["chain", "cron"]},
    }).warnings)
    assert "Old is gone since 2024-11-15" in warnings
    assert "how many cores a node has is not known" in warnings
    assert "batch queue debug is not meant for production" in warnings
    assert "a process is killed there after 10 minutes of CPU time; the centre knows of: chain, cron" in warnings


def test_reserved_cores_are_not_given_to_workers(tmp_path: Path) -> None:
    site = {"node": {"cores": 64, "reservedCores": 8}}
    assert configured(tmp_path, site).facility.node.cores == 56
    said = problems(tmp_path, site, resources={"coresPerNode": 57})
    assert "57 is more than a node has, 56 (facility.node.cores, without 8 reserved ones)" in said
    assert "8 leaves nothing of 8 cores" in problems(tmp_path, {"node": {"cores": 8, "reservedCores": 8}})


def test_a_batch_queue_may_have_nodes_of_its_own(tmp_path: Path) -> None:
    site = {"node": {"cores": 8, "memoryMB": 100}, "queues": [{"name": "a"}, {"name": "g", "node": {"gpus": 4}}]}
    facility = configured(tmp_path, site).facility
    assert [(facility.node_of(queue).cores, facility.node_of(queue).gpus) for queue in facility.queues] == [(8, 0), (8, 4)]
    assert configured(tmp_path, site, resources={"batchQueue": "g", "gpusPerNode": 4})
    assert "gpusPerNode: 1 is more than a node has, 0" in problems(tmp_path, site, resources={"gpusPerNode": 1})
    assert "is more than a node has, 4 (node of batch queue g.gpus)" in problems(
        tmp_path, site, resources={"batchQueue": "g", "gpusPerNode": 5}
    )


def test_of_several_batch_queues_one_that_fits_is_enough(tmp_path: Path) -> None:
    site = {"queues": [{"name": "a", "maxNodes": 2}, {"name": "b", "maxNodes": 20}]}
    found = configured(tmp_path, site, resources={"batchQueue": ["a", "b"], "nodes": 10}).queues["Q"].queue.resources
    assert (found.batch_queue, found.batch_queues) == ("a", ("a", "b"))
    said = problems(tmp_path, site, resources={"batchQueue": ["a", "b"], "nodes": 30})
    assert "30 is more than batch queue a has, 2" in said and "30 is more than batch queue b has, 20" in said
    assert "no batch queue 'c'" in problems(tmp_path, site, resources={"batchQueue": ["a", "c"]})


def test_a_walltime_below_the_least_is_refused(tmp_path: Path) -> None:
    site = {"queues": [{"name": "a", "minWalltime": 300}]}
    assert "299 s is less than batch queue a accepts, 300 s" in problems(tmp_path, site, resources={"walltime": 299})
    assert configured(tmp_path, site, resources={"walltime": 300})


@pytest.mark.parametrize(
    ("network", "before", "after"),
    [
        (Network(), {"https_proxy": "http://a"}, {"https_proxy": "http://a"}),
        (Network(login_proxy=""), {"https_proxy": "http://a", "HTTP_PROXY": "http://a", "X": "1"}, {"X": "1"}),
        (
            Network(login_proxy="http://b:1", no_proxy=("localhost",)), {"https_proxy": "http://a"},
            {
                **dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://b:1"),
                "no_proxy": "localhost", "NO_PROXY": "localhost",
            },
        ),
    ],
)
def test_our_own_connections_go_as_the_site_has_it(network: Network, before: dict[str, str], after: dict[str, str]) -> None:
    use_login_proxy(network, before)
    assert before == after
