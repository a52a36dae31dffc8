"""The payload of the demo: proton-proton collisions with Sibyll 2.3d, and how many charged particles each has.

It is run by its path on a compute node and needs nothing of the program but its interpreter, chromo and numpy::

    python payload.py --events 2000 --seed 1 --output multiplicity.json
"""
from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from pathlib import Path

ENERGY_TEV = 13
ETA_MAX = 2.5


def multiplicities(events: int, seed: int) -> Counter[int]:
    """Return {charged particles in the central region: number of events}."""
    import numpy
    from chromo.constants import TeV
    from chromo.kinematics import CenterOfMass
    from chromo.models import Sibyll23d

    generator = Sibyll23d(CenterOfMass(ENERGY_TEV * TeV, "proton", "proton"), seed=seed)
    return Counter(int(numpy.sum(numpy.abs(event.final_state_charged().eta) < ETA_MAX)) for event in generator(events))


def main() -> None:
    """Generate, then write the histogram and the job report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    began = time.monotonic()
    counted = multiplicities(options.events, options.seed)
    seconds = round(time.monotonic() - began, 3)
    # no time in the output: the same seed makes the same file, with the same checksum
    about = {
        "generator": "Sibyll 2.3d", "collision": f"pp {ENERGY_TEV} TeV", "observable": f"charged particles, |eta| < {ETA_MAX}",
        "seed": options.seed, "events": options.events,
    }
    options.output.write_text(json.dumps({**about, "counts": {str(number): counted[number] for number in sorted(counted)}}))
    Path("jobReport.json").write_text(json.dumps({"nEvents": options.events, "exitCode": 0, "seconds": seconds}))
    print(f"{options.events} events in {seconds} s", flush=True)


if __name__ == "__main__":
    main()
