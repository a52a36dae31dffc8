"""Datasets of outputs: made, filled, ruled, and closed when nothing comes any more."""
from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from harvester_hpc.clock import Clock, SystemClock
from harvester_hpc.model.transfer import Parcel
from harvester_hpc.ports.outcome import Failed
from harvester_rucio.catalogue import Catalogue
from harvester_rucio.names import Did
from harvester_rucio.session import Refused

log = logging.getLogger(__name__)

PLACEHOLDERS = ("{dataset}", "{task}", "{job}", "{scope}")
#: What the service says of something that is as it is wanted already.
THERE_ALREADY = frozenset({"DataIdentifierAlreadyExists", "DuplicateRule", "RuleReplaceFailed"})


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSettings:
    """What is to become of outputs beside their replicas (see the plugins' Settings).

    Attributes:
        template: name of the dataset of a file, with ``{dataset}`` (as the job says), ``{task}``, ``{job}``, ``{scope}``; "" for none.
        scope: of datasets; "" for that of the file.
        make: make those that are not there.
        rule: RSE expression that a rule keeps the files at (on the dataset, or on each file without one); "" for no rule.
        lifetime_s: of the rule; None for ever.
        close_after_s: seconds without a new file after which a dataset is closed; None: never.
    """

    template: str
    scope: str
    make: bool
    rule: str
    lifetime_s: int | None
    close_after_s: float | None

    def problems(self) -> tuple[str, ...]:
        """Return what types cannot tell."""
        rest = self.template
        for placeholder in PLACEHOLDERS:
            rest = rest.replace(placeholder, "")
        found = [f"dataset: there is only {', '.join(PLACEHOLDERS)}, not {self.template!r}"] if "{" in rest or "}" in rest else []
        if self.lifetime_s is not None and self.lifetime_s <= 0:
            found.append(f"lifetime_s: must be more than 0, not {self.lifetime_s}")
        if self.close_after_s is not None and self.close_after_s <= 0:
            found.append(f"close_after_s: must be more than 0, not {self.close_after_s:g}")
        return tuple(found)

    def dataset_of(self, parcel: Parcel, did: Did) -> Did | Failed | None:
        """Return the dataset of a file; None if it has none."""
        words = {"{dataset}": parcel.dataset, "{job}": str(parcel.job_id), "{scope}": did.scope}
        name = self.template
        if not name or ("{dataset}" in name and not parcel.dataset):
            return None
        if "{task}" in name and parcel.task_id is None:
            return Failed(why=f"{did}: its dataset is named by its task, and job {parcel.job_id} has none")
        for placeholder, word in {**words, "{task}": str(parcel.task_id)}.items():
            name = name.replace(placeholder, word)
        scope, colon, rest = name.rpartition(":")
        return Did(scope=scope if colon else self.scope or did.scope, name=rest.rstrip("/"))


class Datasets:
    """Keeps datasets and rules as the settings say. What is open is remembered on disk.

    Args:
        folder: for one small file a dataset that is to be closed.
    """

    def __init__(self, catalogue: Catalogue, settings: DatasetSettings, folder: Path, clock: Clock | None = None) -> None:
        self._catalogue = catalogue
        self._settings = settings
        self._folder = folder
        self._clock = clock or SystemClock()

    def put(self, files: Mapping[Did, Iterable[Did]], made: set[Did]) -> dict[Did, str]:
        """Put files into datasets, and rules on these. Return {file: why it could not be}.

        Args:
            files: {dataset: its files}.
            made: datasets that are known to be there with their rules; grows.

        Raises:
            NeedsPerson, Unavailable: see ``Sessions.asking``.
        """
        refused: dict[Did, str] = {}
        for dataset, members in files.items():
            wanted = tuple(members)
            try:
                if self._settings.make and dataset not in made:
                    self._make(dataset)
                self._remember(dataset)
                refused |= self._catalogue.attach(dataset, wanted)
                if self._settings.rule and dataset not in made:
                    refused |= dict.fromkeys(wanted, why) if (why := self.rule([dataset]).get(dataset)) else {}
                made.add(dataset)
            except Refused as error:
                refused |= dict.fromkeys(wanted, error.why)
        return refused

    def rule(self, dids: Iterable[Did]) -> dict[Did, str]:
        """Make a rule on each; one that is there already is as good. Return {identifier: why it could not be}."""
        refused: dict[Did, str] = {}
        for did in dids:
            try:
                with self._catalogue.sessions.asking(f"making a rule for {did} at {self._settings.rule}") as client:
                    client.add_replication_rule(
                        [did.to_json()], 1, self._settings.rule, lifetime=self._settings.lifetime_s, comment="harvester_hpc"
                    )
            except Refused as error:
                if error.kind not in THERE_ALREADY:
                    refused[did] = error.why
        return refused

    def close_quiet(self) -> int:
        """Close datasets to which nothing was added for long enough; return how many."""
        after = self._settings.close_after_s
        if after is None or not self._folder.is_dir():
            return 0
        closed = 0
        for file in sorted(self._folder.glob("*.json")):
            if self._clock.now() - file.stat().st_mtime >= after:
                self._close(Did(**json.loads(file.read_text())))
                file.unlink(missing_ok=True)
                closed += 1
        return closed

    def _make(self, dataset: Did) -> None:
        try:
            with self._catalogue.sessions.asking(f"making the dataset {dataset}") as client:
                client.add_dataset(dataset.scope, dataset.name)
        except Refused as error:
            if error.kind not in THERE_ALREADY:
                raise

    def _close(self, dataset: Did) -> None:
        try:
            with self._catalogue.sessions.asking(f"closing the dataset {dataset}") as client:
                client.close(dataset.scope, dataset.name)
            log.info("closed dataset=%s", dataset)
        except Refused as error:
            # Closed already, or gone: both are what was wanted.
            log.info("not closed dataset=%s why=%s", dataset, error.why)

    def _remember(self, dataset: Did) -> None:
        if self._settings.close_after_s is None:
            return
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = self._folder / f"{sha256(str(dataset).encode()).hexdigest()[:24]}.json"
        fresh = file.with_suffix(".part")
        fresh.write_text(json.dumps(dataset.to_json()))
        fresh.replace(file)
        now = self._clock.now()
        os.utime(file, (now, now))
