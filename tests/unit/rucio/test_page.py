"""The page on Rucio has every key that a section may have."""
from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.settings import key_of
from harvester_rucio.download import RucioDownload
from harvester_rucio.register import RucioRegister
from harvester_rucio.rule import RucioRule
from harvester_rucio.upload import RucioUpload

PAGE = Path(__file__).parents[3] / "docs/rucio.md"


@pytest.mark.parametrize("plugin", [RucioDownload, RucioRegister, RucioRule, RucioUpload])
def test_every_key_is_on_the_page(plugin: Any) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert [key for field in dataclasses.fields(plugin.Settings) if f"`{(key := key_of(field))}`" not in page] == []
