"""A transfer service in a folder: it takes a batch once for each token, and moves it while it is asked how it goes on."""
from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harvester_hpc.model.transfer import Item, Parcel, Place, Route, Transfer
from harvester_hpc.ports.carrier import Accepted, Ended, Gone, ItemEnd, ItemNews, Limits, Seen, Submitted
from harvester_hpc.ports.context import Context
from harvester_hpc.ports.outcome import Failed, Retry


class DepotCarrier:
    """Brings outputs into a folder. What it has taken outlives the daemon."""

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Settings:
        """The section of the queue. folder: of the depot."""

        folder: str

    def __init__(self, settings: Settings, context: Context) -> None:
        self.folder = Path(settings.folder)

    def limits(self) -> Limits:
        """Small and quick."""
        return Limits(files=4, wait_s=0.3, active=2, poll_s=1.0)

    def route(self, parcels: Sequence[Parcel]) -> Sequence[Route | Retry | Failed]:
        """Into the folder."""
        paths = [str(self.folder / parcel.lfn) for parcel in parcels]
        return [
            Route(source=parcel.source, destination=Place(name="depot", path=path), readable=path)
            for parcel, path in zip(parcels, paths, strict=True)
        ]

    def token(self, transfer: Transfer) -> str:
        """Give another one each time: only what is stored can be the same again."""
        return secrets.token_hex(8)

    def submit(self, transfer: Transfer, items: Sequence[Item]) -> Submitted:
        """Take the batch, once for each token."""
        task = self._task(transfer.token)
        if not task.exists():
            files = [[item.parcel.item_id, item.route.source.path, item.route.destination.path] for item in items]
            _write(task, json.dumps({"label": transfer.key, "files": files}).encode())
        return Accepted(task=transfer.token)

    def look(self, transfers: Sequence[Transfer], items: Callable[[Transfer], Sequence[Item]]) -> Sequence[Seen]:
        """Move what has not been moved."""
        return [self._look(one) for one in transfers]

    def _look(self, one: Transfer) -> Seen:
        if not self._task(one.task).exists():
            return Gone(why="unknown")
        moves = json.loads(self._task(one.task).read_text())["files"]
        for _, source, destination in moves:
            if not Path(destination).exists():
                _write(Path(destination), Path(source).read_bytes())
        return Ended(items=tuple(ItemNews(item_id=number, end=ItemEnd.MOVED) for number, _, _ in moves))

    def cancel(self, transfer: Transfer) -> None:
        """Nothing is ever cancelled here."""

    def _task(self, token: str) -> Path:
        return self.folder / "tasks" / f"{token}.json"


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_bytes(content)
    part.replace(path)
