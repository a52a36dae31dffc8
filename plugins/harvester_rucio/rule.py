"""Stage-in by rule: Rucio is asked to bring files to the RSE of this site, and to keep them there for a while."""
from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harvester_hpc.clock import Clock, SystemClock
from harvester_hpc.errors import Unavailable
from harvester_hpc.model.transfer import Item, Parcel, Place, Progress, Route, Transfer
from harvester_hpc.ports.carrier import Accepted, Ended, Gone, ItemEnd, ItemNews, Limits, Moving, Parked, Seen, Submitted
from harvester_hpc.ports.context import Context
from harvester_hpc.ports.outcome import Failed, Retry
from harvester_rucio.catalogue import Catalogue
from harvester_rucio.credential import credential_problems, with_credential
from harvester_rucio.mounts import translated
from harvester_rucio.names import Did, Known, did_of, promised
from harvester_rucio.placing import part_of
from harvester_rucio.session import NeedsPerson, Refused, Sessions
from harvester_rucio.settings import BatchSettings

DAY_S = 86_400
#: A dataset of ours outlives its rule by so many seconds, then Rucio removes it.
MARGIN_S = DAY_S


class RucioRule:
    """Makes one rule for each batch, on a dataset of its own, and waits until Rucio has kept it.

    The dataset's name is made once, before anything is asked of Rucio; so the same batch handed over again finds its dataset and
    its rule. The files stay at the RSE, and inputs are links to them; Rucio removes them some time after the rule has ended.
    """

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Settings(BatchSettings):
        """The section of the queue.

        Attributes:
            rse: RSE of this site; one, not an expression. Where it is mounted says ``mounts``.
            lifetime_s: of the rule: longer than a job waits and runs.
            dataset_scope: scope of the datasets that rules are made on; "" for ``user.<account>``.
            dataset_prefix: beginning of their names.
            activity: by which Rucio shares out transfers; "" for its default.
            stuck_s: seconds after which files that Rucio is stuck with are given up, and tried again under another rule.
        """

        rse: str
        lifetime_s: int = 14 * DAY_S
        dataset_scope: str = ""
        dataset_prefix: str = "harvester"
        activity: str = ""
        stuck_s: float = 6 * 3600.0
        batches: int = 20
        poll_s: float = 60.0

        def problems(self) -> tuple[str, ...]:
            """Return what types cannot tell."""
            found = [f"{name}: must be more than 0, not {value:g}" for name, value in (
                ("lifetime_s", self.lifetime_s), ("stuck_s", self.stuck_s),
            ) if value <= 0]
            if not self.rse:
                found.append("rse: names no RSE")
            if not self.dataset_scope and not self.account:
                found.append("dataset_scope: must be given where 'account' is not")
            return (*BatchSettings.problems(self), *found)

    problems = staticmethod(credential_problems)

    def __init__(self, settings: Settings, context: Context, clock: Clock | None = None) -> None:
        self.settings = settings = with_credential(settings, context)
        self.catalogue = Catalogue(Sessions(settings, context.state_dir / "preparator-rucio_rule"))
        self._clock = clock or SystemClock()
        self._rse: dict[str, Any] = {}

    def limits(self) -> Limits:
        """Tell how large batches may be."""
        return self.settings.limits()

    def route(self, parcels: Sequence[Parcel]) -> Sequence[Route | Retry | Failed | Parked]:
        """Tell at which path of the RSE each file will lie."""
        dids = [did_of(parcel, self.settings.scope) for parcel in parcels]
        try:
            self._rse = self._rse or self.catalogue.rse(self.settings.rse)
            if not self._rse.get("deterministic", True):
                why = f"{self.settings.rse} is not deterministic: it has no path for a name"
                return [Parked(why=why, remedy="name another RSE, or use rucio_download")] * len(parcels)
            names = [did for did in dids if isinstance(did, Did)]
            pfns = self.catalogue.pfns(self._rse, names, self.settings.domain, self.settings.scheme)
        except NeedsPerson as error:
            return [error.parked] * len(parcels)
        return [self._route(parcel, did, pfns) if isinstance(did, Did) else did for parcel, did in zip(parcels, dids, strict=True)]

    def _route(self, parcel: Parcel, did: Did, pfns: Mapping[Did, str]) -> Route | Parked:
        pfn = pfns[did]
        readable = translated(pfn, self.settings.mounts)
        if parcel.target and not readable:
            return Parked(why=f"{pfn} is not mounted here as far as is known", remedy="say in 'mounts' of the queue's section where it is")
        source, destination = Place(name="rucio", path=str(did)), Place(name=self.settings.rse, path=pfn)
        return Route(source=source, destination=destination, readable=parcel.target or readable)

    def token(self, transfer: Transfer) -> str:
        """Return the last part of the name of the batch's dataset."""
        return f"{transfer.key}-{secrets.token_hex(4)}"

    # -- handing over -----------------------------------------------------------------------------

    def submit(self, transfer: Transfer, items: Sequence[Item]) -> Submitted:
        """Make the dataset, put the files into it, and the rule on it; what is there of it already stays."""
        try:
            known, whys = self._known(items)
            good = [did for did in known if did not in whys]
            if not good:
                return Failed(why="; ".join(list(whys.values())[:3]) or "none of the files is known to Rucio")
            dataset = self._dataset(transfer)
            self._make(dataset)
            refused = self.catalogue.attach(dataset, good)
            if len(refused) == len(good):
                return Failed(why=next(iter(refused.values())))
            return Accepted(task=self._rule(transfer, dataset))
        except NeedsPerson as error:
            return error.parked
        except Refused as error:
            return Failed(why=error.why)

    def _known(self, items: Sequence[Item]) -> tuple[dict[Did, Known], dict[Did, str]]:
        """Return what Rucio knows of the files, and which of them cannot come, and why."""
        mine = {did: promised(item.parcel) for item in items if isinstance(did := did_of(item.parcel, self.settings.scope), Did)}
        known, whys = self.catalogue.files(mine)
        for did, promise in mine.items():
            if did not in known:
                whys.setdefault(did, f"{did}: Rucio knows no file of that name")
            elif difference := known[did].unlike(promise):
                whys[did] = f"{did}: the file that Rucio knows {difference} as the job says"
        return known, whys

    def _dataset(self, transfer: Transfer) -> Did:
        scope = self.settings.dataset_scope or f"user.{self.settings.account}"
        return Did(scope=scope, name=f"{self.settings.dataset_prefix}.{transfer.token or transfer.key}")

    def _make(self, dataset: Did) -> None:
        try:
            with self.catalogue.sessions.asking(f"making the dataset {dataset}") as client:
                client.add_dataset(dataset.scope, dataset.name, lifetime=self.settings.lifetime_s + MARGIN_S)
        except Refused as error:
            if error.kind != "DataIdentifierAlreadyExists":
                raise

    def _rule(self, transfer: Transfer, dataset: Did) -> str:
        settings = self.settings
        try:
            with self.catalogue.sessions.asking(f"making a rule for {dataset} at {settings.rse}") as client:
                made = client.add_replication_rule(
                    [dataset.to_json()], 1, settings.rse, lifetime=settings.lifetime_s, activity=settings.activity or None,
                    comment=f"harvester_hpc {transfer.key}",
                )
                return str(made[0])
        except Refused as error:
            if error.kind != "DuplicateRule":
                raise
        if not (found := self._found(dataset)):
            raise Unavailable(f"Rucio says that there is a rule for {dataset}, and shows none")
        return found

    def _found(self, dataset: Did) -> str:
        """Return the rule of a dataset of ours; "" if there is none."""
        try:
            with self.catalogue.sessions.asking(f"listing the rules of {dataset}") as client:
                rows = [row for row in client.list_did_rules(dataset.scope, dataset.name) if row["rse_expression"] == self.settings.rse]
        except Refused:
            return ""
        return str(rows[0]["id"]) if rows else ""

    # -- waiting ----------------------------------------------------------------------------------

    def look(self, transfers: Sequence[Transfer], items: Callable[[Transfer], Sequence[Item]]) -> Sequence[Seen]:
        """Tell how the rules go on: one call for each, two more for one that has ended."""
        return [self._look(transfer, items) for transfer in transfers]

    def _look(self, transfer: Transfer, items: Callable[[Transfer], Sequence[Item]]) -> Seen:
        try:
            with self.catalogue.sessions.asking(f"looking at the rule {transfer.task}") as client:
                rule = client.get_replication_rule(transfer.task)
            state, why = str(rule["state"]), str(rule.get("error") or "")
            if state == "WAITING_APPROVAL":
                why = f"the rule {transfer.task} waits for approval"
                return Parked(why=why, remedy=f"have it approved by who owns {self.settings.rse}")
            if state == "OK" or state == "SUSPENDED" or (state == "STUCK" and self._stuck_for(rule) > self.settings.stuck_s):
                return self._ended(rule, items(transfer))
        except NeedsPerson as error:
            return error.parked
        except Refused as error:
            if error.kind == "RuleNotFound":
                return Gone(why=error.why)
            raise Unavailable(f"the rule {transfer.task} cannot be looked at", why=error.why) from error
        return Moving(progress=_progress(rule), why=f"{state}: {why}"[:300] if state == "STUCK" else "")

    def _stuck_for(self, rule: Mapping[str, Any]) -> float:
        """Return the seconds since Rucio got stuck with a rule."""
        since = rule.get("stuck_at") or rule.get("updated_at")
        return self._clock.now() - since.replace(tzinfo=UTC).timestamp() if isinstance(since, datetime) else 0.0

    def _ended(self, rule: Mapping[str, Any], items: Sequence[Item]) -> Ended:
        with self.catalogue.sessions.asking(f"listing the files of the rule {rule['id']}") as client:
            rows = client.list_replica_locks(rule["id"])
            locks = {Did(scope=row["scope"], name=row["name"]): str(row["state"]) for row in rows}
        known, whys = self._known(items)
        why = f"Rucio is stuck: {rule.get('error') or 'it does not say why'}"[:300]
        return Ended(items=tuple(self._news(item, locks, known, whys, why) for item in items), progress=_progress(rule))

    def _news(self, item: Item, locks: Mapping[Did, str], known: Mapping[Did, Known], whys: Mapping[Did, str], stuck: str) -> ItemNews:
        did = did_of(item.parcel, self.settings.scope)
        assert isinstance(did, Did), "an item without a name has no route"
        number = item.parcel.item_id
        if did in whys:
            return ItemNews(item_id=number, end=ItemEnd.FAILED, why=whys[did])
        if locks.get(did) != "OK":
            return ItemNews(item_id=number, end=ItemEnd.AGAIN, why=f"{did}: {stuck if did in locks else 'it is not part of the rule'}")
        found = known[did]
        if why := self._linked(item):
            return ItemNews(item_id=number, end=ItemEnd.AGAIN, why=f"{did}: {why}")
        # Where the core can read the file, it compares it itself: a rule that is kept says nothing of the bytes.
        return ItemNews(
            item_id=number, end=ItemEnd.MOVED, size=found.size, checksum=found.like(item.parcel.checksum),
            verified=not item.route.readable,
        )

    def _linked(self, item: Item) -> str:
        """Make the input's place a link to the file at the RSE, where it is the last hop; return why that does not work.

        The core removes what lies in its cache when no job wants it: that is the link, and the file stays Rucio's.
        """
        if not item.parcel.target:
            return ""
        target, link = Path(item.parcel.target), part_of(Path(item.parcel.target))
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            link.unlink(missing_ok=True)
            link.symlink_to(translated(item.route.destination.path, self.settings.mounts))
            link.replace(target)
        except OSError as error:
            return f"{target} cannot be made a link: {error}"
        return ""

    def cancel(self, transfer: Transfer) -> None:
        """End the rule; Rucio removes the files later, where no other rule wants them."""
        try:
            task = transfer.task or self._found(self._dataset(transfer))
            if task:
                with self.catalogue.sessions.asking(f"removing the rule {task}") as client:
                    client.delete_replication_rule(task)
        except Refused:
            return
        except NeedsPerson as error:
            raise Unavailable(f"the rule of {transfer.key} cannot be removed now", why=error.parked.why) from error


def _progress(rule: Mapping[str, Any]) -> Progress:
    counts = {word: int(rule.get(f"locks_{word}_cnt") or 0) for word in ("ok", "replicating", "stuck")}
    event = f"rule {rule['state']}: {counts['ok']} ok, {counts['replicating']} replicating, {counts['stuck']} stuck"
    return Progress(files=counts["ok"], event=event, faults=counts["stuck"])
