"""From files to a configuration."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.config.extends import facilities
from harvester_hpc.config.load import load, tag_of, user_name
from harvester_hpc.config.queue_file import SECTIONS
from harvester_hpc.config.values import AGENTS
from harvester_hpc.errors import ConfigurationError
from harvester_hpc.model.facility import BatchQueue, NodeShape
from harvester_hpc.model.limits import Limits
from harvester_hpc.model.queue import Resources
from harvester_hpc.model.worker import MapType
from tests.unit.config.instance import ENVIRON, SITE, loaded, of_queue, problems, write


def plain(home: Path, values: object) -> Path:
    home.mkdir(exist_ok=True)
    (home / "harvester.json").write_text(json.dumps(values))
    return home


@pytest.mark.parametrize("name", ["local", "slurm-generic"])
def test_a_queue_may_be_empty_with_each_facility_that_comes_along(tmp_path: Path, name: str) -> None:
    configuration = load(plain(tmp_path, {"extends": name, "queues": {"Q": {}}}), ENVIRON)
    queue = configuration.queues["Q"].queue
    assert configuration.facility.name == name
    assert configuration.instance == f"{user_name()}-{name}"
    assert configuration.warnings == ()
    assert (queue.site, queue.label, queue.map_type) == ("Q", "managed", MapType.ONE_TO_ONE)
    assert (queue.access_root, queue.access_point) == (f"{tmp_path}/work/Q", f"{tmp_path}/work/Q/${{workerID}}")
    assert {kind: section["name"] for kind, section in configuration.queues["Q"].sections.items()} == {
        "preparator": "local", "workerMaker": "simple", "submitter": "psij", "messenger": "shared_file",
        "monitor": "psij", "stager": "local", "sweeper": "psij",
    }  # fmt: skip


def test_the_local_facility_polls_often_and_a_cluster_seldom(tmp_path: Path) -> None:
    polls = {
        name: load(plain(tmp_path / name, {"extends": name, "queues": {"Q": {}}}), ENVIRON).queues["Q"].queue.poll_s
        for name in ("local", "slurm-generic")
    }
    assert polls == {"local": 2.0, "slurm-generic": 30.0}


def test_limits_that_are_not_given_let_work_flow(tmp_path: Path) -> None:
    queues = {"none": {}, "workers": {"nQueueLimitWorker": 3}, "jobs": {"nQueueLimitJob": 0}, "still": {"nQueueLimitWorker": 0}}
    got = {
        name: (each.queue.limit_jobs, each.queue.limit_queued_workers, each.queue.max_workers)
        for name, each in loaded(tmp_path, {"queues": queues}).queues.items()
    }
    assert got == {"none": (20, 10, 0), "workers": (6, 3, 0), "jobs": (0, 10, 0), "still": (0, 0, 0)}


def test_every_attribute_of_a_queue_arrives(tmp_path: Path) -> None:
    attributes: dict[str, Any] = {
        "prodSourceLabel": "user", "siteName": "SITE", "pandaQueueName": "Q", "queueName": "Q", "resourceType": "MCORE",
        "getJobCriteria": "a=1, b = x=y,", "nQueueLimitJob": 7, "nQueueLimitWorker": 8, "maxWorkers": 9, "maxNewWorkersPerCycle": 3,
        "maxSubmissionAttempts": 5, "mapType": "OneToMany", "maxWorkersPerJobInTotal": 6, "maxWorkersPerJobPerCycle": 2,
        "prefetchEvents": False, "initEventsMultiplier": 3, "scatteredEvents": True, "zipPerMB": 256,
        "lateBindingWait": 60, "allowJobMixture": True, "truePilot": True, "noHeartbeat": "starting,running",
        "runMode": "slave", "pollInterval": 10,
        "workerQueueTimeLimit": 100, "workerHeartbeat": 1.5, "keepFinished": 1, "keepFailed": 2, "keepCancelled": 0, "keepMissed": 0.5,
        "resources": {"batchQueue": "regular", "nodes": 8, "walltime": "12:00:00", "coresPerNode": 64, "memoryMB": 256000,
            "gpusPerNode": 4},
        "inputCache": {"folder": "${workDir}/in", "limitMB": 7, "maxFiles": 8, "highMB": 6, "lowMB": 5}, "transferPatience": 2,
        "logExposer": {"name": "directory", "maxMB": 0.5, "keepDays": 2, "patience": 3, "livePeriod": 4},
    }  # fmt: skip
    queue = loaded(tmp_path, {"queues": {"Q": attributes}}).queues["Q"].queue
    said = dataclasses.asdict(queue)
    assert [said.pop(key) for key in ("label_weights", "labels_first", "status", "limits")] == [
        {}, (), "online", dataclasses.asdict(Limits()),
    ]
    assert said == {
        "name": "Q", "site": "SITE", "label": "user", "map_type": MapType.ONE_TO_MANY, "resource_type": "MCORE", "limit_jobs": 7,
        "prefetch_events": False, "events_multiplier": 3, "scattered_events": True, "zip_mb": 256, "workers_per_job_in_total": 6,
        "workers_per_job_per_cycle": 2, "late": False, "late_wait_s": 60.0,
        "limit_queued_workers": 8, "max_workers": 9, "max_new_workers": 3, "max_submissions": 5, "true_pilot": True, "mixture": True,
        "no_heartbeat": {"starting", "running"}, "slave": True,
        "criteria": {"a": "1", "b": "x=y"}, "queue_time_limit_s": 100.0, "heartbeat_limit_s": 90.0, "poll_s": 10.0,
        "keep_s": {"finished": 3600.0, "failed": 7200.0, "cancelled": 0.0, "missed": 1800.0},
        "cache": {"folder": f"{tmp_path}/work/in", "limit": 7_000_000, "limit_files": 8, "high": 6_000_000, "low": 5_000_000,
            "unused_s": 0.0},
        "transfer_patience_s": 7200.0, "logs": {"most": 500_000, "keep_s": 172_800.0, "patience_s": 10_800.0, "live_s": 4.0},
        "access_point": f"{tmp_path}/work/Q/${{workerID}}", "access_root": f"{tmp_path}/work/Q",
        "resources": {
            "batch_queue": "regular", "batch_queues": (), "nodes": 8, "walltime_s": 43200,
            "cores_per_node": 64, "memory_mb": 256000, "gpus_per_node": 4,
        },
    }  # fmt: skip


def test_late_binding_arrives_and_a_pull_queue_fetches_nothing(tmp_path: Path) -> None:
    queues = loaded(tmp_path, {"queues": {"L": {"useJobLateBinding": True}, "P": {"mapType": "NoJob", "nQueueLimitJob": 5}}}).queues
    assert queues["L"].queue.late and queues["L"].queue.limit_jobs
    assert queues["P"].queue.map_type is MapType.NO_JOB and queues["P"].queue.limit_jobs is None


def test_who_shows_logs_is_said_once_for_all_queues_and_a_queue_may_say_otherwise(tmp_path: Path) -> None:
    said = {"name": "directory", "folder": "/web", "url": "https://portal", "maxMB": 3}
    mine = {"A": {}, "B": {"logExposer": {"name": "none"}}, "C": {"logExposer": {"maxMB": 1}}, "D": {"logExposer": {"name": "panda"}}}
    queues = loaded(tmp_path, {"logExposer": said, "queues": mine}).queues
    assert {name: queue.queue.logs and queue.queue.logs.most for name, queue in queues.items()} == {
        "A": 3_000_000, "B": None, "C": 1_000_000, "D": 10_000_000}
    assert dict(queues["C"].sections["logExposer"]) == {**said, "maxMB": 1}
    assert dict(queues["D"].sections["logExposer"]) == {"name": "panda"}


def test_a_section_with_hops_replaces_the_plugin_of_the_facility(tmp_path: Path) -> None:
    hops = {"hops": [{"name": "globus", "sync": 1}, {"name": "rucio_register"}]}
    queue = loaded(tmp_path, {"queues": {"Q": {"stager": hops}}}).queues["Q"]
    assert json.loads(json.dumps(queue.sections["stager"], default=dict)) == hops


@pytest.mark.parametrize("stager", [{"hops": []}, {"hops": [{"sync": 1}]}, {"hops": "globus"}])
def test_hops_are_a_list_of_plugins(tmp_path: Path, stager: Any) -> None:
    with pytest.raises(ConfigurationError):
        loaded(tmp_path, {"queues": {"Q": {"stager": stager}}})


def test_an_object_of_criteria_becomes_text(tmp_path: Path) -> None:
    assert loaded(tmp_path, {"queues": {"Q": {"getJobCriteria": {"a": 1, "b": "x"}}}}).queues["Q"].queue.criteria == {"a": "1", "b": "x"}


def test_the_published_walltime_is_the_walltime_of_a_worker(tmp_path: Path) -> None:
    queue = {"walltimeLimit": 3600, "resources": {"nodes": 2}}
    assert loaded(tmp_path, {"queues": {"Q": queue}}).queues["Q"].queue.resources == Resources(nodes=2, walltime_s=3600)


def test_every_member_of_a_facility_arrives(tmp_path: Path) -> None:
    facility: dict[str, Any] = {
        "name": "there", "title": "There", "launcher": "srun", "account": "m1",
        "prologue": ["module load x", "export A=$B"], "epilogue": ["true"],
        "attributes": {"constraint": "cpu", "exclusive": None, "switches": 1}, "python": "/usr/bin/python3", "requeue": True,
        "workDir": "$SCRATCH/w", "queues": [{"name": "q", "qos": "normal"}], "sources": {"a": "$B"}, "checked": "2026-11-21",
        "notes": ["$"],
    }  # fmt: skip
    found = loaded(tmp_path, {"facility": facility, "queues": {"Q": {}}}).facility
    assert (found.name, found.scheduler, found.launcher, found.account, found.python, found.requeue) == (
        "there", "slurm", "srun", "m1", "/usr/bin/python3", True,
    )  # fmt: skip
    assert found.queues == (BatchQueue(name="q", qos="normal"),)
    assert found.node == NodeShape(cores=64, memory_mb=256_000, gpus=4)
    assert (found.prologue, found.epilogue) == (("module load x", "export A=$B"), ("true",))
    assert found.attributes == {"constraint": "cpu", "exclusive": None, "switches": "1"}
    assert found.work_dir == "/nowhere/scratch/me/w"


def test_the_interpreter_is_ours_unless_the_facility_names_one(tmp_path: Path) -> None:
    assert loaded(tmp_path, {}).facility.python == sys.executable


def test_a_facility_may_be_told_in_the_users_file_alone(tmp_path: Path) -> None:
    sections = {kind: {"name": "some"} for kind in SECTIONS}
    values = {"facility": {"scheduler": "local", "queues": [{"name": "x"}]}, "queues": {"Q": sections}}
    assert load(plain(tmp_path, values), ENVIRON).facility.name == "local"


def test_without_a_facility_the_names_are_listed(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(plain(tmp_path, {"queues": {"Q": {}}}), ENVIRON)
    there = ", ".join(facilities(tmp_path))
    assert "slurm-generic" in there
    assert f"{tmp_path}/harvester.json: extends: is missing: which facility is this? There is: {there}" in caught.value.problems


def test_an_unknown_facility_is_answered_with_the_nearest(tmp_path: Path) -> None:
    lines = problems(tmp_path, {"extends": "slurm-genric"})
    there = ", ".join(facilities(tmp_path))
    assert f"harvester.json: extends: no facility 'slurm-genric'; there is: {there} (did you mean 'slurm-generic'?)" in lines


def test_facilities_extend_each_other_and_the_nearest_to_the_user_wins(tmp_path: Path) -> None:
    write(tmp_path, {"extends": "sub/mine.json", "facility": {"node": {"gpus": 1}}, "queues": {"Q": {"pollInterval": 4}}})
    (tmp_path / "sub").mkdir()
    mine = {
        "extends": "../sub/../site_configs/here.json",
        "node": {"cores": 32, "gpus": 2},
        "defaults": {"pollInterval": 3, "maxWorkers": 7},
    }
    (tmp_path / "sub" / "mine.json").write_text(json.dumps(mine))
    configuration = load(tmp_path, ENVIRON)
    assert configuration.facility.node == NodeShape(cores=32, memory_mb=256_000, gpus=1)
    assert configuration.facility.name == "mine"
    queue = configuration.queues["Q"].queue
    assert (queue.poll_s, queue.max_workers, queue.resources.nodes) == (4, 7, 2)
    assert [file.name for file in configuration.files] == ["harvester.json", "mine.json", "here.json"]


def test_a_facility_of_the_user_wins_over_one_that_comes_along(tmp_path: Path) -> None:
    write(tmp_path, {"extends": "local", "queues": {"Q": {}}})
    (tmp_path / "site_configs" / "local.json").write_text(json.dumps({**SITE, "title": "mine"}))
    assert load(tmp_path, ENVIRON).facility.scheduler == "slurm"


def test_facilities_that_extend_each_other_in_a_circle_are_refused(tmp_path: Path) -> None:
    lines = problems(tmp_path, {"extends": "a"})
    assert any("no facility 'a'" in line for line in lines)
    (tmp_path / "site_configs" / "a.json").write_text('{"extends": "b"}')
    (tmp_path / "site_configs" / "b.json").write_text('{"extends": "a"}')
    assert "site_configs/b.json: extends: goes round in a circle: a -> b -> a" in problems(tmp_path, {"extends": "a"})
    assert any("circle: here -> here" in line for line in problems(tmp_path, {}, {"extends": "here"}))


def test_a_facility_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert f"harvester.json: extends: there is no file {tmp_path}/x.json" in problems(tmp_path, {"extends": "x.json"})


def test_a_section_of_another_plugin_starts_afresh_and_one_of_the_same_is_merged(tmp_path: Path) -> None:
    site = {
        **SITE,
        "defaults": {**SITE["defaults"], "stager": {"name": "a", "x": 1}, "monitor": {"name": "a", "x": 1}, "sweeper": {"name": "a"}},
    }
    queue = {"stager": {"name": "b", "y": [1]}, "monitor": {"y": {"z": 2}}, "sweeper": {"name": "a", "module": "m"}}
    sections = loaded(tmp_path, {"queues": {"Q": queue}}, site).queues["Q"].sections
    assert sections["stager"] == {"name": "b", "y": (1,)}
    assert sections["monitor"] == {"name": "a", "x": 1, "y": {"z": 2}}
    assert sections["sweeper"] == {"name": "a", "module": "m"}


def test_a_section_knows_where_it_was_written(tmp_path: Path) -> None:
    where = loaded(tmp_path, {"queues": {"Q": {"stager": {"y": 1}}}}).queues["Q"].where
    assert where["stager"] == f"{tmp_path}/harvester.json: queues.Q.stager"
    assert where["monitor"] == f"{tmp_path}/site_configs/here.json: defaults.monitor"


def test_a_configuration_cannot_be_changed(tmp_path: Path) -> None:
    configuration = loaded(tmp_path, {"queues": {"Q": {"stager": {"a": {"b": [1]}}}}})
    section: Any = configuration.queues["Q"].sections["stager"]
    for mapping in (configuration.queues, configuration.queues["Q"].sections, section, section["a"], configuration.communicator):
        with pytest.raises(TypeError):
            mapping["x"] = 1  # type: ignore[index]
    with pytest.raises(dataclasses.FrozenInstanceError):
        configuration.instance = "x"  # type: ignore[misc]


def test_agents_have_defaults_and_may_be_told_otherwise(tmp_path: Path) -> None:
    assert loaded(tmp_path, {}).agents.period_s == AGENTS
    agents = {"monitor": {"period": 5}, "heartbeat": 60, "batch": 10, "pool": 2, "leaseLimit": 30, "leaseBeat": 10}
    found = loaded(tmp_path, {"agents": agents}).agents
    assert found.period_s == {**AGENTS, "monitor": 5.0}
    assert (found.heartbeat_s, found.batch, found.pool, found.lease_limit_s, found.lease_beat_s) == (60, 10, 2, 30, 10)


def test_the_communicator_is_the_embedded_one_unless_named(tmp_path: Path) -> None:
    assert loaded(tmp_path, {}).communicator == {"name": "local"}
    assert loaded(tmp_path, {"communicator": {"name": "x", "url": None}}).communicator == {"name": "x", "url": None}


def test_the_tag_tells_instances_users_and_state_folders_apart_and_stays() -> None:
    tags = {tag_of(*who) for who in [("a", "me", Path("/s")), ("b", "me", Path("/s")), ("a", "you", Path("/s")), ("a", "me", Path("/t"))]}
    assert len(tags) == 4
    assert all(len(tag) == 5 and tag.isascii() and tag.isalnum() and tag == tag.lower() for tag in tags)
    assert tag_of("a", "me", Path("/s")) == tag_of("a", "me", Path("/s")) == "mctf1"  # an upgrade must not change it


def test_the_environment_of_cron_changes_neither_instance_nor_tag(tmp_path: Path) -> None:
    first = loaded(tmp_path, {}, environ={**ENVIRON, "USER": "me", "LOGNAME": "me"})
    second = loaded(tmp_path, {}, environ={})
    assert (first.instance, first.tag) == (second.instance, second.tag)


def test_the_instance_and_its_state_folder_may_be_named(tmp_path: Path) -> None:
    configuration = loaded(tmp_path, {"instance": "my-harvester", "stateDir": "$SCRATCH/s"})
    assert (configuration.instance, configuration.state_dir) == ("my-harvester", Path("/nowhere/scratch/me/s"))


def test_another_check_is_reported_with_the_rest_and_sees_the_queues_that_are_right(tmp_path: Path) -> None:
    write(tmp_path, {"extends": "here", "queues": {"good": {}, "bad": {"maxWorkers": "5"}}})
    seen: list[str] = []

    def also(configuration: Any) -> list[str]:
        seen.extend(configuration.queues)
        return ["a plugin is wrong"]

    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, ENVIRON, also=also)
    assert seen == ["good"]
    assert caught.value.what == f"the configuration in {tmp_path} has 2 problems"
    assert [line.split(": ")[1] for line in caught.value.problems[:1]] == ["queues.bad.maxWorkers"]
    assert caught.value.problems[1] == "a plugin is wrong"


def test_what_is_possible_and_odd_is_a_warning(tmp_path: Path) -> None:
    def warnings(**queue: Any) -> list[str]:
        found = loaded(tmp_path, {"queues": {"Q": queue}}).warnings
        return [line.removeprefix(f"{tmp_path}/harvester.json: queues.Q.") for line in found]

    assert warnings(nQueueLimitWorker=5, maxWorkers=5) == []
    assert warnings(nQueueLimitWorker=6, maxWorkers=5) == ["nQueueLimitWorker: 6 is more than maxWorkers, 5, which comes first"]
    assert warnings(maxWorkers=0) == ["maxWorkers: 0 means no limit but the others; to submit nothing say nQueueLimitWorker 0"]
    assert warnings(nQueueLimitWorker=0) == ["nQueueLimitWorker: 0 keeps the queue still: it gets no new workers"]
    assert of_queue(tmp_path, {"maxWorkers": 0}) == []
