"""The private Slurm itself: what the other tests on a real batch system stand on."""
from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import harvester_hpc
from harvester_hpc.testing.slurm import Cluster, ClusterError, Isolation
from harvester_hpc.testing.slurm.network import possible
from harvester_hpc.testing.slurm.processes import until

pytestmark = pytest.mark.slurm

DEVICES = Path("/sys/class/net")
# A payload that holds on to its node: it does not end by SIGTERM, and starts children of its own.
STUBBORN = "trap '' TERM; sleep 1000 & while :; do sleep 1; done"


def submit(cluster: Cluster, folder: Path, script: str, *options: str) -> str:
    """Submit a script on two nodes and return its job's id."""
    done = cluster.run(["sbatch", "--parsable", "-N2", "--output=%j.out", *options, f"--wrap={script}"], folder=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def state(cluster: Cluster, job: str) -> str:
    """Return squeue's word for a job that it still knows, empty otherwise."""
    return cluster.run(["squeue", "--noheader", "--states=all", "--format=%T", f"--jobs={job}"]).stdout.strip()


def await_state(cluster: Cluster, job: str, wanted: str, seconds: float = 30.0) -> None:
    assert until(lambda: state(cluster, job) == wanted, seconds, period=0.05), f"job {job} is {state(cluster, job)}, not {wanted}"


def traces(cluster: Cluster) -> list[str]:
    """Return the command lines of all processes, and the network devices, mounts and links, that belong to a cluster."""
    marks = (os.fsencode(cluster.plan.base), os.fsencode(cluster.folder))
    found = [" ".join(words) for words, text in processes() if any(mark in text for mark in marks)]
    bridge = cluster.plan.bridge
    names = {bridge, *(f"{bridge}{node}" for node in cluster.node_names)} if bridge else set()
    found += [device.name for device in DEVICES.iterdir() if device.name in names]
    found += [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if cluster.plan.base in line]
    return found + ([cluster.plan.base] if Path(cluster.plan.base).is_symlink() else [])


def processes() -> Iterator[tuple[list[str], bytes]]:
    """Give the command line, and the command line with the environment, of every other living process of this user."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal() or int(entry.name) == os.getpid():
            continue
        try:
            line = (entry / "cmdline").read_bytes()
            text = line + b"\0" + (entry / "environ").read_bytes()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        yield line.decode(errors="replace").split("\0"), text


def test_a_step_runs_on_every_node(slurm: Cluster) -> None:
    shown = "echo $SLURMD_NODENAME" if slurm.plan.isolation is Isolation.NONE else "hostname"
    done = slurm.run(["srun", "-N2", "sh", "-c", shown])
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.split()) == ["n1", "n2"]


def test_a_batch_job_runs_with_the_files_of_this_machine(slurm: Cluster, tmp_path: Path) -> None:
    job = submit(slurm, tmp_path, "echo $SLURM_JOB_NUM_NODES; exit 3")
    await_state(slurm, job, "FAILED")
    assert (tmp_path / f"{job}.out").read_text() == "2\n"


def test_the_partitions_have_their_limits(slurm: Cluster) -> None:
    shown = slurm.run(["sinfo", "--noheader", "--format=%P %l"]).stdout.split("\n")
    assert set(filter(None, shown)) == {"batch* 1-00:00:00", "debug 30:00", "tiny 1:00"}
    refused = slurm.run(["sbatch", "--partition=tiny", "--time=2", "--wrap=true"])
    assert "time limit" in refused.stderr


@pytest.mark.slow
def test_the_controller_finds_out_that_a_node_has_crashed(fresh_slurm: Cluster, tmp_path: Path) -> None:
    job = submit(fresh_slurm, tmp_path, STUBBORN, "--no-requeue")
    await_state(fresh_slurm, job, "RUNNING")
    fresh_slurm.crash_node("n2")
    await_state(fresh_slurm, job, "NODE_FAIL", seconds=60)
    assert fresh_slurm.node_states()["n2"] == "down*"
    fresh_slurm.start_node("n2")
    assert fresh_slurm.run(["srun", "-N1", "-w", "n2", "true"]).returncode == 0


def test_a_crash_takes_the_payload_with_it(slurm: Cluster, tmp_path: Path) -> None:
    job = submit(slurm, tmp_path, f"echo up > up; {STUBBORN}", "--no-requeue")
    assert until((tmp_path / "up").exists, 30)
    assert payloads(tmp_path)
    for node in slurm.node_names:
        slurm.crash_node(node, noticed=True)
    assert payloads(tmp_path) == []
    await_state(slurm, job, "NODE_FAIL")


def payloads(folder: Path) -> list[int]:
    """Return the processes that work in ``folder``."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdecimal() and (entry / "cwd").readlink() == folder:
                found.append(int(entry.name))
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return found


def test_a_requeued_job_waits_again_under_its_id(slurm: Cluster, tmp_path: Path) -> None:
    job = submit(slurm, tmp_path, "sleep 1000", "--requeue")
    await_state(slurm, job, "RUNNING")
    slurm.crash_node("n2", noticed=True)
    await_state(slurm, job, "PENDING")
    assert "Restarts=1" in slurm.run(["scontrol", "show", "job", job]).stdout


def test_a_job_outlives_the_controller(fresh_slurm: Cluster, tmp_path: Path) -> None:
    job = submit(fresh_slurm, tmp_path, "echo up > up; until [ -e go ]; do sleep 0.1; done; echo on > done")
    assert until((tmp_path / "up").exists, 30)
    fresh_slurm.stop_controller()
    assert "Unable to contact slurm controller" in fresh_slurm.run(["squeue"]).stderr
    fresh_slurm.start_controller()
    assert state(fresh_slurm, job) == "RUNNING"
    (tmp_path / "go").touch()
    await_state(fresh_slurm, job, "COMPLETED")
    assert (tmp_path / "done").exists()


def test_a_frozen_controller_answers_late_but_the_job_exists(fresh_slurm: Cluster, tmp_path: Path) -> None:
    fresh_slurm.freeze_controller()
    refused = fresh_slurm.run(["sbatch", "--job-name=late", "--wrap=true"], folder=tmp_path)
    assert refused.returncode != 0
    assert "Socket timed out" in refused.stderr
    fresh_slurm.thaw_controller()
    by_name = ["squeue", "--noheader", "--states=all", "--name=late", "--format=%i"]
    assert until(lambda: bool(fresh_slurm.run(by_name).stdout.strip()), 20)


def test_a_broken_cluster_is_healed(slurm: Cluster, tmp_path: Path) -> None:
    submit(slurm, tmp_path, "true", "--begin=now+1hour")
    slurm.crash_node("n1", noticed=True)
    slurm.run(["scontrol", "update", "nodename=n2", "state=drain", "reason=test"])
    slurm.freeze_controller()
    slurm.heal()
    assert set(slurm.node_states().values()) == {"idle"}
    assert slurm.run(["squeue", "--noheader"]).stdout == ""


@pytest.mark.parametrize("isolation", list(Isolation))
def test_stop_leaves_nothing_but_the_folder(isolation: Isolation, slurm_programs: None, tmp_path: Path) -> None:
    if not possible(isolation):
        pytest.skip(f"this user cannot have nodes with isolation {isolation}")
    folder = tmp_path / "a folder with blanks and a name that is too long for a unix socket of Slurm" / "cluster"
    with Cluster(folder, isolation=isolation) as cluster:
        assert cluster.plan.isolation is isolation
        submit(cluster, tmp_path, f"echo up > up; srun sh -c \"{STUBBORN}\" & {STUBBORN}")
        assert until((tmp_path / "up").exists, 30)
        assert len(traces(cluster)) > 5
    assert traces(cluster) == []
    assert payloads(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_cluster_ends_with_the_process_that_holds_it(number: signal.Signals, slurm_programs: None, tmp_path: Path) -> None:
    program = f"""
import sys
from pathlib import Path
from harvester_hpc.testing.slurm import Cluster
with Cluster(Path({str(tmp_path / "cluster")!r}), nodes=1):
    print("up", flush=True)
    sys.stdin.read()
"""
    holder = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "up\n"
        cluster = Cluster(tmp_path / "cluster")
        assert traces(cluster)
        holder.send_signal(number)
    assert until(lambda: not traces(cluster), 30, period=0.1), traces(cluster)


def test_two_clusters_do_not_know_each_other(slurm: Cluster, fresh_slurm: Cluster, tmp_path: Path) -> None:
    submit(slurm, tmp_path, "true", "--begin=now+1hour")
    assert fresh_slurm.run(["squeue", "--noheader"]).stdout == ""
    assert sorted(fresh_slurm.run(["srun", "-N2", "echo", "here"]).stdout.split()) == ["here", "here"]
    assert {slurm.plan.controller_port, slurm.plan.bridge or "none"} & {fresh_slurm.plan.controller_port, fresh_slurm.plan.bridge} == set()


def test_a_stopped_cluster_goes_on_in_its_folder(slurm_programs: None, tmp_path: Path) -> None:
    cluster = Cluster(tmp_path / "cluster", nodes=1, settings={"FirstJobId": "700"})
    with cluster:
        first = cluster.run(["sbatch", "--parsable", "--wrap=true"], folder=tmp_path).stdout.strip()
    with Cluster(tmp_path / "cluster") as again:
        assert again.node_names == ("n1",)
        assert again.run(["srun", "echo", "here"]).stdout == "here\n"
        second = again.run(["sbatch", "--parsable", "--wrap=true"], folder=tmp_path).stdout.strip()
    assert first == "700"
    assert int(second) > 700


def test_what_is_missing_is_brought_back_from_the_shell(slurm_programs: None, tmp_path: Path) -> None:
    def call(*words: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "harvester_hpc.testing.slurm", *words]
        return subprocess.run(argv, capture_output=True, text=True, timeout=120, check=True)

    folder = tmp_path / "cluster"
    shown = call("up", str(folder), "--nodes", "1", "--set", "MessageTimeout=2")
    cluster = Cluster(folder)
    try:
        assert shown.stdout == f"export SLURM_CONF={cluster.environment['SLURM_CONF']}\n"
        call("down", str(folder), "n1", "slurmctld")
        assert cluster.node_states() == {}
        assert call("up", str(folder)).stdout == shown.stdout
        assert cluster.node_states() == {"n1": "idle"}
    finally:
        call("down", str(folder))
    assert traces(cluster) == []


def test_a_folder_with_other_files_is_refused(slurm_programs: None, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(ClusterError, match="holds other files"):
        Cluster(tmp_path).start()


def test_a_cluster_that_cannot_start_leaves_nothing(slurm_programs: None, tmp_path: Path) -> None:
    cluster = Cluster(tmp_path / "cluster", settings={"AuthType": "auth/nonsense"})
    with pytest.raises(ClusterError, match="slurmctld does not start"):
        cluster.start()
    assert traces(cluster) == []


@pytest.fixture
def nobody() -> Iterator[tuple[list[str], dict[str, str], Path]]:
    """How root runs a Python that knows this checkout as an ordinary user: words before its own, environment, a folder of that user's."""
    if os.geteuid() != 0:
        pytest.skip("all other tests have been run as an ordinary user already")
    user = pwd.getpwnam("nobody")
    checkout = Path(harvester_hpc.__file__).parents[1]
    folder = Path(tempfile.mkdtemp(prefix="hpc-nobody-"))
    os.chown(folder, user.pw_uid, user.pw_gid)
    environment = {"HOME": str(folder), "PATH": "/usr/bin:/bin", "PYTHONPATH": str(checkout), "PYTHONDONTWRITEBYTECODE": "1"}
    # env: setpriv itself still has root's rights when it executes a program.
    become = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "env"]
    try:
        yield [*become, python_for(become, environment)], environment, folder
    finally:
        shutil.rmtree(folder)


def python_for(become: list[str], environment: dict[str, str]) -> str:
    """Return a Python that the user may run, and that may read the checkout; skip where there is none."""
    for python in (sys.executable, "/usr/bin/python3"):
        trial = [*become, python, "-c", "import harvester_hpc.testing.slurm"]
        if subprocess.run(trial, env=environment, cwd="/", capture_output=True, timeout=60, check=False).returncode == 0:
            return python
    pytest.skip("the user nobody has no Python >= 3.11, or cannot read this checkout")


def test_an_ordinary_user_has_a_cluster_too(nobody: tuple[list[str], dict[str, str], Path], slurm_programs: None) -> None:
    python, environment, folder = nobody

    def call(*words: str) -> str:
        return subprocess.run(words, env=environment, cwd=folder, capture_output=True, text=True, timeout=120, check=True).stdout

    module = [*python, "-m", "harvester_hpc.testing.slurm"]
    call(*module, "up", f"{folder}/cluster")
    cluster = Cluster(folder / "cluster")
    environment.update(cluster.environment)
    try:
        assert cluster.plan.isolation is Isolation.NONE
        assert call(*python[:-1], "srun", "-N2", "id", "-un").split() == ["nobody", "nobody"]
    finally:
        call(*module, "down", f"{folder}/cluster")
    assert traces(cluster) == []
