"""The real Slurm and its emulation print the same of the same: one scenario, both, side by side."""
from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harvester_hpc.testing.contracts.batch import wait_until
from harvester_hpc.testing.schedulers.behaviour import Behaviour, Queue
from harvester_hpc.testing.schedulers.emulated import Emulated
from harvester_hpc.testing.slurm import Cluster
from harvester_psij.slurm_rows import squeue_command, squeue_rows

pytestmark = pytest.mark.slurm

Run = Callable[..., "subprocess.CompletedProcess[str]"]
DAY_S = 86400
WITHIN_S = 60.0
SCRIPT = """#!/bin/bash
#SBATCH --time=5 --no-requeue   # two nodes of two cores are there
eval "$1"
"""


@pytest.fixture
def emulation(tmp_path: Path) -> Iterator[Emulated]:
    """The emulation of the cluster that the tests have."""
    queues = (
        Queue(name="batch", default_walltime_s=600, max_walltime_s=DAY_S), Queue(name="debug", max_nodes=2, default_walltime_s=300,
                                                                                max_walltime_s=1800),
        Queue(name="tiny", default_walltime_s=60, max_walltime_s=60),
    )
    behaviour = Behaviour(dialect="slurm", nodes=2, cpus=2, memory_mb=2000, queues=queues, accounting=False, server="hpc")
    with Emulated(tmp_path / "emulation", "slurm", behaviour) as emulated:
        yield emulated


class Story:
    """The scenario at one of the two; what it tells has no numbers, times or host names of its own in it."""

    def __init__(self, run: Run, folder: Path) -> None:
        self.run, self.folder = run, folder
        folder.mkdir()
        (folder / "script").write_text(SCRIPT)
        self.ids: list[str] = []

    def submit(self, command: str, *options: str) -> str:
        """Submit a job; return its number."""
        argv = ["sbatch", "--parsable", f"--job-name=job{len(self.ids)}", *options, "script", command]
        self.ids.append(self.run(argv, folder=self.folder).stdout.strip())
        return self.ids[-1]

    def state(self, number: str) -> str:
        """Return the compact state."""
        return self.run(["squeue", "--noheader", "--states=all", f"--jobs={number}", "--format=%t"]).stdout.strip()

    def until(self, number: str, *states: str) -> None:
        """Wait for a state."""
        wait_until(lambda: self.state(number) in states, WITHIN_S, f"job {number} is {states}")

    def said(self, *argv: str) -> tuple[str, int, str, str]:
        """Return a command, its exit code and what it printed."""
        done = self.run(list(argv), folder=self.folder)
        return self.plain(" ".join(argv)), done.returncode, self.plain(done.stdout), self.plain(done.stderr)

    def plain(self, text: str) -> str:
        """Return a text with its jobs by their place in the story, without times."""
        for place, number in enumerate(self.ids):
            text = re.sub(rf"(?<!\d){number}(?!\d)", f"<{place}>", text)
        text = re.sub(r"\b1[67]\d{8}\b|\d{4}-\d\d-\d\dT[\d:]+", "<time>", text)
        return "\n".join(line.strip() for line in text.splitlines())


def tell(story: Story, control: Callable[..., object]) -> list[tuple[str, int, str, str]]:
    """Play the scenario, and return what the commands have said."""
    told = []
    good, bad = story.submit("true"), story.submit("exit 3")
    killed, crashed = story.submit("kill -9 $$"), story.submit("kill -SEGV $$")
    for number in (good, bad, killed, crashed):
        story.until(number, "CD", "F")
    cancelled = story.submit("sleep 300")
    story.until(cancelled, "R")
    control("scancel", cancelled)
    story.until(cancelled, "CA")
    lost = story.submit("sleep 300")
    story.until(lost, "R")
    node = story.run(["squeue", "--noheader", f"--jobs={lost}", "--format=%N"]).stdout.strip()
    control("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
    story.until(lost, "NF")
    control("scontrol", "update", f"nodename={node}", "state=resume")
    wide = story.submit("sleep 300", "--nodes=2", "--exclusive")
    story.until(wide, "R")
    held, array = story.submit("true", "--hold"), story.submit("true", "--hold", "--array=1-3")
    control("scontrol", "suspend", wide)
    story.until(wide, "S")
    listed = story.run(squeue_command(), folder=story.folder)
    told.append(("rows", listed.returncode, "", story.plain(listed.stderr)))
    by_id = {row.batch_id: row for row in squeue_rows(listed.stdout).rows}
    for number in (good, bad, killed, crashed, cancelled, lost, wide, held):
        row = by_id[number]
        told.append((f"{row.code} {row.name} {row.reason}", int(row.has_ended), str(row.meaning), f"on a node: {bool(row.node)}"))
    told.append(("arrays", 0, story.plain(" ".join(one for one in by_id if "[" in one)), ""))
    told.append(story.said("squeue", "--noheader", "--states=all", f"--jobs={held}", "--format=%i|%j|%t|%T|%D|%C|%l|%M|%P|%r|%R|%k"))
    told.append(story.said("squeue", "--noheader", "--states=all", f"--jobs={wide}", "--format=%i|%t|%T|%D|%l|%P|%r|%R|%N|%B"))
    told.append(story.said("squeue", "--noheader", f"--jobs={array}", "--format=%.12i %t"))
    told.append(story.said("squeue", "--noheader", "--jobs=999999"))
    told.append(story.said("squeue", "--noheader", f"--jobs=999999,{held}", "--format=%i"))
    told.append(story.said("squeue", "--noheader", "--name=nobody"))
    told.append(story.said("squeue", "--noheader", f"--jobs={held}", "--Format=JobArrayID,StateCompact,Reason"))
    told.append(story.said("scancel", "999999"))
    told.append(story.said("scancel", good))
    told.append(story.said("sacct"))
    for options in (
        ["--partition=nosuch"], ["--nodes=9"], ["--time=100-0"], ["--nosuchoption"], ["--partition=debug", "--time=60"],
    ):
        told.append(story.said("sbatch", "--parsable", *options, "script", "true"))
    told.append(story.said("sbatch", "nosuchfile"))
    told.append(story.said("scontrol", "show", "hostnames", "n[1-2]"))
    told.append(story.said("sinfo", "--all", "--exact", "--noheader", "--format=%R|%D|%c|%m|%G|%f|%s|%a|%l|%N"))
    control("scancel", "--me")
    return told


def test_both_say_the_same_of_the_same(slurm: Cluster, emulation: Emulated, tmp_path: Path) -> None:
    real = tell(Story(slurm.run, tmp_path / "real"), lambda *argv: slurm.run(argv))
    emulated = tell(Story(emulation.run, tmp_path / "emulated"), lambda *argv: emulation.run(argv))
    differences = [pair for pair in zip(real, emulated, strict=True) if pair[0] != pair[1]]
    assert not differences, "\n".join(f"real:     {one}\nemulated: {other}" for one, other in differences)
