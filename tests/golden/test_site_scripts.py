"""A batch script for a sample worker of every queue of every site file: it names what the site wants to be named."""
from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.config.extends import facilities
from harvester_hpc.config.load import load
from harvester_hpc.config.site_file import site_named
from harvester_hpc.model.facility import BatchQueue
from harvester_hpc.model.job import Job, JobId, JobState
from harvester_hpc.model.worker import WorkerPlan
from harvester_hpc.ports.context import Context
from harvester_workers.simple import SimpleWorkerMaker
from tests.golden.test_batch_scripts import EXTRAS, PYTHON, _script

NOWHERE = Path("/nowhere")
SITES = facilities(NOWHERE)
ON_PBS = [name for name in SITES if site_named(name, NOWHERE, {}).facility.scheduler == "pbs"]
ON_LSF = [name for name in SITES if site_named(name, NOWHERE, {}).facility.scheduler == "lsf"]
ON_SLURM = [name for name in SITES if site_named(name, NOWHERE, {}).facility.scheduler == "slurm"]
QUEUES = [(name, queue) for name in ON_SLURM for queue in site_named(name, NOWHERE, {}).facility.queues]


def script(tmp_path: Path, name: str, queue: BatchQueue, **facility: Any) -> str:
    site = site_named(name, NOWHERE, {}).facility
    account = site.account_like.replace("*", "m1") or "m1"
    nodes = max([queue.min_nodes, *(one.min_nodes for one in queue.bins[:1])])
    needed = {option: "home" for option in site.required if option not in site.attributes}
    cores = {"node": {"cores": 8}} if site.node.cores == 1 else {}
    own = {"python": PYTHON, **({"attributes": needed} if needed else {}), "account": account, **cores, **facility}
    resources = {"batchQueue": queue.name, "nodes": nodes, "gpusPerNode": site.node_of(queue).gpus}
    file = {"extends": name, "facility": own, "queues": {"Q": {"resources": resources}}}
    (tmp_path / "harvester.json").write_text(json.dumps(file))
    configuration = load(tmp_path, {})
    of_queue = configuration.queues["Q"].queue
    context = Context(instance="i", tag="abcde", state_dir=Path("/s"), facility=configuration.facility, queue=of_queue)
    job = Job(id=JobId(1), queue="Q", state=JobState.PREPARED)
    plan = SimpleWorkerMaker(SimpleWorkerMaker.Settings(), context).make_worker([job], of_queue, "")
    assert isinstance(plan, WorkerPlan), plan
    return _script(replace(configuration.facility, work_dir=""), EXTRAS, plan, queue.name)


@pytest.mark.parametrize(("name", "queue"), QUEUES, ids=[f"{name}-{queue.name}" for name, queue in QUEUES])
def test_a_script_names_what_its_queue_wants(name: str, queue: BatchQueue, tmp_path: Path) -> None:
    facility = site_named(name, NOWHERE, {}).facility
    lines = [line for line in script(tmp_path, name, queue).splitlines() if line.startswith("#SBATCH")]
    assert ("partition" in "".join(lines)) == bool(queue.destination)
    assert not queue.destination or f"#SBATCH --partition={queue.destination}" in lines
    assert not queue.qos or f"#SBATCH --qos={queue.qos}" in lines
    assert any(line.startswith("#SBATCH --account=") for line in lines)
    for option, value in facility.attributes.items():
        assert f"#SBATCH --{option}={value}" in lines
    gpus = facility.node_of(queue).gpus
    assert not gpus or f"#SBATCH --gpus-per-node={gpus}" in lines
    cpus = next(int(line.partition("=")[2]) for line in lines if line.startswith("#SBATCH --cpus-per-task="))
    node = facility.node_of(queue)
    assert cpus == (8 if node.cores == 1 else node.cores) * node.threads_per_core
    minutes = next(int(line.partition("=")[2]) for line in lines if line.startswith("#SBATCH --time="))
    nodes = next(int(line.partition("=")[2]) for line in lines if line.startswith("#SBATCH --nodes="))
    assert minutes * 60 <= (queue.longest_s(nodes) or 10**9)


@pytest.mark.parametrize("name", ON_PBS)
def test_a_script_for_pbs_names_what_its_queue_wants(name: str, tmp_path: Path) -> None:
    facility = site_named(name, NOWHERE, {}).facility
    for queue in facility.queues:
        lines = [line for line in script(tmp_path, name, queue).splitlines() if line.startswith("#PBS")]
        assert [line for line in lines if line.startswith("#PBS -q ")] == ([f"#PBS -q {queue.destination}"] if queue.destination else [])
        assert "#PBS -A m1" in lines
        node = facility.node_of(queue)
        (select,) = (line for line in lines if line.startswith("#PBS -l select="))
        assert f"ncpus={(8 if node.cores == 1 else node.cores) * node.threads_per_core}:" in f"{select}:"
        assert not node.gpus or f"ngpus={node.gpus}" in select.split(":")
        assert all(f"{key}={value}" in select.split(":") for key, value in facility.chunk.items())
        for option in facility.required:
            assert f"#PBS -l {option.removeprefix('l.')}={facility.attributes.get(option, 'home')}" in lines
        for option, value in facility.attributes.items():
            assert f"#PBS -l {option[2:]}={value}" in lines if option.startswith("l.") else f"#PBS -{option} {value}" in lines
        (hours, minutes, seconds) = next(line.partition("walltime=")[2].split(":") for line in lines if "walltime=" in line)
        assert int(hours) * 3600 + int(minutes) * 60 + int(seconds) <= (queue.longest_s(max(1, queue.min_nodes)) or 10**9)


@pytest.mark.parametrize("name", ON_LSF)
def test_a_script_for_lsf_names_what_its_queue_wants(name: str, tmp_path: Path) -> None:
    facility = site_named(name, NOWHERE, {}).facility
    for queue in facility.queues:
        lines = [line for line in script(tmp_path, name, queue).splitlines() if line.startswith("#BSUB")]
        assert [line for line in lines if line.startswith("#BSUB -q ")] == ([f"#BSUB -q {queue.destination}"] if queue.destination else [])
        assert "#BSUB -P m1" in lines
        assert all(f'#BSUB -{option} "{value}"' in lines for option, value in facility.attributes.items())


def test_every_site_has_its_scripts_held() -> None:
    assert {*ON_SLURM, *ON_PBS, *ON_LSF} == {*SITES} - {"local"}


def test_what_is_of_the_environment_is_exported_for_compute_nodes(tmp_path: Path) -> None:
    queue = site_named("frontier", NOWHERE, {}).facility.queues[0]
    own = {"modules": ["cray-python"], "environment": {"A": "$HOME/x \"y\""}, "network": {"noProxy": ["localhost", "127.0.0.1"]}}
    lines = script(tmp_path, "frontier", queue, **own).splitlines()
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        assert f"export {name}=http://proxy.ccs.ornl.gov:3128" in lines
    assert "export no_proxy=localhost,127.0.0.1" in lines
    assert 'export A="$HOME/x \\"y\\""' in lines
    assert "module load cray-python" in lines


def test_gpus_are_asked_for_as_the_site_wants_it(tmp_path: Path) -> None:
    queue = site_named("lumi-g", NOWHERE, {}).facility.queues[0]
    assert "#SBATCH --gres=gpu:mi250:8" in script(tmp_path, "lumi-g", queue, node={"gpuOption": "gres=gpu:mi250:{gpus}"})
    assert "gpu" not in "".join(
        line for line in script(tmp_path, "lumi-g", queue, node={"gpuOption": "none"}).splitlines() if line.startswith("#SBATCH")
    )


def test_a_queue_may_let_its_jobs_be_requeued(tmp_path: Path) -> None:
    queue = site_named("karolina-cpu", NOWHERE, {}).facility.queues[0]
    queues = [{"name": queue.name, "requeue": True, "attributes": {"constraint": "mine"}}]
    text = script(tmp_path, "karolina-cpu", queue, queues=queues)
    assert "#SBATCH --requeue\n" in text and "#SBATCH --constraint=mine\n" in text
    assert "#SBATCH --no-requeue\n" in script(tmp_path, "karolina-cpu", queue)


ELSEWHERE = [name for name in facilities(NOWHERE) if site_named(name, NOWHERE, {}).facility.scheduler in ("pbs", "pbs_classic", "lsf")]
QUEUES_ELSEWHERE = [(name, queue) for name in ELSEWHERE for queue in site_named(name, NOWHERE, {}).facility.queues]


@pytest.mark.parametrize(("name", "queue"), QUEUES_ELSEWHERE, ids=[f"{name}-{queue.name}" for name, queue in QUEUES_ELSEWHERE])
def test_a_script_of_another_batch_system_names_what_its_queue_wants(name: str, queue: BatchQueue, tmp_path: Path) -> None:
    facility = site_named(name, NOWHERE, {}).facility
    attributes = {option: facility.attributes.get(option) or "home" for option in facility.required} | dict(facility.attributes)
    text = script(tmp_path, name, queue, attributes=attributes)
    prefix = "#BSUB -" if facility.scheduler == "lsf" else "#PBS -"
    lines = [line.removeprefix(prefix) for line in text.splitlines() if line.startswith(prefix)]
    assert [line for line in lines if line.startswith("q ")] == ([f"q {queue.destination}"] if queue.destination else [])
    assert any(line in ("A m1", "P m1") for line in lines)
    for option, value in attributes.items():
        said = f"l {option.removeprefix('l.')}={value}" if option.startswith("l.") else f"{option} {value}"
        assert said in [line.replace('"', "") for line in lines]
    for resource, value in facility.chunk.items():
        assert any(line.startswith("l select=") and f":{resource}={value}" in line for line in lines)
    told = next(line for line in lines if line.startswith(("W ", "l walltime=")))
    hours, minutes, *seconds = (int(part) for part in told.replace("=", " ").split()[-1].split(":"))
    nodes = max([queue.min_nodes, *(one.min_nodes for one in queue.bins[:1])])
    assert hours * 3600 + minutes * 60 + sum(seconds) <= (queue.longest_s(nodes) or 10**9)
