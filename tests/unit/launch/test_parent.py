"""What is killed takes along what it has started."""
from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.unit.launch.conftest import Site, alive, until


def pid_in(path: Path) -> int:
    until(lambda: path.exists() and path.read_text().strip(), f"{path.name} is written")
    return int(path.read_text())


def test_a_killed_launcher_leaves_no_payload(site: Site) -> None:
    site.feed("echo $$ > pid; exec sleep 600")
    launcher = site.start()
    payload = pid_in(site.folder / "pid")
    os.kill(launcher.pid, signal.SIGKILL)
    until(lambda: not alive([payload]), "the payload ends")


def test_a_killed_batch_script_takes_launcher_and_payload_along_and_all_is_told(site: Site) -> None:
    site.feed("echo $$ > pid; exec sleep 600")
    line = f"'{sys.executable}' -m harvester_launch single --access-point '{site.point.path}' & echo $! > launcher; wait"
    script = subprocess.Popen(["bash", "-c", line], cwd=site.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    launcher, payload = pid_in(site.folder / "launcher"), pid_in(site.folder / "pid")
    script.kill()
    script.wait()
    until(lambda: not alive([launcher, payload]), "launcher and payload end")
    assert site.told()["jobStatus"] == "failed"
    assert "SIGTERM" in site.told()["exeErrorDiag"]
