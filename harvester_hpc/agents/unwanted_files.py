"""Files on their way that no job wants any more, and batches that are long over. A part of the conveyor."""
from __future__ import annotations

import logging

from harvester_hpc.agents.base import Agent
from harvester_hpc.model.transfer import ItemId
from harvester_hpc.store import parcel as parcels
from harvester_hpc.store import transfer as transfers

log = logging.getLogger(__name__)

#: Seconds between two looks, and for which a batch that has ended stays visible.
LOOK_S, KEEP_S = 10.0, 7 * 86400.0


class UnwantedFiles:
    """waiting, moving -> dropped; a batch without any file that is wanted is to be cancelled."""

    def __init__(self, agent: Agent) -> None:
        self.house = agent.house
        self.database = agent.database
        self.clock = agent.clock
        self._looked = 0.0
        self._after = ItemId(0)

    def run_once(self) -> int:
        """Look at some of the files on their way; return how many things changed."""
        now = self.clock.now()
        if 0.0 <= now - self._looked < LOOK_S:
            return 0
        self._looked = now
        with self.database.read() as connection:
            found = parcels.open_items(connection, self._after, self.house.rows)
            unwanted = parcels.unwanted(connection, found) if found else []
        self._after = found[-1] if len(found) == self.house.rows else ItemId(0)
        if not unwanted:
            return self._forget(now)
        return self._drop([item_id for item_id, _ in unwanted])

    def _drop(self, ids: list[ItemId]) -> int:
        with self.database.write() as write:
            unwanted = parcels.unwanted(write.connection, ids)  # a job may have come that wants one of them
            parcels.drop(write, [item_id for item_id, _ in unwanted])
            batches = {transfer_id for _, transfer_id in unwanted if transfer_id is not None}
            transfers.cancel(write, [one for one in batches if transfers.is_empty(write.connection, one)])
        self.house.reached("unwanted files dropped")
        log.info("files that no job wants any more are let go files=%d", len(unwanted))
        return len(unwanted)

    def _forget(self, now: float) -> int:
        with self.database.read() as connection:
            over = transfers.any_over(connection, now - KEEP_S)
        if not over:
            return 0
        with self.database.write() as write:
            return transfers.forget(write, now - KEEP_S, self.house.rows)
