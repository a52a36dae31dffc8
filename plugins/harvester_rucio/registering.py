"""What upload and registration have in common: files at their place become replicas, and part of datasets.

The order is what makes it safe to begin again at any point: the file lies at its place, whole and compared; then it is registered;
then it is in its dataset; then it counts as moved.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harvester_hpc.model.transfer import Item, Parcel, Transfer
from harvester_hpc.ports.carrier import ItemEnd, ItemNews, Limits, Parked
from harvester_hpc.ports.context import Context
from harvester_hpc.ports.outcome import Failed, Retry
from harvester_rucio.catalogue import Catalogue, Entry, New
from harvester_rucio.credential import credential_problems
from harvester_rucio.datasets import Datasets, DatasetSettings
from harvester_rucio.names import Did, Known, did_of
from harvester_rucio.session import NeedsPerson, Sessions
from harvester_rucio.settings import CopySettings
from harvester_rucio.side_by_side import side_by_side
from harvester_rucio.sorting import REMEDIES

AVAILABLE = "AVAILABLE"
NO_SCOPE = "say 'scope' in the section of the stager; zips of event outputs always need it"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutSettings(CopySettings):
    """The keys of both stagers.

    Attributes:
        rse: RSE of outputs; "" for what the job says of each file.
        dataset: name of the dataset of a file, with ``{dataset}`` (as the job says), ``{task}``, ``{job}``, ``{scope}``, and perhaps
            ``scope:`` before it; "" for none.
        dataset_scope: of datasets; "" for that of the file.
        make_datasets: make those that are not there.
        rule: RSE expression at which a rule keeps what was registered: on the dataset, or on each file without one; "" for no rule.
        lifetime_s: of the rule; null for ever.
        close_after_s: seconds without a new file after which a dataset is closed, when the next batch goes; null: never. What comes
            later has failed, so it has to be much longer than a task is.
    """

    rse: str = ""
    dataset: str = "{dataset}"
    dataset_scope: str = ""
    make_datasets: bool = True
    rule: str = ""
    lifetime_s: int | None = None
    close_after_s: float | None = None

    def problems(self) -> tuple[str, ...]:
        """Return what types cannot tell."""
        return (*CopySettings.problems(self), *self.datasets().problems())

    def datasets(self) -> DatasetSettings:
        """Return what is to become of outputs beside their replicas."""
        return DatasetSettings(
            template=self.dataset, scope=self.dataset_scope, make=self.make_datasets, rule=self.rule, lifetime_s=self.lifetime_s,
            close_after_s=self.close_after_s,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """A file on its way into the catalogue.

    Attributes:
        entry: what the catalogue has under its name; None if nothing.
        state: of its replica at the RSE; "" if there is none.
    """

    item: Item
    did: Did
    rse: str
    pfn: str
    dataset: Did | None = None
    entry: Entry | None = None
    state: str = ""
    known: Known = field(default_factory=Known)


class Registrar:
    """The common part of both stagers. The name is that of the plugin's entry point."""

    name = ""
    problems = staticmethod(credential_problems)

    def __init__(self, settings: OutSettings, context: Context) -> None:
        folder = context.state_dir / f"stager-{self.name}"
        self.out = settings
        self.catalogue = Catalogue(Sessions(settings, folder))
        self.datasets = Datasets(self.catalogue, settings.datasets(), folder / "open-datasets")
        self._rses: dict[str, dict[str, Any]] = {}
        self._scopes: frozenset[str] = frozenset()

    # -- what the two do differently --------------------------------------------------------------

    def brought(self, output: Output, rse: Mapping[str, Any], token: str | None, stopped: Callable[[], bool]) -> Known | ItemNews | None:
        """Have the file at its place; return what lies there, or news if it cannot be; None if it was asked to end."""
        raise NotImplementedError

    def registers(self) -> bool:
        """Tell whether files are registered."""
        return True

    def limits(self) -> Limits:
        """Tell how large batches may be."""
        return self.out.limits()

    # -- the way ----------------------------------------------------------------------------------

    def places(self, parcels: Sequence[Parcel]) -> list[tuple[Did, str] | Retry | Failed | Parked]:
        """Return name and RSE of each file, in the order of ``parcels``."""
        found = [self._place(parcel) for parcel in parcels]
        wanted = {place[0].scope for place in found if isinstance(place, tuple)}
        if not self.registers() or wanted <= self._scopes:
            return found
        # A server answers with an error of its database, as if it were ill, when files of an unknown scope are registered.
        try:
            self._scopes = self.catalogue.scopes()
        except NeedsPerson as error:
            return [error.parked if isinstance(place, tuple) else place for place in found]
        return [
            _no_such_scope(place[0]) if isinstance(place, tuple) and place[0].scope not in self._scopes else place for place in found
        ]

    def _place(self, parcel: Parcel) -> tuple[Did, str] | Retry | Failed | Parked:
        did = did_of(parcel, self.out.scope)
        if isinstance(did, Failed):
            # What was computed is not given up for a key of the section.
            return Parked(why=did.why, remedy=NO_SCOPE)
        dataset = self.out.datasets().dataset_of(parcel, did)
        if isinstance(dataset, Failed):
            return dataset
        rse = self.out.rse or parcel.endpoint
        if not rse:
            return Failed(why=f"{did}: neither the job nor 'rse' of the queue's section says at which RSE it is to be")
        try:
            self.rse(rse)
        except NeedsPerson as error:
            if self.out.rse:
                return error.parked
            return Failed(why=error.parked.why) if error.kind == "RSENotFound" else error.parked
        return did, rse

    def rse(self, name: str) -> dict[str, Any]:
        """Return the settings of an RSE, asked for once."""
        if name not in self._rses:
            self._rses[name] = self.catalogue.rse(name)
        return self._rses[name]

    # -- the work ---------------------------------------------------------------------------------

    def copy(
        self, transfer: Transfer, items: Sequence[Item], tell: Callable[[ItemNews], None], stopped: Callable[[], bool]
    ) -> Parked | None:
        """Bring, register and attach all files; see ``ports.carrier.Copier``."""
        most = self.out.files_per_call
        made: set[Did] = set()
        try:
            rse = self._writable(items[0].route.destination.name)
            for start in range(0, len(items), most):
                if stopped():
                    return None
                for news in self._part(items[start : start + most], rse, made, stopped):
                    tell(news)
            self.datasets.close_quiet()
        except NeedsPerson as error:
            return error.parked
        return None

    def _part(
        self, items: Sequence[Item], rse: Mapping[str, Any], made: set[Did], stopped: Callable[[], bool]
    ) -> Iterator[ItemNews]:
        outputs, refused = self._outputs(items)
        yield from refused
        if not outputs:
            return
        token = self.catalogue.sessions.token()
        there: list[Output] = []
        parked: NeedsPerson | None = None
        try:
            for output, found in side_by_side(outputs, self.out.threads, lambda one: self.brought(one, rse, token, stopped), stopped):
                if isinstance(found, ItemNews):
                    yield found
                elif found is not None:
                    there.append(_with(output, found))
        except NeedsPerson as error:
            parked = error
        yield from self._registered(there, made) if there else ()
        if parked is not None:
            raise parked

    def _writable(self, name: str) -> dict[str, Any]:
        """Return the settings of an RSE as they are now."""
        rse = self._rses[name] = self.catalogue.rse(name)
        if not rse.get("availability_write", True):
            raise NeedsPerson(Parked(why=f"{name} may not be written to now", remedy=REMEDIES["RSEWriteBlocked"]))
        return rse

    def _outputs(self, items: Sequence[Item]) -> tuple[list[Output], list[ItemNews]]:
        """Return the files with what the catalogue has of them, and news of those that cannot be."""
        bare = [self._bare(item) for item in items]
        dids = [output.did for output in bare]
        known, refused = self.catalogue.files(dids)
        entries, denied = self.catalogue.replicas(known, bare[0].rse) if known else ({}, {})
        outputs: list[Output] = []
        news: list[ItemNews] = []
        seen: set[Did] = set()
        for output in bare:
            if output.did in seen:
                news.append(again(output.item, f"{output.did}: another file of that name goes in the same batch"))
                continue
            seen.add(output.did)
            if why := refused.get(output.did) or denied.get(output.did):
                news.append(failed(output.item, why))
                continue
            entry = entries.get(output.did)
            if entry is None and output.did in known:
                entry = Entry(known=known[output.did], replicas=())
            state = next((one.state for one in entry.replicas if one.rse == output.rse), "") if entry else ""
            if state not in ("", AVAILABLE):
                news.append(again(output.item, f"{output.did}: its replica at {output.rse} is {state}: Rucio is at work on it"))
                continue
            outputs.append(_with(output, output.known, entry, state))
        return outputs, news

    def _bare(self, item: Item) -> Output:
        did = did_of(item.parcel, self.out.scope)
        assert isinstance(did, Did), "an item without a name has no route"
        dataset = self.out.datasets().dataset_of(item.parcel, did)
        assert not isinstance(dataset, Failed), "an item without a dataset that it should have has no route"
        place = item.route.destination
        return Output(item=item, did=did, rse=place.name, pfn=place.path, dataset=dataset)

    # -- the catalogue ----------------------------------------------------------------------------

    def _registered(self, outputs: Sequence[Output], made: set[Did]) -> list[ItemNews]:
        """Register what lies at its place; return news of each. made: datasets that this batch has made."""
        if not self.registers():
            return [moved(output) for output in outputs]
        refused = self._added([output for output in outputs if not output.state])
        unseen, wrong = self._looked([output for output in outputs if output.did not in refused])
        refused |= wrong
        good = [output for output in outputs if output.did not in refused and output.did not in unseen]
        files: dict[Did, list[Did]] = {}
        for output in good:
            if output.dataset is not None:
                files.setdefault(output.dataset, []).append(output.did)
        refused |= self.datasets.put(files, made)
        if self.out.rule:
            refused |= self.datasets.rule(output.did for output in good if output.dataset is None)
        return [
            failed(output.item, refused[output.did]) if output.did in refused
            else again(output.item, unseen[output.did]) if output.did in unseen
            else moved(output)
            for output in outputs
        ]

    def _added(self, outputs: Sequence[Output]) -> dict[Did, str]:
        if not outputs:
            return {}
        news = (New(did=one.did, known=one.known, guid=one.item.parcel.guid, pfn=one.pfn) for one in outputs)
        return self.catalogue.add(outputs[0].rse, news)

    def _looked(self, outputs: Sequence[Output]) -> tuple[dict[Did, str], dict[Did, str]]:
        """Look at what the catalogue has now: it says yes to a file that it knows with another checksum, and keeps the old one.

        Returns:
            Files that are not to be seen (yet), and those that it knows otherwise; and why.
        """
        unseen: dict[Did, str] = {}
        if not outputs:
            return unseen, {}
        entries, wrong = self.catalogue.replicas([output.did for output in outputs], outputs[0].rse)
        for output in outputs:
            entry = entries.get(output.did)
            states = {one.rse: one.state for one in entry.replicas} if entry else {}
            if entry is None or states.get(output.rse) != AVAILABLE:
                unseen[output.did] = f"{output.did}: was registered at {output.rse}, and is not to be seen there"
            elif difference := output.known.unlike(entry.known):
                wrong[output.did] = f"{output.did}: {difference} as the file of that name that Rucio knows"
        return unseen, wrong


def _with(output: Output, known: Known, entry: Entry | None = None, state: str = "") -> Output:
    return Output(
        item=output.item, did=output.did, rse=output.rse, pfn=output.pfn, dataset=output.dataset, entry=entry or output.entry,
        state=state or output.state, known=known,
    )


def _no_such_scope(did: Did) -> Parked:
    remedy = f"have the scope made (rucio-admin scope add --scope {did.scope} --account ACCOUNT), or let jobs name another"
    return Parked(why=f"{did}: Rucio has no scope {did.scope!r}", remedy=remedy)


def moved(output: Output) -> ItemNews:
    """Return that a file is at its place, and registered if it was to be."""
    return ItemNews(
        item_id=output.item.parcel.item_id, end=ItemEnd.MOVED, size=output.known.size, url=output.pfn, verified=True,
        checksum=output.known.like(output.item.parcel.checksum),
    )


def again(item: Item, why: str) -> ItemNews:
    """Return that a file is to be tried again."""
    return ItemNews(item_id=item.parcel.item_id, end=ItemEnd.AGAIN, why=why)


def failed(item: Item, why: str) -> ItemNews:
    """Return that a file has failed for good."""
    return ItemNews(item_id=item.parcel.item_id, end=ItemEnd.FAILED, why=why)
