"""Dispatch of ranges to payloads that cost nothing: our Yoda and Droids, MPIPoolExecutor, and a bare send/recv loop, in one run."""
from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.bench.measure import Figure

SIZES = (2, 4, 8)



def run(folder: Path) -> list[Figure]:
    """Measure with 2, 4 and 8 ranks on this machine; nothing if there is no MPI."""
    folder.mkdir(parents=True, exist_ok=True)
    beside = Path(sys.executable).with_name("mpiexec")
    program = str(beside) if beside.exists() else shutil.which("mpiexec")
    if program is None:
        return []
    figures: list[Figure] = []
    for size in SIZES:
        ours, bunch = _rate(program, size, ["yoda", str(folder / f"{size}")])
        unjournaled, _ = _rate(program, size, ["yoda", ""])
        bare, _ = _rate(program, size, ["bare", str(max(1, round(bunch)))])
        pool, _ = _rate(program, size, ["pool"], module=("-m", "mpi4py.futures"))
        figures += [
            Figure(name=f"{size} ranks: Yoda and Droids, journal on disk", value=ours, unit="ranges/s", yardstick=100_000.0, source="aim",
                   smaller=False),
            Figure(name="  against MPIPoolExecutor, default chunk", value=ours, unit="ranges/s", yardstick=pool, smaller=False,
                   source="the same run; aim 10x"),
            Figure(name=f"  against bare send/recv, bunches of {bunch:.0f}", value=ours, unit="ranges/s", yardstick=bare,
                   source="the same run; aim 0.33x", smaller=False),
            Figure(name="  without the journal, against bare send/recv", value=unjournaled, unit="ranges/s", yardstick=bare,
                   source="the same run", smaller=False),
        ]
    return figures


def _rate(program: str, size: int, arguments: Sequence[str], module: Sequence[str] = ()) -> tuple[float, float]:
    done = subprocess.run(
        [program, "-n", str(size), sys.executable, *module, str(Path(__file__).with_name("dispatch_ranks.py")), *arguments],
        stdout=subprocess.PIPE, text=True, check=True, timeout=300,
    )
    rate, bunch = json.loads(done.stdout.strip().splitlines()[-1])
    return float(rate), float(bunch)
