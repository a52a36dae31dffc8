"""The histograms of the jobs put together, and drawn."""
from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from harvester_hpc.errors import HarvesterError

#: Charged particles in one bin of the picture.
BIN = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """How many events have how many charged particles.

    Attributes:
        counts: {charged particles: events}.
        title: generator, collision and observable.
    """

    counts: Counter[int]
    title: str

    @property
    def events(self) -> int:
        """All events."""
        return self.counts.total()

    @property
    def mean(self) -> float:
        """Charged particles of the average event."""
        return sum(number * events for number, events in self.counts.items()) / max(1, self.events)


def merged(files: Iterable[Path]) -> Histogram:
    """Return the sum of the histograms that the payloads have written.

    Raises:
        HarvesterError: one of them is none, or holds another number of events than it says.
    """
    counts: Counter[int] = Counter()
    title = ""
    for file in files:
        try:
            text = file.read_text()
        except (OSError, ValueError) as error:
            raise HarvesterError(f"{file} is no histogram of the demo", why=f"{type(error).__name__}: {error}") from error
        own, _ = histogram_in(text, str(file))
        title = own.title
        counts.update(own.counts)
    return Histogram(counts=counts, title=title)


def histogram_in(text: str, where: str) -> tuple[Histogram, str]:
    """Return the histogram that a payload has written, and the event range that it is of ("" for a whole job).

    Raises:
        HarvesterError: it is none, or holds another number of events than it says.
    """
    try:
        content = json.loads(text)
        own = Counter({int(number): int(events) for number, events in content["counts"].items()})
        title = f"{content['generator']}, {content['collision']}: {content['observable']}"
        expected, of_range = int(content["events"]), str(content.get("range", ""))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise HarvesterError(f"{where} is no histogram of the demo", why=f"{type(error).__name__}: {error}") from error
    if own.total() != expected:
        raise HarvesterError(f"{where} holds {own.total()} events and says that it has {expected}")
    return Histogram(counts=own, title=title), of_range


def draw(histogram: Histogram, picture: Path) -> None:
    """Draw the distribution with its statistical errors into a PNG file."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    bins: Counter[int] = Counter()
    for number, events in histogram.counts.items():
        bins[number // BIN] += events
    last = max(bins, default=0)
    middles = [(index + 0.5) * BIN for index in range(last + 1)]
    total = max(1, histogram.events) * BIN
    heights = [bins[index] / total for index in range(last + 1)]
    errors = [math.sqrt(bins[index]) / total for index in range(last + 1)]
    figure, axes = pyplot.subplots(figsize=(8, 5), layout="constrained")
    axes.step(middles, heights, where="mid", color="tab:blue")
    axes.errorbar(middles, heights, yerr=errors, fmt="none", color="tab:blue", alpha=0.6)
    axes.set_yscale("log")
    axes.set_xlabel(histogram.title.rpartition(": ")[2])
    axes.set_ylabel("probability per particle")
    axes.set_title(f"{histogram.title.partition(':')[0]}, {histogram.events} events, mean {histogram.mean:.1f}")
    figure.savefig(picture, dpi=120)
    pyplot.close(figure)
