"""``demo``: real jobs through the whole pipeline in a fresh folder."""
from __future__ import annotations

from pathlib import Path

import click

#: What the payload and the picture need.
NEEDS = ("chromo", "numpy", "matplotlib")
#: What ranks that find each other need, beside an mpiexec.
MPI = "mpi4py"


@click.command()
@click.option("--site", type=click.Choice(["local", "slurm"]), default="local", show_default=True, help="Where the workers run.")
@click.option("--dir", "folder", type=click.Path(path_type=Path), default=Path("demo-run"), show_default=True, help="Its folder.")
@click.option("--jobs", "n_jobs", type=click.IntRange(1, 1000), default=6, show_default=True, help="How many jobs.")
@click.option("--events", type=click.IntRange(1, 10**6), default=2000, show_default=True, help="Collisions of each job.")
@click.option("--ranges", type=click.IntRange(0, 10**6), default=2000, show_default=True, help="Event ranges of the jumbo job; 0: none.")
@click.option("--timeout", type=click.FloatRange(min=1), default=600.0, show_default=True, help="Seconds after which it gives up.")
def command(site: str, folder: Path, n_jobs: int, events: int, ranges: int, timeout: float) -> int:
    """Run real jobs through the whole pipeline: Sibyll 2.3d makes proton-proton collisions at 13 TeV.

    An instance is made in a fresh folder; jobs go from its workload management system through the batch system and back, with their
    outputs verified. Then a jumbo job: its event ranges are shared by two workers of 4 MPI ranks each, one of which is killed half-way.
    In the end there is a summary, and a picture of the charged multiplicity.
    """
    from harvester_hpc.cli.demo.performance import perform

    return perform(site, folder.absolute(), n_jobs, events, ranges, timeout)
