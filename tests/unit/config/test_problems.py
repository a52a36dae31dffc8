"""Everything that is wrong is said at once, each with file, way and what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.config.later import LATER, MAP_TYPES
from harvester_hpc.config.load import load
from harvester_hpc.errors import ConfigurationError
from tests.unit.config.instance import ENVIRON, SITE, loaded, of_queue, problems, write

#: Every attribute of the published list and of the defaults of the existing program.
PUBLISHED = """
prodSourceLabel prodSourceLabelRandomWeightsPermille nQueueLimitJob nQueueLimitJobRatio nQueueLimitJobMax nQueueLimitJobMin
nQueueLimitWorker maxWorkers maxNewWorkersPerCycle truePilot runMode allowJobMixture mapType useJobLateBinding queueName
pandaQueueName zipPerMB siteName siteFamily nNewWorkers noHeartbeat resourceType jobType getJobCriteria ddmEndpointIn
maxSubmissionAttempts queueStatus prefetchEvents uniqueName configID initEventsMultipler initEventsMultiplier nQueueLimitWorkerMax
nQueueLimitWorkerRatio nQueueLimitWorkerMin nQueueLimitWorkerCores nQueueLimitWorkerCoresRatio nQueueLimitWorkerCoresMin
nQueueLimitWorkerMemory nQueueLimitWorkerMemoryRatio nQueueLimitWorkerMemoryMin nQueueLimitJobCores nQueueLimitJobCoresRatio
nQueueLimitJobCoresMin prioritizedProdSourceLabels scatteredEvents noPilotsWhenNoActiveJobs nCoreFactor walltimeLimit resource rpc
credmanagers file_syncer throttler extractor aux_preparator zipper common isTemplateQueue templateQueueName
"""

CORI = """
{"extends": "here",
 "queues": {"NERSC_Cori_p2_mcore": {"mapType":"ManyToOne","____comment_____useJobLateBinding":true,"maxWorkers":5,"allowJobMixture":true,
 "nQueueLimitJob":3000,"nQueueLimitWorker":5,"prodSourceLabel":"managed","zipPerMB":256,
 "submitter":{"module":"pandaharvester.harvestersubmitter.slurm_submitter","name":"SlurmSubmitter","nCore":27200,"nCorePerNode":136,
   "templateFile":"/global/cfs/cdirs/m2616/harvester/etc/panda/NERSC_Cori_p2_mcore_ManyToOne_pilot-wrapper.slurm.template"},
 "workerMaker":{"module":"pandaharvester.harvesterworkermaker.simple_worker_maker","name":"SimpleWorkerMaker","nJobsPerWorker":200},
 "messenger":{"module":"pandaharvester.harvestermessenger.shared_file_messenger","name":"SharedFileMessenger",
   "accessPoint":"/nowhere/cscratch1/workdir/panda/${workerID}","stripJobParams":true,"scanInPostProcess":true,
   "outputSubDir":"outputs","leftOverPatterns":["%OUTPUT_FILE.%TASKID-%PANDAID-\\\\d+-\\\\d+-\\\\d+$"]},
 "preparator":{"module":"pandaharvester.harvesterpreparator.go_bulk_preparator","name":"GlobusBulkPreparator","srcEndpoint":"c67b1eee"},
 "stager":{"module":"pandaharvester.harvesterstager.go_bulk_stager","name":"GlobusBulkStager","zipDir":"${WORKDIR}","nThreadsForZip":8},
 "monitor":{"module":"pandaharvester.harvestermonitor.slurm_monitor","name":"SlurmMonitor"},
 "sweeper":{"module":"pandaharvester.harvestersweeper.slurm_sweeper","name":"SlurmSweeper"}}}}
"""


def test_a_real_block_of_a_published_queue_file_gets_a_complete_list(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(write(tmp_path, CORI), ENVIRON)
    way = f"{tmp_path}/harvester.json: queues.NERSC_Cori_p2_mcore."
    for_upstream = {
        f"{way}{kind}.module: pandaharvester.harvester{module} is a part of PanDA Harvester: "
        "`harvester-hpc config import` names ours in its place"
        for kind, module in {
            "submitter": "submitter.slurm_submitter",
            "workerMaker": "workermaker.simple_worker_maker",
            "messenger": "messenger.shared_file_messenger",
            "preparator": "preparator.go_bulk_preparator",
            "stager": "stager.go_bulk_stager",
            "monitor": "monitor.slurm_monitor",
            "sweeper": "sweeper.slurm_sweeper",
        }.items()
    }
    assert set(caught.value.problems) == for_upstream


def test_problems_of_all_kinds_and_places_are_reported_together(tmp_path: Path) -> None:
    values = {
        "instanze": "x", "stateDir": 5, "agents": {"monitr": {"period": 3}, "batch": 0, "stager": {"period": "30"}},
        "facility": {"node": {"coers": 4}, "account": ["m1"]},
        "communicator": {"module": "m"},
        "queues": {"A": {"nQueueLimitWorkr": 5, "resources": {"nodes": "2"}}, "B": {"stager": {"name": ""}, "monitor": "psij"}, "C": 5},
    }  # fmt: skip
    assert sorted(line.split("; it is")[0] for line in problems(tmp_path, values)) == [
        "harvester.json: agents.batch: must be at least 1",
        "harvester.json: agents.monitr: unknown key (did you mean 'monitor'?)",
        "harvester.json: agents.stager.period: must be a number",
        "harvester.json: communicator.name: is missing",
        "harvester.json: facility.account: must be text",
        "harvester.json: facility.node.coers: unknown key (did you mean 'cores'?)",
        "harvester.json: instanze: unknown key (did you mean 'instance'?)",
        "harvester.json: queues.A.nQueueLimitWorkr: unknown key (did you mean 'nQueueLimitWorker'?)",
        "harvester.json: queues.A.resources.nodes: must be a whole number",
        "harvester.json: queues.B.monitor: must be an object",
        'harvester.json: queues.B.stager: names no plugin; say {"name": ...} or {"hops": [{"name": ...}]}',
        "harvester.json: queues.C: must be an object",
        "harvester.json: stateDir: must be text",
    ]


def test_a_wrong_key_or_type_does_not_hide_what_else_is_wrong_with_the_queue(tmp_path: Path) -> None:
    queue = {
        "nQueueLimitWorkr": 3,
        "maxWorkers": "5",
        "mapType": "NoJobs",
        "resources": {"nodes": 9, "walltime": "soon", "coresPerNode": 65, "memoryMb": 1},
        "messenger": {"accessPoint": "/${workerID}"},
    }
    assert sorted(line.split(": ")[0] for line in of_queue(tmp_path, queue)) == [
        "mapType",
        "maxWorkers",
        "messenger.accessPoint",
        "nQueueLimitWorkr",
        "resources.coresPerNode",
        "resources.memoryMb",
        "resources.nodes",
        "resources.walltime",
    ]


def test_what_is_wrong_already_is_not_blamed_again_for_what_it_would_have_been(tmp_path: Path) -> None:
    assert len(of_queue(tmp_path, {"resources": {"nodes": "2"}})) == 1, "a worker of one node, the default, would be too small"
    assert len(of_queue(tmp_path, {"messenger": {"accessPoint": 5}})) == 1
    assert len(of_queue(tmp_path, {"resources": 5})) == 1
    assert len(problems(tmp_path, {"facility": {"scheduler": 5}})) == 1
    assert len(problems(tmp_path, {"facility": {"queues": [{"nam": "x"}]}})) == 2, "the unknown key and the missing one"
    queue = {"resources": {"nodes": 9, "coresPerNode": 60}}
    assert len(problems(tmp_path, {"facility": {"node": {"cores": "64"}}, "queues": {"Q": queue}})) == 1


def test_a_facility_that_is_not_found_is_the_only_problem(tmp_path: Path) -> None:
    assert len(problems(tmp_path, {"extends": "hre"})) == 1
    assert len(problems(tmp_path, {}, {"extends": "nowhere"})) == 1
    assert len(problems(tmp_path, {"extends": "hre", "queues": {"Q": {"maxWorkrs": 1}}})) == 2


def test_a_problem_of_the_facilitys_file_is_reported_once_and_in_that_file(tmp_path: Path) -> None:
    site = {**SITE, "schedular": "slurm", "defaults": {**SITE["defaults"], "maxWorkrs": 5}}
    assert problems(tmp_path, {"queues": {"A": {}, "B": {}}}, site) == [
        "site_configs/here.json: schedular: unknown key (did you mean 'scheduler'?)",
        "site_configs/here.json: defaults.maxWorkrs: unknown key (did you mean 'maxWorkers'?)",
    ]


def test_duplicate_keys_and_missing_variables_are_reported_with_the_rest(tmp_path: Path) -> None:
    text = '{"extends": "here", "queues": {"Q": {"siteName": "$NOBODY", "maxWorkers": 1, "maxWorkers": -1}}}'
    with pytest.raises(ConfigurationError) as caught:
        load(write(tmp_path, text), ENVIRON)
    assert [line.split("queues.Q.")[1].split(";")[0] for line in caught.value.problems] == [
        "maxWorkers: stands twice in the same object",
        "siteName: the environment has no variable NOBODY",
        "maxWorkers: must be at least 0",
    ]


@pytest.mark.parametrize("attribute", PUBLISHED.split())
def test_every_published_attribute_is_known(tmp_path: Path, attribute: str) -> None:
    assert not [line for line in of_queue(tmp_path, {attribute: [["nonsense"]]}) if "unknown key" in line]
    assert of_queue(tmp_path, {attribute: [["nonsense"]]}), "nonsense is refused, not ignored"


@pytest.mark.parametrize("attribute", sorted(LATER))
def test_an_attribute_whose_behaviour_comes_later_is_accepted_only_where_it_asks_for_nothing(tmp_path: Path, attribute: str) -> None:
    later = LATER[attribute]
    for neutral in later.neutral:
        assert of_queue(tmp_path, {attribute: neutral}) == []
    for value in (17, "x", {"a": 1}, [1], 0.5, 1.0):
        assert of_queue(tmp_path, {attribute: value}) == [f"{attribute}: {later.what}: not yet; leave it out (it is {json.dumps(value)})"]


def test_a_template_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert of_queue(tmp_path, {"templateQueueName": "T"}) == ["templateQueueName: there is no template T"]


def test_a_mode_or_a_state_that_there_is_not_is_answered_with_those_that_there_are(tmp_path: Path) -> None:
    assert of_queue(tmp_path, {"runMode": "slave", "noHeartbeat": "running, finished"}) == []
    assert "'self' or 'slave'" in of_queue(tmp_path, {"runMode": "master"})[0]
    assert "'running'" in of_queue(tmp_path, {"noHeartbeat": "runing"})[0]


@pytest.mark.parametrize(("word", "is_right"), [("OneToOne", True), ("ManyToOne", True), ("OneToMany", False), ("NoJob", False)])
def test_late_binding_wants_a_map_type_whose_workers_get_jobs_of_their_own(tmp_path: Path, word: str, is_right: bool) -> None:
    lines = of_queue(tmp_path, {"useJobLateBinding": True, "mapType": word})
    assert lines == ([] if is_right else [f"useJobLateBinding: wants mapType OneToOne or ManyToOne; it is {word}"])


def test_every_map_type_is_either_there_or_not_yet(tmp_path: Path) -> None:
    there = {word for word, what in MAP_TYPES.items() if not what}
    assert there == {"OneToOne", "ManyToOne", "OneToMany", "NoJob"}
    for word in there:
        assert of_queue(tmp_path, {"mapType": word}) == []
    for word in set(MAP_TYPES) - there:
        (line,) = of_queue(tmp_path, {"mapType": word})
        assert line.startswith(f"mapType: {word} (")
        assert "not yet" in line
    assert "mapType: must be 'OneToOne', 'ManyToOne', 'OneToMany' or 'NoJob'" in of_queue(tmp_path, {"mapType": "OneToTwo"})[0]


def test_many_jobs_in_a_worker_want_a_map_type_and_a_launcher_for_them(tmp_path: Path) -> None:
    maker = {"name": "multi_job", "nJobsPerWorker": 8}
    assert of_queue(tmp_path, {"mapType": "ManyToOne", "workerMaker": maker}) == []
    (line,) = of_queue(tmp_path, {"workerMaker": maker})
    assert line.startswith("workerMaker.nJobsPerWorker: 8 jobs to a worker want mapType ManyToOne")
    (line,) = of_queue(tmp_path, {"mapType": "ManyToOne", "workerMaker": maker, "resources": {"nodes": 3}}, facility={"launcher": "single"})
    assert line.startswith("resources.nodes: 3 nodes want a launcher that starts on all of them")


def test_two_spellings_of_a_multiplier_must_agree(tmp_path: Path) -> None:
    assert of_queue(tmp_path, {"initEventsMultipler": 3}) == []
    assert of_queue(tmp_path, {"initEventsMultipler": 3, "initEventsMultiplier": 3}) == []
    assert "keep one" in of_queue(tmp_path, {"initEventsMultipler": 3, "initEventsMultiplier": 2})[0]


@pytest.mark.parametrize(("key", "name"), [("pandaQueueName", "Other"), ("queueName", "Other")])
def test_a_queue_under_another_name_is_not_yet(tmp_path: Path, key: str, name: str) -> None:
    assert "not yet" in of_queue(tmp_path, {key: name})[0]
    assert of_queue(tmp_path, {key: "Q"}) == []


@pytest.mark.parametrize(
    ("resources", "lines"),
    [
        ({"nodes": 2, "walltime": 43200, "coresPerNode": 64, "memoryMB": 256_000, "gpusPerNode": 4}, []),
        ({"nodes": 8}, []),
        ({"nodes": 9}, ["resources.nodes: 9 is more than batch queue regular has, 8"]),
        ({"nodes": 1}, ["resources.nodes: 1 is less than batch queue regular accepts, 2"]),
        ({"walltime": "12:00:01"}, ["resources.walltime: 43201 s is longer than batch queue regular allows, 43200 s"]),
        ({"coresPerNode": 65}, ["resources.coresPerNode: 65 is more than a node has, 64 (facility.node.cores)"]),
        ({"memoryMB": 256_001}, ["resources.memoryMB: 256001 is more than a node has, 256000 (facility.node.memoryMB)"]),
        ({"gpusPerNode": 5}, ["resources.gpusPerNode: 5 is more than a node has, 4 (facility.node.gpus)"]),
        ({"batchQueue": "debug", "nodes": 1, "walltime": 1800}, []),
        (
            {"batchQueue": "debug", "nodes": 1, "walltime": 1801},
            ["resources.walltime: 1801 s is longer than batch queue debug allows, 1800 s"],
        ),
        ({"batchQueue": "debugg"}, ["resources.batchQueue: no batch queue 'debugg'; there is: regular, debug (did you mean 'debug'?)"]),
        (
            {"nodes": 100, "walltime": "3-00:00:00", "gpusPerNode": 9},
            [
                "resources.gpusPerNode: 9 is more than a node has, 4 (facility.node.gpus)",
                "resources.nodes: 100 is more than batch queue regular has, 8",
                "resources.walltime: 259200 s is longer than batch queue regular allows, 43200 s",
            ],
        ),
        ({"walltime": 0}, ["resources.walltime: must be at least 1; it is 0"]),
        ({"walltime": "0:00:00"}, ["resources.walltime: must be at least 1; it is 0"]),
        (
            {"walltime": "soon"},
            ['resources.walltime: must be seconds (a whole number), or text such as "12:00:00" or "2-00:00:00"; it is "soon"'],
        ),
        ({"nodes": True}, ["resources.nodes: must be a whole number; it is true"]),
        ({"nodes": 1.5}, ["resources.nodes: must be a whole number; it is 1.5"]),
    ],
)
def test_impossible_numbers_are_refused_and_the_limit_itself_is_not(tmp_path: Path, resources: dict[str, Any], lines: list[str]) -> None:
    assert of_queue(tmp_path, {"resources": resources}) == lines


BINS = [{"maxNodes": 2, "maxWalltime": "2:00:00"}, {"minNodes": 4, "maxNodes": 8, "maxWalltime": "12:00:00"}]


@pytest.mark.parametrize(("resources", "line"), [
    ({"nodes": 2, "walltime": 7200}, ""), ({"nodes": 8, "walltime": 43200}, ""),
    ({"nodes": 2, "walltime": 7201}, "resources.walltime: 7201 s is longer than batch queue batch allows with 2 node(s), 7200 s"),
    ({"nodes": 3}, "resources.nodes: 3 is in no bin of batch queue batch; there is: 1 to 2, 4 to 8"),
])
def test_a_worker_keeps_to_the_walltime_of_its_size(tmp_path: Path, resources: dict[str, Any], line: str) -> None:
    facility = {"queues": [{"name": "batch", "bins": BINS}]}
    assert of_queue(tmp_path, {"resources": resources}, facility=facility) == ([line] if line else [])


@pytest.mark.parametrize(("bins", "line"), [
    ([{"minNodes": 3, "maxNodes": 2, "maxWalltime": 1}], "harvester.json: facility.queues[0].bins[0].maxNodes: 2 is less than minNodes, 3"),
    ([*BINS, BINS[0]],
     "harvester.json: facility.queues[0].bins[2].minNodes: 1 is in the bin before, which goes to 8; the smallest come first"),
])
def test_bins_that_contradict_each_other_are_named(tmp_path: Path, bins: list[Any], line: str) -> None:
    assert line in problems(tmp_path, {"facility": {"queues": [{"name": "batch", "bins": bins}]}})


def test_a_limit_may_stand_in_the_section_of_the_worker_maker_and_contradicts_nobody(tmp_path: Path) -> None:
    section = {"maxWorkersPerJobInTotal": 4, "maxWorkersPerJobPerCycle": 3}
    assert of_queue(tmp_path, {"workerMaker": section, "maxWorkersPerJobInTotal": 4}) == []
    found = loaded(tmp_path, {"queues": {"Q": {"workerMaker": section}}}).queues["Q"].queue
    assert (found.workers_per_job_in_total, found.workers_per_job_per_cycle) == (4, 3)
    (line,) = of_queue(tmp_path, {"workerMaker": section, "maxWorkersPerJobPerCycle": 2})
    assert line == "workerMaker.maxWorkersPerJobPerCycle: is 3, and that of the queue is 2; keep one"


def test_a_memory_that_is_not_known_limits_nothing(tmp_path: Path) -> None:
    assert of_queue(tmp_path, {"resources": {"memoryMB": 10**6}}, facility={"node": {"memoryMB": 0}}) == []


def test_the_published_walltime_has_the_same_limit_and_contradicts_nobody(tmp_path: Path) -> None:
    assert of_queue(tmp_path, {"walltimeLimit": 43201}) == ["walltimeLimit: 43201 s is longer than batch queue regular allows, 43200 s"]
    assert of_queue(tmp_path, {"walltimeLimit": 60, "resources": {"walltime": "0:01:00"}}) == []
    assert of_queue(tmp_path, {"walltimeLimit": 60, "resources": {"walltime": 61}}) == [
        "walltimeLimit: is 60 s, and resources.walltime is 61 s; keep one"
    ]


@pytest.mark.parametrize(
    ("facility", "line"),
    [
        ({"scheduler": "slrum"}, "scheduler: no scheduler 'slrum'; there is: local, slurm, pbs, pbs_classic, lsf (did you mean 'slurm'?)"),
        ({"scheduler": "flux"}, "scheduler: 'flux' is not yet supported; there is: local, slurm, pbs, pbs_classic, lsf"),
        ({"launcher": "ibrun"}, "launcher: 'ibrun' is not yet supported; there is: single, srun, mpiexec, openmpi, pals, jsrun, aprun"),
        ({"launcher": ""}, "launcher: is missing; there is: single, srun, mpiexec, openmpi, pals, jsrun, aprun"),
        (
            {"launcher": "mpirun"},
            "launcher: 'mpirun' is the name of several programs: say openmpi for that of Open MPI, mpiexec for that of MPICH or Intel MPI",
        ),
        ({"binding": "core"}, "binding: no binding 'core'; there is: none, cores (did you mean 'cores'?)"),
        (
            {"launchTemplate": ["ibrun", "-n", "{rank}"]},
            (
                "launchTemplate[2]: no field {rank}; there is: nodes, ranks, ranks_per_node, cores_per_rank, cores_per_node, gpus_per_node"
                " (did you mean 'ranks'?)"
            ),
        ),
        ({"queues": []}, 'queues: names no queue of the batch system; at least one, such as [{"name": "batch"}]'),
        ({"queues": [{"name": "regular", "minNodes": 2}, {"name": "regular"}]}, "queues[1].name: 'regular' stands twice"),
        ({"queues": [{"name": "a", "minNodes": 2, "maxNodes": 1}]}, "queues[0].maxNodes: 1 is less than minNodes, 2"),
        ({"queues": [{"name": "a b"}]}, 'queues[0].name: has characters that it must not have; it is "a b"'),
        ({"queues": [{"minNodes": 2}]}, "queues[0].name: is missing"),
        (
            {"attributes": {"--qos": "x"}},
            (
                "attributes.--qos: is no option of a submit command; write its name without dashes, "
                "such as constraint, or l.filesystems for PBS"
            ),
        ),
        ({"attributes": {"qos": ["x"]}}, 'attributes.qos: must be text; it is ["x"]'),
        ({"prologue": "module load x"}, 'prologue: must be a list; it is "module load x"'),
        ({"account": "a\nb"}, 'account: has characters that it must not have; it is "a\\nb"'),
        ({"workDir": ""}, 'workDir: must not be empty; it is ""'),
    ],
)
def test_what_is_wrong_with_a_facility_is_said(tmp_path: Path, facility: dict[str, Any], line: str) -> None:
    lines = problems(tmp_path, {"facility": facility})
    assert f"harvester.json: facility.{line}" in lines


@pytest.mark.parametrize("name", ["", "a b", "../x", "a/b", "-a", "x" * 101, "MY_TEMPLATE", "ä"])
def test_a_queue_has_a_name_that_can_be_a_folder(tmp_path: Path, name: str) -> None:
    assert len(problems(tmp_path, {"queues": {name: {}}})) == 1


def test_an_instance_without_queues_is_a_problem(tmp_path: Path) -> None:
    assert problems(tmp_path, {"queues": {}}) == ['harvester.json: queues: names no queue; at least one, such as {"MY_QUEUE": {}}']


def test_every_section_must_be_there(tmp_path: Path) -> None:
    lines = problems(tmp_path, {}, {**SITE, "defaults": {"resources": {"nodes": 2}}})
    assert [line.split(".")[3].split(":")[0] for line in lines if "the section is missing" in line] == [
        "preparator", "workerMaker", "submitter", "messenger", "monitor", "stager", "sweeper",
    ]  # fmt: skip
    assert len(lines) == 7


def test_a_lease_that_one_late_beat_would_cost_is_refused(tmp_path: Path) -> None:
    assert problems(tmp_path, {"agents": {"leaseLimit": 60, "leaseBeat": 20}}) == []
    (line,) = problems(tmp_path, {"agents": {"leaseLimit": 60, "leaseBeat": 21}})
    assert line.startswith("harvester.json: agents.leaseBeat: 21 s exceeds a third of leaseLimit, 60 s")


@pytest.mark.parametrize("text", ["a", "a=1,b", "=1"])
def test_criteria_that_are_no_pairs_are_refused(tmp_path: Path, text: str) -> None:
    assert of_queue(tmp_path, {"getJobCriteria": text}) == [
        f'getJobCriteria: must be an object, or text such as "key=value,key=value"; it is "{text}"'
    ]
