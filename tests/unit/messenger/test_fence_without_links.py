"""A fence where no hard links can be made: the folder beside the claim decides, as it does in the batch script."""
from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from harvester_hpc.messenger.batch_letters import fence, read_claim


@pytest.fixture(autouse=True)
def without_links(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)


def test_a_fence_is_made_once_and_stays(tmp_path: Path) -> None:
    claim = tmp_path / "worker_claim.json"
    assert fence(claim)
    assert fence(claim)
    assert read_claim(claim) is None
    assert claim.exists()


def test_a_batch_job_that_was_sooner_keeps_its_claim(tmp_path: Path) -> None:
    claim = tmp_path / "worker_claim.json"
    (tmp_path / "worker_claim.json.d").mkdir()
    assert not fence(claim), "it has made the folder and is about to move its claim there"
    claim.write_text('{"batch_id": "7"}')
    assert not fence(claim)
    found = read_claim(claim)
    assert found is not None
    assert found.batch_id == "7"
