"""A batch script of the user's own: its placeholders, its directives beside ours, and that it runs as a worker of ours."""
from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path

import pytest

from harvester_hpc.errors import Unavailable
from harvester_hpc.testing.contracts.batch import payload_worker, wait_until
from harvester_psij.batch_template import BadTemplate, BatchTemplate, delimiter, divided, filled, read_template
from harvester_psij.scheduler import at_scheduler
from harvester_psij.script import ScriptExtras, script_values
from harvester_psij.setup_problems import launch_problems
from harvester_psij.submitter import PsijSubmitter, SubmitterSettings
from harvester_psij.template_directives import DIALECTS, merged
from harvester_psij.template_script import placeholders
from tests.psij_site import context
from tests.unit.psij.test_script import Trial, rendered

VALUES = {"nNode": "4", "accessPoint": "/scratch/7"}
OURS = ["#SBATCH --job-name=h-1", "#SBATCH --nodes=2", "#SBATCH --cpus-per-task=8", "#SBATCH --mem=10M", "#SBATCH --time=5"]


def template(text: str) -> BatchTemplate:
    return BatchTemplate(path="/t", text=text, values={})


def of_slurm(*theirs: str) -> tuple[str, ...]:
    return merged(DIALECTS["slurm"], OURS, list(enumerate(theirs, start=1)), "/t").lines


@pytest.mark.parametrize(("text", "expected"), [
    ("cd {accessPoint}; n={nNode}", "cd /scratch/7; n=4"),
    ("echo ${HOME} ${nNode} {unknown}", "echo ${HOME} ${nNode} {unknown}"),
    ("awk '{{print $1}}' {accessPoint}", "awk '{print $1}' /scratch/7"),
    ("x=${VAR:-y}; ls {} +; cd {accessPoint}; awk '{{print}}'", "x=${VAR:-y}; ls {} +; cd /scratch/7; awk '{{print}}'"),
    ("${x%%.*} ${arr[0]} { echo {nNode}; }", "${x%%.*} ${arr[0]} { echo 4; }"),
    ("}} { {nNode", "}} { {nNode"),
])
def test_known_placeholders_are_filled_in_and_all_other_braces_stay(text: str, expected: str) -> None:
    assert filled(text, VALUES) == expected


def test_a_value_with_braces_is_not_filled_in_again() -> None:
    assert filled("{a}", {"a": "{b}", "b": "wrong"}) == "{b}"


def test_directives_end_at_the_first_command() -> None:
    parts = divided(template("#!/bin/tcsh -f\n# a word\n#SBATCH -N 2\n\necho\n#SBATCH -N 3\n"), {}, "#SBATCH")
    assert (parts.interpreter, parts.directives) == (("/bin/tcsh", "-f"), ((3, "-N 2"),))
    assert "#SBATCH -N 3" in parts.body


def test_what_the_template_says_goes_before_ours_and_the_rest_of_ours_stays() -> None:
    assert of_slurm("-p big -t 30", '--comment="a b"') == (
        "#SBATCH --job-name=h-1", "#SBATCH --nodes=2", "#SBATCH --cpus-per-task=8", "#SBATCH --mem=10M", "#SBATCH --partition=big",
        "#SBATCH --time=30", '#SBATCH --comment="a b"',
    )


def test_a_template_that_says_its_nodes_says_all_sizes() -> None:
    assert of_slurm("-N4") == ("#SBATCH --job-name=h-1", "#SBATCH --time=5", "#SBATCH --nodes=4")
    assert "#SBATCH --nodes=2" in of_slurm("--mem-per-cpu=2G")
    assert "#SBATCH --mem=10M" not in of_slurm("--mem-per-cpu=2G")


def test_a_worker_keeps_its_name_and_its_log_and_it_is_told() -> None:
    together = merged(DIALECTS["slurm"], OURS, [(1, "-J mine -o x.log -D /tmp --export=ALL")], "/t")
    assert together.lines == tuple(OURS)
    assert together.left_out == ("job-name", "output", "chdir", "export")


@pytest.mark.parametrize(("scheduler", "directive"), [
    ("slurm", "--array=1-10"), ("slurm", "-W"), ("slurm", "-M other"), ("slurm", "-N 'two"), ("slurm", "nodes=2"), ("pbs", "-J 1-10"),
    ("pbs", "-I"), ("pbs_classic", "-t 1-4"), ("lsf", "-K"),
])
def test_what_would_not_be_one_worker_is_refused(scheduler: str, directive: str) -> None:
    with pytest.raises(BadTemplate, match="/t"):
        merged(DIALECTS[scheduler], (), [(3, directive)], "/t")


def test_resources_of_pbs_are_told_apart() -> None:
    ours = ["#PBS -l select=1:ncpus=4", "#PBS -l place=scatter", "#PBS -l walltime=01:00:00", "#PBS -N h-1", "#PBS -q prod"]
    together = merged(DIALECTS["pbs"], ours, [(1, "-l nodes=2:ppn=8,walltime=02:00:00"), (2, "-Abig -V -N x")], "/t")
    assert together.lines == ("#PBS -N h-1", "#PBS -q prod", "#PBS -l nodes=2:ppn=8", "#PBS -l walltime=02:00:00", "#PBS -A big")


def test_options_of_lsf_are_told_apart() -> None:
    ours = ["#BSUB -J h-1", "#BSUB -n 4", "#BSUB -R span[ptile=4]", "#BSUB -M 10MB", "#BSUB -W 1:00"]
    together = merged(DIALECTS["lsf"], ours, [(1, "-nnodes 3 -W2:00"), (2, '-alloc_flags "gpumps smt1" -J x')], "/t")
    assert together.lines == ("#BSUB -J h-1", "#BSUB -nnodes 3", "#BSUB -W 2:00", '#BSUB -alloc_flags "gpumps smt1"')


@pytest.mark.parametrize(("content", "words"), [
    (b"\xff\xfe", "UTF-8"), (b"#!/bin/bash\r\necho\r\n", "Windows"), (b" \n", "empty"), (b"#" * (1 << 20) + b"\n", "bytes"),
    (None, "No such file"),
])
def test_what_is_no_script_is_refused_with_the_reason(tmp_path: Path, content: bytes | None, words: str) -> None:
    path = tmp_path / "template"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadTemplate, match=words):
        read_template(str(path), {})
    surroundings = context(tmp_path, "slurm")
    assert words in str(launch_problems(SubmitterSettings(template_file=str(path)), surroundings))
    with pytest.raises(Unavailable, match=words):
        PsijSubmitter(SubmitterSettings(template_file=str(path)), surroundings).preview_worker(payload_worker(tmp_path, "h-1", ""))


def test_a_template_and_a_pilot_exclude_each_other(tmp_path: Path) -> None:
    path = tmp_path / "template"
    path.write_text("#!/bin/bash\n")
    (found,) = launch_problems(SubmitterSettings(template_file=str(path), pilot=("pilot",)), context(tmp_path, "slurm"))
    assert found.startswith("pilot: ")


def test_a_first_line_that_cannot_be_read_is_refused_with_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "template"
    path.write_text("#!/bin/bash 'x\necho\n")
    surroundings = context(tmp_path, "slurm")
    assert "No closing quotation" in str(launch_problems(SubmitterSettings(template_file=str(path)), surroundings))
    with pytest.raises(Unavailable, match="No closing quotation"):
        PsijSubmitter(SubmitterSettings(template_file=str(path)), surroundings).preview_worker(payload_worker(tmp_path, "h-1", ""))


def test_only_a_line_feed_ends_a_line_as_for_a_shell() -> None:
    text = "#!/bin/bash\necho 'a\u2028b\x0cc'\n"
    assert divided(template(text), {}, "#SBATCH").body == "#\necho 'a\u2028b\x0cc'"


def test_a_template_may_be_empty_when_it_is_filled_in() -> None:
    assert divided(template("{gtag}"), {"gtag": ""}, "#SBATCH").body == ""


def test_a_type_that_a_server_has_sent_means_nothing_to_a_shell(tmp_path: Path) -> None:
    hostile = "user\n$(touch x);`y`'\""
    worker = replace(payload_worker(tmp_path, "h-1", ""), job_type=hostile, resource_type="MCORE_HIMEM")
    values = placeholders(worker, context(tmp_path, "slurm"))
    assert (values["jobType"], values["resourceType"]) == ("user___touch_x___y___", "MCORE_HIMEM")


def test_no_line_of_the_body_ends_it() -> None:
    assert delimiter("HARVESTER_TEMPLATE_0\nHARVESTER_TEMPLATE_1") == "HARVESTER_TEMPLATE_2"


def trial(folder: Path, text: str) -> Trial:
    surroundings = context(folder, "slurm")
    worker = payload_worker(folder, "h-1", "")
    extras = ScriptExtras(template=replace(template(text), path="/home/me/my.template"))
    programs = folder / "programs"
    programs.mkdir()
    script = rendered(folder, script_values(worker, surroundings, extras, at_scheduler("slurm")))
    return Trial(folder=folder, access_point=Path(worker.access_point), script=script, programs=programs)


def test_it_runs_after_the_claim_and_leaves_its_exit_code(tmp_path: Path) -> None:
    one = trial(tmp_path, "#!/bin/bash\n[ -e worker_claim.json ] && echo \"$HARVESTER_WORKER_ID {workerID}\" >> ran\nexit 3\n")
    assert one.run().returncode == 3
    assert one.letter("worker_exit.json")["exit_code"] == 3
    assert one.letter("worker_claim.json")["batch_id"] == "7"
    number = one.access_point.name
    assert one.ran() == 1
    assert one.run("8").returncode == 0  # a second copy
    assert one.ran() == 1, f"the template of worker {number} ran twice"


def test_a_template_in_another_language_is_run_by_that(tmp_path: Path) -> None:
    one = trial(tmp_path, "#!/usr/bin/env python3\nopen('ran', 'w').write(str([{{1}}, '{workerID}']) + chr(10))\n")
    assert one.run().returncode == 0
    assert (one.access_point / "ran").read_text().startswith("[{1}, ")


def test_all_that_a_template_has_started_is_told_to_end(tmp_path: Path) -> None:
    text = "#!/bin/bash\nbash -c 'trap \"echo told >> ran; exit 0\" TERM; touch begun; while :; do sleep 0.1; done'\n"
    one = trial(tmp_path, text)
    with one.start() as process:
        wait_until(lambda: (one.access_point / "begun").exists(), 60.0, "the template has begun")
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)
    wait_until(lambda: one.ran() == 1, 60.0, "what it has started was told")
    assert (one.access_point / "worker_exit.json").exists()
