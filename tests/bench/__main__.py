"""By hand: ``python -m tests.bench [PART ...]``: figures beside their yardsticks; without a part, all of them."""
from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from tests.bench import (
    command_line,
    dispatch,
    droids,
    events,
    fifo,
    globus,
    idle,
    letters,
    logs,
    panda,
    pipeline,
    schedulers,
    staging,
    zips,
)
from tests.bench.measure import HEADER

PARTS = {"pipeline": pipeline.run, "command_line": command_line.run, "idle": idle.run, "dispatch": dispatch.run, "droids": droids.run,
         "events": events.run, "globus": globus.run, "zips": zips.run, "staging": staging.run, "letters": letters.run, "logs": logs.run,
         "schedulers": schedulers.run, "fifo": fifo.run, "panda": panda.run}


def main() -> None:
    """Run the parts that were named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", nargs="*", choices=[[], *PARTS], default=[])
    chosen = parser.parse_args()
    print(HEADER)
    with tempfile.TemporaryDirectory(prefix="harvester-bench-") as folder:
        for name in chosen.part or PARTS:
            for figure in PARTS[name](Path(folder) / name):
                print(figure.line(), flush=True)


if __name__ == "__main__":
    main()
