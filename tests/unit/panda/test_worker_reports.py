"""What is sent of a worker."""
from __future__ import annotations

from dataclasses import replace

import pytest

from harvester_hpc.model.worker import WorkerState
from harvester_hpc.testing.contracts.communicator import some_worker
from harvester_local.served.items import WORKER_STATUSES, fits_its_row
from harvester_panda.log_addresses import addresses_of
from harvester_panda.worker_reports import item_of

SHOWN = {"/scratch": "https://portal/scratch/", "/scratch/me": "https://portal/~me"}


@pytest.mark.parametrize("state", list(WorkerState))
def test_every_state_has_a_word_of_the_servers(state: WorkerState) -> None:
    item = item_of(replace(some_worker(1), state=state), "host", {})
    assert item["status"] in WORKER_STATUSES
    assert fits_its_row(item)


def test_logs_are_shown_where_the_nearest_folder_is() -> None:
    worker = replace(some_worker(1), access_point="/scratch/me/a b/1", job_ids=(7,))
    assert addresses_of(worker, SHOWN) == {
        "stdOut": "https://portal/~me/a%20b/1/7/payload.stdout", "stdErr": "https://portal/~me/a%20b/1/7/payload.stderr",
        "batchLog": "https://portal/~me/a%20b/1/batch.log",
    }
    many = addresses_of(replace(worker, job_ids=(7, 8)), SHOWN)
    assert set(many.values()) == {"https://portal/~me/a%20b/1/batch.log"}


@pytest.mark.parametrize("folder", ["", "/scratchy/1", "/elsewhere/1", "/scratch/" + "x" * 300])
def test_what_is_not_shown_or_would_be_cut_has_no_address(folder: str) -> None:
    worker = replace(some_worker(1), access_point=folder)
    assert addresses_of(worker, SHOWN) == {}
    assert "batchLog" not in item_of(worker, "host", SHOWN)
