"""What is started in an allocation, and with which line: settings and facility in, argv out."""
from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from harvester_hpc.errors import ConfigurationError
from harvester_hpc.model.facility import Facility
from harvester_hpc.model.queue import Queue, Resources
from harvester_hpc.model.worker import MapType, Worker, WorkerId, WorkerPlan, WorkerState
from harvester_hpc.ports.context import Context
from harvester_hpc.registry import Registry
from harvester_launch.__main__ import parser
from harvester_launch.yoda_options import YodaOptions, options_of
from harvester_psij import yoda_settings
from harvester_psij.launch_line import LAUNCHERS, Tasks, launch_line
from harvester_psij.programs import program, tasks_of, way_of
from harvester_psij.submitter import PsijSubmitter, SubmitterSettings
from harvester_psij.yoda_settings import YodaSettings

RANKS = Tasks(nodes=2, per_node=3, cores_per_node=13, gpus_per_node=4, ranks=True)
NODES = Tasks(nodes=2, cores_per_node=8, apart=True)
ONE = Tasks(cores_per_node=8)

UNBOUND = {
    "single": "",
    "srun": "srun --nodes=2 --ntasks=6 --ntasks-per-node=3 --overcommit --cpu-bind=none --overlap --export=ALL --kill-on-bad-exit=1"
            " --wait=0 --mpi=pmi2 --gpus-per-node=4 --gpu-bind=none",
    "mpiexec": "mpiexec -n 6 -ppn 3 -bind-to none",
    "openmpi": "mpirun -n 6 --map-by ppr:3:node:OVERSUBSCRIBE --bind-to none",
    "pals": "mpiexec -n 6 --ppn 3 --envall --cpu-bind none",
    "jsrun": "jsrun -n 2 -r 1 -a 3 -c 13 -g 4 -d packed -b none",
    "aprun": "aprun -n 6 -N 3 -d 4 -cc none",
}
BOUND = {
    "single": "",
    "srun": "srun --nodes=2 --ntasks=6 --ntasks-per-node=3 --cpus-per-task=4 --cpu-bind=cores --overlap --export=ALL --kill-on-bad-exit=1"
            " --wait=0 --mpi=pmi2 --gpus-per-node=4 --gpu-bind=none",
    "mpiexec": "mpiexec -n 6 -ppn 3 -bind-to core:4",
    "openmpi": "mpirun -n 6 --map-by ppr:3:node:PE=4:OVERSUBSCRIBE --bind-to core",
    "pals": "mpiexec -n 6 --ppn 3 --envall --depth 4 --cpu-bind depth",
    "jsrun": "jsrun -n 2 -r 1 -a 3 -c 13 -g 4 -d packed -b packed:4",
    "aprun": "aprun -n 6 -N 3 -d 4 -cc depth",
}
APART = {
    "single": "",
    "srun": "srun --nodes=2 --ntasks=2 --ntasks-per-node=1 --cpus-per-task=8 --overlap --export=ALL --kill-on-bad-exit=0 --wait=0"
            " --no-kill",
    "mpiexec": "mpiexec -n 2 -ppn 1 -bind-to none -disable-auto-cleanup",
    "openmpi": "mpirun -n 2 --map-by ppr:1:node:OVERSUBSCRIBE --bind-to none --runtime-options error-nonzero-status=false",
    "pals": "mpiexec -n 2 --ppn 1 --envall --cpu-bind none --no-abort-on-failure",
    "jsrun": "jsrun -n 2 -r 1 -a 1 -c 8 -d packed -b none",
    "aprun": "aprun -n 2 -N 1 -d 8 -cc none",
}
ALONE = {
    "single": "",
    "srun": "srun --nodes=1 --ntasks=1 --ntasks-per-node=1 --cpus-per-task=8 --overlap --export=ALL",
    "mpiexec": "mpiexec -n 1 -ppn 1 -bind-to none",
    "openmpi": "mpirun -n 1 --map-by ppr:1:node:OVERSUBSCRIBE --bind-to none",
    "pals": "mpiexec -n 1 --ppn 1 --envall --cpu-bind none",
    "jsrun": "jsrun -n 1 -r 1 -a 1 -c 8 -d packed -b none",
    "aprun": "aprun -n 1 -N 1 -d 8 -cc none",
}


def facility(launcher: str, **more: object) -> Facility:
    return dataclasses.replace(Facility(name="f", scheduler="slurm", launcher=launcher, mpi="pmi2"), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(("tasks", "binding", "lines"), [
    (RANKS, "none", UNBOUND), (RANKS, "cores", BOUND), (NODES, "none", APART), (NODES, "cores", APART), (ONE, "cores", ALONE),
], ids=["unbound", "bound", "apart", "apart whatever the binding", "alone"])
def test_each_launcher_has_its_line(tasks: Tasks, binding: str, lines: dict[str, str]) -> None:
    found = {name: " ".join(launch_line(facility(name, binding=binding), tasks, [])) for name in LAUNCHERS}
    assert found == lines


def test_a_template_takes_the_place_of_the_launcher_and_options_come_last() -> None:
    fields = ("{nodes}x{ranks_per_node}", "{cores_per_rank}/{cores_per_node}", "{gpus_per_node}", "{other}")
    template = ("ibrun", "-n", "{ranks}", "-o", *fields)
    site = facility("nosuch", launch_template=template, launch_options=("--fast",))
    assert launch_line(site, RANKS, ["program"]) == ["ibrun", "-n", "6", "-o", "2x3", "4/13", "4", "{other}", "--fast", "program"]
    assert launch_line(facility("mpiexec", launch_options=("-v",)), ONE, ["p"])[-2:] == ["-v", "p"]
    assert launch_line(facility("single", launch_options=("-v",)), ONE, ["p"]) == ["p"]


def test_the_launcher_beside_the_interpreter_is_taken_before_the_one_on_path(tmp_path: Path) -> None:
    (tmp_path / "mpiexec").touch()
    python = str(tmp_path / "python")
    assert launch_line(facility("mpiexec", python=python), ONE, [])[0] == str(tmp_path / "mpiexec")
    assert launch_line(facility("pals", python=python), ONE, [])[0] == "mpiexec"
    assert launch_line(facility("openmpi", python=python), ONE, [])[0] == "mpirun"
    assert launch_line(facility("mpiexec", python=python, launcher_path="/opt/mpi/mpiexec"), ONE, [])[0] == "/opt/mpi/mpiexec"


# -- what is started --------------------------------------------------------------------------------


def worker(map_type: MapType, nodes: int = 2, cores: int = 16) -> Worker:
    return Worker(
        id=WorkerId(7), queue="Q", map_type=map_type, state=WorkerState.PLANNED, key="k", access_point="/a/7",
        plan=WorkerPlan(nodes=nodes, cores=cores, walltime_s=600, gpus_per_node=2),
    )


def test_what_is_started_belongs_to_the_map_type() -> None:
    assert {kind: way_of(kind, "", ()) for kind in MapType} == {
        MapType.ONE_TO_ONE: "single", MapType.ONE_TO_MANY: "yoda", MapType.MANY_TO_ONE: "multijob", MapType.NO_JOB: "pull",
    }
    assert way_of(MapType.ONE_TO_MANY, "", ("pilot",)) == "single"
    assert way_of(MapType.ONE_TO_MANY, "single", ()) == "single"


def test_yoda_has_two_ranks_on_each_node_and_never_less_than_two() -> None:
    tasks = tasks_of(worker(MapType.ONE_TO_MANY), "yoda", YodaSettings())
    assert (tasks.nodes, tasks.per_node, tasks.number, tasks.cores_per_node, tasks.ranks) == (2, 2, 4, 8, True)
    assert tasks_of(worker(MapType.ONE_TO_MANY), "yoda", YodaSettings(ranks_per_node=1)).number == 2
    assert tasks_of(worker(MapType.ONE_TO_MANY, nodes=1), "yoda", YodaSettings(ranks_per_node=1)).number == 2
    assert tasks_of(worker(MapType.MANY_TO_ONE), "multijob", YodaSettings()).apart
    assert tasks_of(worker(MapType.ONE_TO_ONE), "single", YodaSettings()).number == 1


def as_given(yoda: YodaSettings) -> YodaOptions:
    one = worker(MapType.ONE_TO_MANY)
    argv = program(one, "python3", "yoda", tasks_of(one, "yoda", yoda), (), yoda)
    assert argv[:4] == ["python3", "-m", "harvester_launch", "yoda"]
    return options_of(parser().parse_args(argv[3:]))


def test_the_launcher_understands_every_setting() -> None:
    every = YodaSettings(
        ranks_per_node=4, payload_mode="lines", cores_per_payload=2, slots=3, pin_cores=True, gpus_per_payload=1,
        gpu_variable="ZE_AFFINITY_MASK", margin_s=11.5, grace_s=12.0, range_limit_s=13.0, tries=4, lead_s=15.0, idle_limit_s=16.0,
        publish_count=17, publish_s=0.25, unread_limit=19, heartbeat_s=20.0, out_suffix=".root",
    )
    assert all(getattr(every, field.name) != field.default for field in dataclasses.fields(every))
    given = as_given(every)
    assert (given.ranks, given.walltime_s, given.access_point) == (8, 600, Path("/a/7"))
    sharing = given.sharing
    assert (sharing.cores_per_node, sharing.pin_cores, sharing.gpus_per_payload, sharing.gpus_per_node) == (8, True, 1, 2)
    assert sharing.gpu_variable == "ZE_AFFINITY_MASK"
    assert (given.mode, given.cores_per_payload, given.slots, given.margin_s, given.grace_s, given.limit_s) == ("lines", 2, 3, 11.5, 12, 13)
    assert (given.tries, given.lead_s, given.idle_s, given.publish_count, given.publish_s, given.unread_limit) == (4, 15, 16, 17, 0.25, 19)
    assert (given.heartbeat_s, given.suffix) == (20, ".root")


def test_both_sides_have_the_same_defaults() -> None:
    ours = YodaSettings()
    names = {"payload_mode": "mode", "idle_limit_s": "idle_s", "range_limit_s": "limit_s", "out_suffix": "suffix"}
    options = as_given(ours)
    of_sharing = {"pin_cores", "gpus_per_payload", "gpu_variable"}
    for field in dataclasses.fields(ours):
        if field.name != "ranks_per_node":
            place = options.sharing if field.name in of_sharing else options
            assert getattr(place, names.get(field.name, field.name)) == getattr(ours, field.name), field.name


def test_a_variable_for_gpus_is_known_on_both_sides() -> None:
    from harvester_launch.seats import GPU_VARIABLES

    assert sorted(GPU_VARIABLES) == sorted(yoda_settings.GPU_VARIABLES)


# -- what cannot be started -------------------------------------------------------------------------


def context(launcher: str, map_type: MapType, walltime_s: int | None = None) -> Context:
    queue = Queue(name="Q", map_type=map_type, resources=Resources(walltime_s=walltime_s))
    return Context(instance="i", tag="abcde", state_dir=Path("/s"), facility=facility(launcher), queue=queue)


@pytest.mark.parametrize(("launcher", "map_type", "settings", "words"), [
    ("single", MapType.ONE_TO_MANY, SubmitterSettings(), "'yoda' is started by MPI, and facility.launcher is 'single'"),
    ("single", MapType.ONE_TO_ONE, SubmitterSettings(launch="check"), "'check' is started by MPI"),
    ("srun", MapType.ONE_TO_MANY, SubmitterSettings(launch="yodda"), "there is: yoda, single, check (did you mean 'yoda'?)"),
    ("srun", MapType.MANY_TO_ONE, SubmitterSettings(launch="yoda"), "no way 'yoda' for ManyToOne; there is: multijob"),
    ("srun", MapType.NO_JOB, SubmitterSettings(launch="single"), "no way 'single' for NoJob; there is: pull"),
    ("srun", MapType.ONE_TO_MANY, SubmitterSettings(launch="yoda", pilot=("p",)), "say launch 'single'"),
    ("single", MapType.NO_JOB, SubmitterSettings(), "pilot: mapType NoJob wants a pilot"),
    ("srun", MapType.ONE_TO_MANY, SubmitterSettings(yoda=YodaSettings(tries=0)), "yoda.tries: is 0; it must be 1 at least"),
    ("srun", MapType.ONE_TO_MANY, SubmitterSettings(yoda=YodaSettings(tries=101)), "100 at most"),
    ("srun", MapType.ONE_TO_MANY, SubmitterSettings(yoda=YodaSettings(margin_s=-1.0)), "yoda.margin_s: is -1"),
    ("srun", MapType.ONE_TO_MANY, SubmitterSettings(yoda=YodaSettings(idle_limit_s=0.0)), "yoda.idle_limit_s: is 0; it must be above 0"),
    ("srun", MapType.ONE_TO_MANY, SubmitterSettings(yoda=YodaSettings(payload_mode="line")), "there is: bunch, lines"),
    ("srun", MapType.ONE_TO_MANY, SubmitterSettings(yoda=YodaSettings(gpu_variable="CUDA")), "there is: CUDA_VISIBLE_DEVICES"),
    ("srun", MapType.ONE_TO_MANY, SubmitterSettings(yoda=YodaSettings(out_suffix="a/b")), "no end of a file name"),
    ("srun", MapType.ONE_TO_MANY, SubmitterSettings(yoda=YodaSettings(margin_s=580.0)), "leaves nothing of the walltime, 600 s"),
])
def test_what_cannot_be_started_is_said_at_once(launcher: str, map_type: MapType, settings: SubmitterSettings, words: str) -> None:
    (found,) = PsijSubmitter.problems(settings, context(launcher, map_type, 600))
    assert words in found


def test_a_template_is_a_launcher() -> None:
    site = facility("single", launch_template=("ibrun",))
    surroundings = dataclasses.replace(context("single", MapType.ONE_TO_MANY), facility=site)
    assert PsijSubmitter.problems(SubmitterSettings(), surroundings) == ()


@pytest.mark.parametrize(("yoda", "words"), [
    ({"ranksPerNodes": 2}, "submitter.yoda.ranksPerNodes: unknown key (did you mean 'ranksPerNode'?)"),
    ({"tries": "3"}, 'submitter.yoda.tries: must be a whole number'),
    ({"tries": 0}, "submitter.yoda.tries: is 0; it must be 1 at least"),
    (3, "submitter.yoda: "),
])
def test_a_bad_key_of_the_member_is_named_with_its_place(yoda: object, words: str) -> None:
    section = {"module": "harvester_psij.submitter", "name": "PsijSubmitter", "yoda": yoda}
    with pytest.raises(ConfigurationError) as raised:
        Registry().load("submitter", section, context("srun", MapType.ONE_TO_MANY), where="submitter")
    assert any(words in line for line in raised.value.problems), raised.value.problems


def test_the_member_is_read_with_its_keys() -> None:
    section = {
        "module": "harvester_psij.submitter", "name": "PsijSubmitter", "launch": "yoda",
        "yoda": {"ranksPerNode": 4, "payloadMode": "lines", "marginS": 30, "slots": None},
    }
    made = Registry().load("submitter", section, context("srun", MapType.ONE_TO_MANY), where="submitter")
    assert made._settings.yoda == YodaSettings(ranks_per_node=4, payload_mode="lines", margin_s=30.0)


@pytest.mark.parametrize(("kind", "way"), [(MapType.ONE_TO_ONE, "single"), (MapType.MANY_TO_ONE, "multijob")])
def test_a_late_worker_asks_and_waits_longer_than_the_login_node_lets_it(kind: MapType, way: str) -> None:
    late = dataclasses.replace(worker(kind), late=True)
    tasks = tasks_of(late, way, YodaSettings())
    assert program(late, "python", way, tasks, (), YodaSettings(), 300.0)[-2:] == ["--late", "360"]
    assert "--late" not in program(worker(kind), "python", way, tasks, (), YodaSettings(), 300.0)


def test_what_does_not_ask_for_jobs_is_no_way_of_a_late_worker() -> None:
    late = Queue(name="Q", late=True)
    surroundings = dataclasses.replace(context("srun", MapType.ONE_TO_ONE), queue=late)
    (found,) = PsijSubmitter.problems(SubmitterSettings(launch="yoda"), surroundings)
    assert "'yoda' does not ask for jobs (useJobLateBinding); there is: multijob, single" in found
    assert PsijSubmitter.problems(SubmitterSettings(), surroundings) == ()
