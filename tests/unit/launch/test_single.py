"""The single launcher: one payload, run to its end, and everything told."""
from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tarfile
import time
import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from harvester_hpc.messenger.letter import write
from tests.unit.launch.conftest import Site, alive, until

FORWARDED = ("SIGTERM", "SIGINT", "SIGUSR1")


def test_a_payload_that_ends_well_is_finished(site: Site) -> None:
    script = "echo to stdout; echo to stderr >&2; printf abc > out.1"
    site.feed(script, outFiles="out.1,job.log.tgz", logFile="job.log.tgz", logGUID="LOG-GUID")
    assert site.run(environment={"HARVESTER_ID": "here", "HARVESTER_BATCH_ID": "4711"}) == 0
    assert (site.folder / "payload.stdout").read_text() == "to stdout\n"
    assert (site.folder / "payload.stderr").read_text() == "to stderr\n"
    news = site.news()
    assert news.job_status == {5: "finished"} and news.bad == () and news.waiting == ()
    told = news.attributes[5]
    assert (told["transExitCode"], told["exeErrorCode"], told["exeErrorDiag"]) == (0, 0, "")
    assert (told["coreCount"], told["batchID"], told["schedulerID"]) == (2, "4711", "harvester-here")
    assert told["cpuConsumptionUnit"] == "s" and isinstance(told["cpuConsumptionTime"], int) and told["maxRSS"] > 100
    for name in ("startTime", "endTime"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", told[name])
    output, log = news.files
    assert (output.lfn, output.kind, output.size, output.checksum) == ("out.1", "output", 3, f"ad:{zlib.adler32(b'abc'):08x}")
    assert len(output.guid) == 36
    assert (log.lfn, log.kind, log.guid, log.path) == ("job.log.tgz", "log", "LOG-GUID", str(site.folder / "job.log.tgz"))
    with tarfile.open(log.path) as archive:
        assert sorted(archive.getnames()) == ["payload.stderr", "payload.stdout"]


def test_it_rings_beats_and_leaves_nothing_half_written(site: Site) -> None:
    site.feed("true")
    assert site.run() == 0
    assert site.messenger.rung(site.point.root) == (7,)
    assert site.news().heartbeat is not None
    assert not [path.name for path in site.folder.iterdir() if path.name.endswith((".part", ".tail"))]


def test_it_rings_when_the_payload_starts(site: Site) -> None:
    site.feed("echo $$ > pid; sleep 600")
    launcher = site.start("--grace", "0")
    until((site.folder / "pid").exists, "the payload starts")
    assert site.messenger.rung(site.point.root) == (7,)
    told = site.messenger.collect(site.point).attributes[5]
    assert told["startTime"] and told["node"] and "jobStatus" not in told
    launcher.terminate()
    launcher.communicate(timeout=60)
    assert site.messenger.rung(site.point.root) == (7,)


def test_the_heart_goes_on_beating(site: Site) -> None:
    site.feed("while [ ! -e enough ]; do sleep 0.05; done")
    launcher = site.start("--heartbeat", "0.1")
    beat = site.point.path / "worker_heartbeat.json"
    until(beat.exists, "the first beat")
    for number in range(3):
        before = beat.stat().st_ino, beat.stat().st_mtime_ns
        until(lambda before=before: (beat.stat().st_ino, beat.stat().st_mtime_ns) != before, f"beat {number}")  # type: ignore[misc]
        assert json.loads(beat.read_text())["pid"] == launcher.pid
    (site.folder / "enough").touch()
    launcher.communicate(timeout=60)
    assert launcher.returncode == 0


@pytest.mark.parametrize("code", [1, 3, 126, 255])
def test_an_exit_code_is_passed_on_with_the_last_words(site: Site, code: int) -> None:
    site.feed(f"echo fine; for n in 1 2 3 4 5 6 7; do echo trouble $n >&2; done; exit {code}", outFiles="out.1")
    assert site.run() == code
    told = site.told()
    assert (told["jobStatus"], told["transExitCode"], told["exeErrorCode"]) == ("failed", code, code)
    assert told["exeErrorDiag"] == f"exit code {code}: trouble 3 | trouble 4 | trouble 5 | trouble 6 | trouble 7"


def test_a_payload_killed_by_a_signal_of_its_own(site: Site) -> None:
    site.feed("kill -SEGV $$")
    assert site.run() == 128 + signal.SIGSEGV
    assert site.told()["exeErrorDiag"] == "killed by signal SIGSEGV"


def test_diagnostics_are_short_enough_for_a_database(site: Site) -> None:
    site.feed("head -c 100000 /dev/zero | tr '\\0' 'x' >&2; echo >&2; printf '\\377\\376 end' >&2; exit 1")
    assert site.run() == 1
    assert len(site.told()["exeErrorDiag"]) <= 500 and site.told()["exeErrorDiag"].endswith("end")


def test_a_missing_output_fails_a_payload_that_ended_with_0(site: Site) -> None:
    site.feed("touch here", outFiles="here,missing.1,missing.2,log.tgz", logFile="log.tgz")
    assert site.run() == 80
    told = site.told()
    assert (told["jobStatus"], told["transExitCode"], told["exeErrorCode"]) == ("failed", 0, 80)
    assert "missing.1, missing.2" in told["exeErrorDiag"] and "here" not in told["exeErrorDiag"]


@pytest.mark.parametrize("output", ["folder", "../payload", "dangling"])
def test_what_is_no_file_of_its_folder_is_no_output(site: Site, output: str) -> None:
    site.feed("mkdir folder; touch ../payload; ln -s nowhere dangling", outFiles=output)
    assert site.run() == 80
    assert site.news().files == ()


def test_an_output_that_may_be_absent_may_be_absent(site: Site) -> None:
    site.feed("touch here", outFiles="here,optional", allowNoOutput="optional")
    assert site.run() == 0
    assert [file.lfn for file in site.news().files] == ["here"]


def test_a_log_that_the_payload_has_made_is_kept(site: Site) -> None:
    site.feed("printf own > log.tgz; echo '{}' > jobReport.json", outFiles="log.tgz", logFile="log.tgz")
    assert site.run() == 0
    assert (site.folder / "log.tgz").read_text() == "own"


def test_a_failed_payload_has_a_log(site: Site) -> None:
    site.feed("echo '{\"a\": 1}' > jobReport.json; touch out.1; exit 9", outFiles="out.1,log.tgz", logFile="log.tgz")
    assert site.run() == 9
    news = site.news()
    assert {file.lfn for file in news.files} == {"out.1", "log.tgz"}
    assert news.attributes[5]["metaData"] == {"a": 1}
    with tarfile.open(site.folder / "log.tgz") as archive:
        assert "jobReport.json" in archive.getnames()


def test_an_unread_declaration_of_the_payload_is_not_overwritten(site: Site, tmp_path: Path) -> None:
    (tmp_path / "far").write_text("x")
    item = {"path": str(tmp_path / "far"), "type": "output"}
    site.feed(f"echo '{json.dumps({'5': [item]})}' > event_status.dump.json; touch near", outFiles="near,far")
    assert site.run() == 0
    assert [file.lfn for file in site.news().files] == ["far", "near"]


def test_what_the_payload_tells_itself_is_kept(site: Site) -> None:
    site.feed("echo '{\"nEvents\": 42, \"jobStatus\": \"failed\", \"exeErrorDiag\": \"pilot says no\"}' > worker_attributes.json")
    assert site.run() == 0
    told = site.told()
    assert (told["nEvents"], told["jobStatus"], told["exeErrorDiag"]) == (42, "failed", "pilot says no")
    assert told["startTime"] and told["endTime"]


def test_a_payload_that_fails_cannot_say_that_it_finished(site: Site) -> None:
    site.feed("echo '{\"jobStatus\": \"finished\", \"exeErrorDiag\": \"\"}' > worker_attributes.json; exit 4")
    assert site.run() == 4
    told = site.told()
    assert told["jobStatus"] == "failed" and told["exeErrorDiag"] == "exit code 4"


def test_the_payload_finds_its_surroundings(site: Site) -> None:
    site.feed("env -0 > environment; pwd > folder", environment={"MY": "own", "HARVESTER_ID": "spoofed", "NUMBER": 5})
    before = time.time()
    outer = {"HARVESTER_NNODE": "3", "SLURM_NTASKS": "12", "OUTER": "x", "HARVESTER_ID": "here"}
    assert site.run("--walltime", "1000", environment=outer) == 0
    found = dict(line.split("=", 1) for line in (site.folder / "environment").read_text().split("\0") if line)
    wanted = {
        "HARVESTER_ID": "here", "HARVESTER_WORKER_ID": "7", "HARVESTER_ACCESS_POINT": str(site.point.path), "HARVESTER_NNODE": "3",
        "HARVESTER_NTASKS": "12", "PANDAID": "5", "MY": "own", "NUMBER": "5", "OUTER": "x",
    }
    assert {name: found.get(name) for name in wanted} == wanted
    assert before + 999 <= int(found["HARVESTER_WALLTIME_END"]) <= time.time() + 1000
    assert (site.folder / "folder").read_text().strip() == str(site.folder)


@pytest.mark.parametrize(("outer", "found"), [("/theirs", "/theirs"), ("", "unset")])
def test_what_made_the_launcher_importable_does_not_reach_the_payload(site: Site, outer: str, found: str) -> None:
    site.feed("echo ${PYTHONPATH-unset} > found")
    assert site.run(environment={"PYTHONPATH": f"/ours:{outer}", "HARVESTER_OUTER_PYTHONPATH": outer}) == 0
    assert (site.folder / "found").read_text().strip() == found


def test_a_wrapper_runs_instead_and_is_told_the_command(site: Site, tmp_path: Path) -> None:
    wrapper = tmp_path / "pilot.sh"
    wrapper.write_text('#!/bin/bash\necho "$HARVESTER_JOB_COMMAND" "$1" > told\n')
    wrapper.chmod(0o700)
    site.feed(transformation="http://pandaserver/trf", jobPars="--in 'a b'", outFiles="brought.away.by.the.pilot")
    assert site.run(f"--wrapper={wrapper}", "--wrapper=argument", "--walltime", "10") == 0
    assert (site.folder / "told").read_text() == "http://pandaserver/trf --in 'a b' argument\n"


def test_many_jobs_of_which_there_is_one(site: Site) -> None:
    site.point = replace(site.point, many=True)
    site.feed("touch out.1", outFiles="out.1")
    assert site.run() == 0
    news = site.news()
    assert news.job_status == {5: "finished"} and news.files[0].path == str(site.point.path / "5" / "out.1")


@pytest.mark.parametrize(("letter", "text"), [
    ("HPCJobs.json", ""), ("HPCJobs.json", '{"5": {"transf'), ("HPCJobs.json", "[]"), ("HPCJobs.json", '{"6": {}}'),
    ("HPCJobs.json", '{"5": 5}'),
    ("HPCJobs.json", '{"5": {}}'), ("HPCJobs.json", '{"5": {"transformation": "true", "jobPars": "\'unbalanced"}}'),
    ("HPCJobs.json", '{"5": {"transformation": "true", "environment": [1]}}'), ("HPCJobs.json", '{"5": {"transformation": "NULL"}}'),
    ("HPCJobs.json", '{"5": {"transformation": "true", "environment": {"A=B": "x"}}}'),
    ("worker_pandaids.json", ""), ("worker_pandaids.json", "[]"), ("worker_pandaids.json", "[5, 6]"), ("worker_pandaids.json", '["x"]'),
])
def test_a_job_that_cannot_be_read_fails_clearly(site: Site, letter: str, text: str) -> None:
    site.feed("touch ran")
    (site.point.path / letter).write_text(text)
    assert site.run() == 81
    told = site.told()
    assert told["jobStatus"] == "failed" and "cannot run the job" in told["exeErrorDiag"]
    assert site.messenger.rung(site.point.root) == (7,)
    assert not (site.folder / "ran").exists()


@pytest.mark.parametrize(("program", "code"), [("no-such-program", 127), ("/no/such", 127), ("./payload.sh", 126), ("no/such", 127)])
def test_a_program_that_cannot_be_run_is_named(site: Site, program: str, code: int) -> None:
    site.feed("true", transformation=program, jobPars="")
    assert site.run() == code
    assert program.removeprefix("./") in site.told()["exeErrorDiag"] and site.told()["transExitCode"] == code


def test_an_access_point_that_is_not_there(site: Site) -> None:
    assert site.run() == 81
    assert not site.point.path.exists()


@pytest.mark.parametrize(("own", "runs"), [("42", True), ("43", False), ("", True)])
def test_a_second_copy_ends_at_once(site: Site, own: str, runs: bool) -> None:
    site.feed("touch ran")
    write(site.point.path / "worker_claim.json", {"batch_id": "42"})
    before = sorted(path.name for path in site.folder.iterdir())
    assert site.run(environment={"HARVESTER_BATCH_ID": own}) == 0
    assert (site.folder / "ran").exists() is runs
    if not runs:
        assert sorted(path.name for path in site.folder.iterdir()) == before


@pytest.mark.parametrize("name", FORWARDED)
def test_a_signal_reaches_the_whole_payload(site: Site, name: str) -> None:
    number = signal.Signals[name]
    site.feed("sleep 600 & echo $! > child; echo $$ > pid; wait")
    launcher = site.start()
    until(lambda: (site.folder / "pid").exists() and (site.folder / "pid").read_text().strip(), "the payload starts")
    pids = [int((site.folder / file).read_text()) for file in ("pid", "child")]
    launcher.send_signal(number)
    launcher.communicate(timeout=60)
    assert launcher.returncode == 128 + number
    until(lambda: not alive(pids), "the payload ends")
    told = site.told()
    assert told["jobStatus"] == "failed" and told["exeErrorDiag"] == f"killed by signal {name}" and told["transExitCode"] == 128 + number


@pytest.mark.parametrize("name", FORWARDED)
def test_a_payload_that_does_not_listen_is_killed_after_the_grace(site: Site, name: str) -> None:
    site.feed("trap '' TERM INT USR1; echo $$ > pid; echo deaf >&2; while true; do sleep 0.05; done")
    launcher = site.start("--grace", "0.3")
    until(lambda: (site.folder / "pid").exists() and (site.folder / "pid").read_text().strip(), "the payload starts")
    begun = time.monotonic()
    launcher.send_signal(signal.Signals[name])
    launcher.communicate(timeout=60)
    assert time.monotonic() - begun >= 0.3
    assert launcher.returncode == 128 + signal.SIGKILL
    assert site.told()["exeErrorDiag"] == f"killed by signal {name}: deaf"


def test_a_payload_may_use_the_grace_and_has_not_finished_all_the_same(site: Site) -> None:
    site.feed("trap 'touch saved; exit 0' TERM; touch pid; while true; do sleep 0.05; done")
    launcher = site.start("--grace", "60")
    until((site.folder / "pid").exists, "the payload starts")
    launcher.terminate()
    launcher.communicate(timeout=60)
    assert launcher.returncode == 128 + signal.SIGTERM and (site.folder / "saved").exists()
    assert site.told()["jobStatus"] == "failed"


PATIENT = """
import sys
from harvester_launch import child
from harvester_launch.__main__ import main
child.SIGNAL_SPREAD_S = 30.0
sys.exit(main(["single", "--access-point", sys.argv[1]]))
"""


def test_a_payload_that_is_told_to_end_before_the_launcher_has_not_finished(site: Site) -> None:
    site.feed('(sleep 0.1; kill -TERM "$PPID") & exit 0')
    begun = time.monotonic()
    launcher = subprocess.run([sys.executable, "-c", PATIENT, str(site.point.path)], capture_output=True, timeout=60, check=False)
    assert time.monotonic() - begun < 30
    assert launcher.returncode == 128 + signal.SIGTERM
    assert (site.told()["jobStatus"], site.told()["exeErrorDiag"]) == ("failed", "killed by signal SIGTERM")


def test_nothing_of_a_payload_is_left_behind(site: Site) -> None:
    """A process that holds the payload's pipe for ever neither survives nor holds up the end."""
    site.feed("(trap '' TERM HUP; while true; do sleep 0.05; done) & echo $! > child; echo last words")
    assert site.run() == 0
    assert not alive([int((site.folder / "child").read_text())])
    assert (site.folder / "payload.stdout").read_text() == "last words\n"


def test_a_process_that_escapes_does_not_hold_up_the_end(site: Site) -> None:
    site.feed("setsid bash -c 'echo $$ > child; exec sleep 600' & while [ ! -s child ]; do sleep 0.05; done; echo last words")
    assert site.run() == 0
    assert (site.folder / "payload.stdout").read_text() == "last words\n"
    os.kill(int((site.folder / "child").read_text()), signal.SIGKILL)


def test_a_chatty_payload_fills_no_disk_and_never_waits(site: Site) -> None:
    site.feed("echo first; head -c 30000000 /dev/zero | tr '\\0' 'y'; echo last; echo first >&2")
    assert site.run("--log-cap", "10000") == 0
    text = (site.folder / "payload.stdout").read_text()
    assert text.startswith("first\nyyy") and text.endswith("yyylast\n") and "bytes left out here by the launcher" in text
    assert len(text) < 10_200


def whole_letters(folder: Path) -> dict[str, object]:
    """Return every letter under its final name; each must be JSON."""
    return {path.name: json.loads(path.read_bytes()) for path in folder.glob("[!.]*.json*") if path.is_file()}


@pytest.mark.parametrize("moment", range(8))
def test_a_launcher_that_is_killed_leaves_whole_letters_only(site: Site, moment: int) -> None:
    """kill -9 at some moment while letters are being written; then a new one runs the job to its end."""
    script = "echo $$ >> pids; echo started; touch started; while [ ! -e enough ]; do sleep 0.05; done; touch out.1"
    site.feed(script, outFiles="out.1")
    launcher = site.start("--heartbeat", "0.1")
    if moment % 2:
        until((site.folder / "started").exists, "the payload starts")
    else:
        until((site.point.path / "worker_heartbeat.json").exists, "the first letter")
    end = time.monotonic() + moment * 0.02
    while time.monotonic() < end:
        whole_letters(site.folder)
    launcher.kill()
    launcher.communicate(timeout=60)
    assert "HPCJobs.json" in whole_letters(site.folder)
    news = site.messenger.collect(site.point)
    assert news.bad == () and news.job_status == {}
    (site.folder / "enough").touch()
    pids = (site.folder / "pids").read_text().split() if (site.folder / "pids").exists() else []
    until(lambda: not alive([int(pid) for pid in pids]), "the orphan ends")
    assert site.run() == 0
    assert site.news().job_status == {5: "finished"}


def test_a_launcher_that_is_killed_keeps_what_the_payload_printed(site: Site) -> None:
    printing = "echo first; head -c 5000 /dev/zero | tr '\\0' 'y'; echo last words; touch printed"
    site.feed(f"{printing}; while [ ! -e enough ]; do sleep 0.05; done")
    launcher = site.start("--log-cap", "1000")
    until((site.folder / "printed").exists, "the payload prints")
    tail = site.folder / "payload.stdout.tail"
    until(lambda: tail.exists() and "last words" in tail.read_text() * 2, "it is on disk")
    launcher.kill()
    launcher.communicate(timeout=60)
    (site.folder / "enough").touch()
    assert (site.folder / "payload.stdout").read_text().startswith("first\nyyy")


@pytest.mark.parametrize(("arguments", "said"), [
    (["multijob"], "--access-point"), (["yoda"], "--access-point"), ([], "required"), (["single"], "--access-point"),
    (["single", "--access-point", "/x", "--walltime", "-1"], "above 0"), (["single", "--access-point", "/x", "--unknown"], "--unknown"),
])
def test_a_wrong_command_line_is_refused(arguments: list[str], said: str) -> None:
    done = subprocess.run([sys.executable, "-m", "harvester_launch", *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and said in done.stderr


def test_it_needs_the_standard_library_and_the_messenger_only() -> None:
    code = (
        "import sys, harvester_launch.__main__; "
        "print({name.split('.')[0] for name in sys.modules} - set(sys.stdlib_module_names) - {'__main__'}, "
        "{'.'.join(name.split('.')[:2]) for name in sys.modules if name.startswith('harvester_hpc')})"
    )
    line = [sys.executable, "-S", "-c", f"import sys; sys.path[:0] = {_roots()!r}\n{code}"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60)
    others, ours = done.stdout.split("} {")
    assert sorted(re.findall(r"'(.*?)'", others)) == ["harvester_hpc", "harvester_launch"], done.stderr
    assert set(re.findall(r"'(.*?)'", ours)) == {"harvester_hpc", "harvester_hpc.messenger"}


def _roots() -> list[str]:
    import harvester_hpc
    import harvester_launch

    return [str(Path(str(package.__file__)).parent.parent) for package in (harvester_hpc, harvester_launch)]
