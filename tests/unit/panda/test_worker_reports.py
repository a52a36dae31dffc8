"""What is sent of a worker."""
from __future__ import annotations

from dataclasses import replace

import pytest

from harvester_hpc.model.worker import WorkerState
from harvester_hpc.testing.contracts.communicator import some_worker
from harvester_local.served.items import WORKER_STATUSES, fits_its_row
from harvester_panda.worker_reports import item_of

LOGS = {"stdout": "https://portal/1.stdout.txt", "batch": "https://portal/1.batch.txt"}


@pytest.mark.parametrize("state", list(WorkerState))
def test_every_state_has_a_word_of_the_servers(state: WorkerState) -> None:
    item = item_of(replace(some_worker(1), state=state), "host")
    assert item["status"] in WORKER_STATUSES
    assert fits_its_row(item)


def test_a_worker_is_told_with_the_addresses_of_the_logs_that_are_shown() -> None:
    item = item_of(replace(some_worker(1), job_ids=(7,), logs=LOGS), "host")
    assert (item["stdOut"], item["batchLog"], item.get("stdErr")) == (LOGS["stdout"], LOGS["batch"], None)


def test_of_a_worker_with_many_jobs_everybody_looks_at_the_batch_log() -> None:
    item = item_of(replace(some_worker(1), job_ids=(7, 8), logs={"batch": LOGS["batch"]}), "host")
    assert {item[key] for key in ("stdOut", "stdErr", "batchLog")} == {LOGS["batch"]}


def test_an_address_that_would_be_cut_is_not_told() -> None:
    item = item_of(replace(some_worker(1), job_ids=(7,), logs={"batch": "https://portal/" + "x" * 250}), "host")
    assert "batchLog" not in item
    assert fits_its_row(item)


def test_a_worker_has_a_time_of_submission_in_every_state() -> None:
    item = item_of(replace(some_worker(1), submitted=None, created=1_700_000_000.0), "host")
    assert item["submitTime"].startswith("datetime/2023-11-14")  # without one, no list of workers shows it


def test_no_worker_starts_before_it_was_submitted() -> None:
    item = item_of(replace(some_worker(1), submitted=1_700_000_001.5, started=1_700_000_000.0), "host")
    assert item["submitTime"] == item["startTime"]
