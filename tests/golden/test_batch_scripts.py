"""Site to batch script, byte for byte. ``python -m tests.golden.test_batch_scripts`` writes the scripts anew; read the difference."""
from __future__ import annotations

import io
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.config.load import load
from harvester_hpc.model.facility import BatchQueue, Facility, NodeShape
from harvester_hpc.model.job import Job, JobId, JobState
from harvester_hpc.model.queue import Queue
from harvester_hpc.model.worker import MapType, Worker, WorkerId, WorkerPlan, WorkerState
from harvester_hpc.ports.context import Context
from harvester_psij.batch_template import BatchTemplate
from harvester_psij.psij_loading import load_psij
from harvester_psij.scheduler import at_scheduler
from harvester_psij.script import TEMPLATE, ScriptExtras, script_values
from harvester_psij.yoda_settings import YodaSettings
from harvester_workers.simple import SimpleWorkerMaker

GOLDEN = Path(__file__).parent
EXTRAS = ScriptExtras(source_roots=("/opt/harvester", "/opt/harvester/launchers"))
PYTHON = "/opt/python/bin/python3"

SITES = {
    "local": (Facility(name="local", scheduler="local", queues=(BatchQueue(name="local"),), python=PYTHON), EXTRAS),
    "slurm-plain": (Facility(name="plain", scheduler="slurm", python=PYTHON), ScriptExtras()),
    "slurm-gpu": (
        Facility(
            name="gpu", scheduler="slurm", launcher="srun", account="m1234_g", node=NodeShape(cores=64, memory_mb=250_000, gpus=4),
            queues=(BatchQueue(name="", qos="regular", max_walltime_s=86400),), attributes={"C": "gpu", "licenses": "scratch,cfs"},
            prologue=("module load python/3.11", "export MPICH_GPU_SUPPORT_ENABLED=1"), epilogue=("module unload python",), python=PYTHON,
        ),
        EXTRAS,
    ),
    "slurm-partition": (
        Facility(
            name="partition", scheduler="slurm", launcher="mpiexec", account="phy-atlas", requeue=True, python=PYTHON,
            queues=(BatchQueue(name="main"), BatchQueue(name="short", qos="quick")),
        ),
        ScriptExtras(
            attributes={"reservation": "big day", "exclusive": None, "signal": "B:USR1@120"},
            container=("apptainer", "exec", "/images/el9 image.sif"), source_roots=("/opt/har vester",),
        ),
    ),
}
#: Of each batch system with each launcher that its sites have, over several nodes: {name: (facility, worker's mapType)}.
WHOLE = NodeShape(cores=64, memory_mb=500_000, gpus=4)


def _site(scheduler: str, launcher: str, **more: Any) -> Facility:
    made = Facility(name="site", scheduler=scheduler, launcher=launcher, account="phy123", node=WHOLE, python=PYTHON)
    return replace(made, queues=(BatchQueue(name="prod"),), **more)


FAR = {
    # Aurora, Polaris.
    "pbs-pals": _site("pbs", "pals", attributes={"l.filesystems": "home:eagle", "k": "doe"}, chunk={"system": "polaris"}),
    "pbs-mpiexec": _site("pbs", "mpiexec", requeue=True, attributes={"l.place": "scatter:excl"}),
    "pbs-openmpi": _site("pbs", "openmpi", node=replace(WHOLE, gpu_option="none", threads_per_core=2)),
    "pbs-aprun": _site("pbs", "aprun", chunk={"ngpus": "", "ncpus": "32"}),
    "torque-mpiexec": _site("pbs_classic", "mpiexec", attributes={"l": "naccesspolicy=singlejob"}),
    # Summit.
    "lsf-jsrun": _site("lsf", "jsrun", attributes={"alloc_flags": "gpumps smt1"}),
    "lsf-mpiexec": _site("lsf", "mpiexec", requeue=True, attributes={"x": None}),
    # Leonardo, Vega, Karolina: srun or mpirun.
    "slurm-openmpi": _site("slurm", "openmpi"),
    "slurm-mpiexec": _site("slurm", "mpiexec"),
}
FAR_PLAN = WorkerPlan(nodes=2, cores=128, walltime_s=5430, ram_mb=200_000, gpus_per_node=4)
#: Site files as a user extends them, and the worker that their queue gives.
SITE_FILES = {
    "site-local": {"extends": "local", "facility": {"python": PYTHON}, "queues": {"Q": {}}},
    "site-slurm-generic": {
        "extends": "slurm-generic",
        "facility": {
            "python": PYTHON, "account": "phy123", "node": {"cores": 128, "memoryMB": 240000},
            "queues": [{"name": "standard", "maxNodes": 512, "maxWalltime": "2-00:00:00"}],
            "attributes": {"constraint": "cpu", "exclusive": None}, "prologue": ["module load cray-python"],
        },
        "queues": {"Q": {"resources": {"nodes": 2, "walltime": "06:30:00"}}},
    },
}
#: Workers with many jobs on a site of the first kind: one node, and several.
CROWDS = {"many-local": "local", "many-slurm": "slurm-gpu"}
#: Workers that eat event ranges: over srun, and over mpiexec on this machine.
JUMBOS = {"jumbo-slurm": "slurm-gpu", "jumbo-local": "local"}
YODA = YodaSettings(payload_mode="lines", cores_per_payload=16, gpus_per_payload=1, range_limit_s=600.0, out_suffix=".root")
#: Workers that are submitted without jobs, by what they do: ask for one, ask for many, fetch their own.
LATE = {"late": MapType.ONE_TO_ONE, "late-many": MapType.MANY_TO_ONE, "pull": MapType.NO_JOB}
#: Workers that run a batch script of the user's own, as it was written for the existing Harvester.
TEMPLATES = {"template-slurm": "slurm-gpu", "template-pbs": "pbs-pals", "template-local": "local"}
TEMPLATE_OF_USER = """#!/bin/bash -l
#SBATCH -J pilot_{workerID} -N {nNode} --qos=premium
#SBATCH --ntasks-per-node {nCorePerNode}
#SBATCH -t {requestWalltimeMinute}
#SBATCH --output={logSubDir}/%j.out
#PBS -N pilot
#PBS -l select={nNode}:ncpus={nCorePerNode},walltime={walltime}
#PBS -q large

export HARVESTER_CONTAINER_IMAGE=${{IMAGE}}
export PILOT_DIR={accessPoint}/${SLURM_JOB_ID}
srun -n {nNode} bash -c 'awk "{{print \\$1}}" /proc/meminfo; exec pilot -q {computingSite} -j {jobType} --id={harvesterID} {unknown}'
"""
WORKERS = {
    "local": WorkerPlan(nodes=1, cores=2, walltime_s=3600),
    "slurm-plain": WorkerPlan(nodes=1, cores=1, walltime_s=90),
    "slurm-gpu": WorkerPlan(nodes=4, cores=256, walltime_s=7200, ram_mb=200_000, gpus_per_node=4),
    "slurm-partition": WorkerPlan(nodes=2, cores=96, walltime_s=3599, ram_mb=4000),
}


def script(site: str) -> str:
    """Return the batch script of the site's worker."""
    if site in SITE_FILES:
        return _script_of_file(site)
    if site in FAR:
        return _script(FAR[site], EXTRAS, FAR_PLAN, "", MapType.ONE_TO_MANY)
    if site in TEMPLATES:
        extras = replace(EXTRAS, template=BatchTemplate(path="/home/me/pilot.template", text=TEMPLATE_OF_USER, values={}))
        facility = {**FAR, "slurm-gpu": SITES["slurm-gpu"][0], "local": SITES["local"][0]}[TEMPLATES[site]]
        return _script(facility, extras, FAR_PLAN, "", MapType.MANY_TO_ONE)
    if site in JUMBOS:
        facility, extras = SITES[JUMBOS[site]]
        launcher = "mpiexec" if facility.launcher == "single" else facility.launcher
        facility, extras = replace(facility, launcher=launcher, mpi="pmi2"), replace(extras, yoda=YODA)
        return _script(facility, extras, WORKERS[JUMBOS[site]], "", MapType.ONE_TO_MANY)
    if site in LATE:
        facility, extras = SITES["slurm-partition"]
        if site == "pull":
            extras = replace(extras, pilot=("/opt/pilot.sh", "--queue=Q"))
        return _script(facility, extras, WORKERS["slurm-partition"], "short", LATE[site], late=site != "pull")
    facility, extras = SITES[CROWDS.get(site, site)]
    map_type = MapType.MANY_TO_ONE if site in CROWDS else MapType.ONE_TO_ONE
    return _script(facility, extras, WORKERS[CROWDS.get(site, site)], "short" if site == "slurm-partition" else "", map_type)


def _script_of_file(site: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "harvester.json").write_text(json.dumps(SITE_FILES[site]))
        configuration = load(Path(folder), {})
    queue = configuration.queues["Q"].queue
    context = Context(instance="i", tag="abcde", state_dir=Path("/s"), facility=configuration.facility, queue=queue)
    job = Job(id=JobId(1), queue="Q", state=JobState.PREPARED)
    plan = SimpleWorkerMaker(SimpleWorkerMaker.Settings(), context).make_worker([job], queue, "")
    assert isinstance(plan, WorkerPlan)
    return _script(replace(configuration.facility, work_dir=""), EXTRAS, plan, queue.resources.batch_queue)


def _script(
    facility: Facility, extras: ScriptExtras, plan: WorkerPlan, batch_queue: str, map_type: MapType = MapType.ONE_TO_ONE, *,
    late: bool = False,
) -> str:
    load_psij()
    from psij import Job as PsijJob
    from psij import JobExecutorConfig
    from psij.executors.batch.script_generator import TemplatedScriptGenerator

    context = Context(
        instance="CERN_edge", tag="abcde", state_dir=Path("/home/me/.harvester"), facility=facility,
        queue=Queue(name="Q", access_root="/scratch/me/workers"),
    )
    worker = Worker(
        id=WorkerId(4711), queue="Q", map_type=map_type, state=WorkerState.PLANNED, key="habcde-3mv",
        access_point="/scratch/me/workers/4711", plan=plan, batch_queue=batch_queue, late=late,
    )
    written = io.StringIO()
    script_values_of = script_values(worker, context, extras, at_scheduler(facility.scheduler))
    TemplatedScriptGenerator(JobExecutorConfig(), TEMPLATE).generate_submit_script(PsijJob(), script_values_of, written)
    return written.getvalue()


@pytest.mark.parametrize("site", sorted([*SITES, *CROWDS, *JUMBOS, *LATE, *SITE_FILES, *FAR, *TEMPLATES]))
def test_a_sites_script_is_what_it_was(site: str) -> None:
    assert script(site) == (GOLDEN / f"{site}.sh").read_text()


def test_no_script_is_left_over() -> None:
    assert {path.stem for path in GOLDEN.glob("*.sh")} == {*SITES, *CROWDS, *JUMBOS, *LATE, *SITE_FILES, *FAR, *TEMPLATES}


if __name__ == "__main__":
    for name in (*SITES, *CROWDS, *JUMBOS, *LATE, *SITE_FILES, *FAR, *TEMPLATES):
        (GOLDEN / f"{name}.sh").write_text(script(name))
