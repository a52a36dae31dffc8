"""The payload of the demo: proton-proton collisions with Sibyll 2.3d, and how many charged particles each has.

It is run by its path on a compute node and needs nothing of the program but its interpreter, chromo and numpy. As a whole job,
or (``--ranges``) as a process that lives long and works on the event ranges that it reads::

    python payload.py --events 2000 --seed 1 --output multiplicity.json
    python payload.py --ranges
"""
from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
from collections import Counter
from pathlib import Path

ENERGY_TEV = 13
ETA_MAX = 2.5


#: What makes an output a part of the same distribution.
ABOUT = {"generator": "Sibyll 2.3d", "collision": f"pp {ENERGY_TEV} TeV", "observable": f"charged particles, |eta| < {ETA_MAX}"}


class Generator:
    """The generator; a process can have one only."""

    def __init__(self, seed: int) -> None:
        from chromo.constants import TeV
        from chromo.kinematics import CenterOfMass
        from chromo.models import Sibyll23d

        self._model = Sibyll23d(CenterOfMass(ENERGY_TEV * TeV, "proton", "proton"), seed=seed)

    def multiplicities(self, events: int) -> Counter[int]:
        """Return {charged particles in the central region: number of events}."""
        import numpy

        return Counter(int(numpy.sum(numpy.abs(event.final_state_charged().eta) < ETA_MAX)) for event in self._model(events))


def work_on_ranges() -> None:
    """Answer each range on stdin by a line on stdout, its histogram written before."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what the generator itself says must not come between the answers
    generator: Generator | None = None
    for line in sys.stdin:
        wanted = json.loads(line)
        if generator is None:  # each process has its own random numbers: no two of them begin with the same range
            seed = int.from_bytes(hashlib.sha256(wanted["eventRangeID"].encode()).digest()[:4], "big") % 900_000_000 + 1
            generator = Generator(seed)
        events = wanted["lastEvent"] - wanted["startEvent"] + 1
        answer = {"eventRangeID": wanted["eventRangeID"], "status": "finished"}
        try:
            counted = generator.multiplicities(events)
            histogram = {**ABOUT, "range": wanted["eventRangeID"], "events": events, "counts": _sorted(counted)}
            Path(wanted["out"]).write_text(json.dumps(histogram))
        except OSError as error:
            answer |= {"status": "failed", "message": str(error), "exitCode": 3}
        print(json.dumps(answer), file=answers)


def _sorted(counted: Counter[int]) -> dict[str, int]:
    return {str(number): counted[number] for number in sorted(counted)}


def run_whole_job(events: int, seed: int, output: Path) -> None:
    """Generate, then write the histogram and the job report."""
    began = time.monotonic()
    counted = Generator(seed).multiplicities(events)
    seconds = round(time.monotonic() - began, 3)
    # no time in the output: the same seed makes the same file, with the same checksum
    output.write_text(json.dumps({**ABOUT, "seed": seed, "events": events, "counts": _sorted(counted)}))
    Path("jobReport.json").write_text(json.dumps({"nEvents": events, "exitCode": 0, "seconds": seconds}))
    print(f"{events} events in {seconds} s", flush=True)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ranges", action="store_true", help="work on event ranges from stdin")
    parser.add_argument("--events", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, default=Path("multiplicity.json"))
    options = parser.parse_args()
    if options.ranges:
        work_on_ranges()
    else:
        run_whole_job(options.events, options.seed, options.output)


if __name__ == "__main__":
    main()
