"""The page for users knows every key."""
from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from harvester_creds.oidc import OidcCredential
from harvester_creds.plain import PlainCredential
from harvester_creds.voms import VomsCredential
from harvester_hpc.settings import key_of

PAGE = Path(__file__).parents[3] / "docs" / "credentials.md"


@pytest.mark.parametrize("plugin", [OidcCredential, PlainCredential, VomsCredential])
def test_every_key_is_on_the_page(plugin: Any) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert [key for field in dataclasses.fields(plugin.Settings) if f"`{(key := key_of(field))}`" not in page] == []
