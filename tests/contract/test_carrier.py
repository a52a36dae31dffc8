"""The contracts of plugins that move batches. Globus: emulated; it proves our logic, not the service."""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harvester_hpc.ports.carrier import Carrier
from harvester_hpc.testing.contracts.carrier import CarrierContract, Depot
from tests.globus_site import Site, site_in


class TestGlobus(CarrierContract):
    @pytest.fixture
    def site(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
        with site_in(tmp_path, monkeypatch) as site:
            yield site

    @pytest.fixture
    def depot(self, site: Site) -> Depot:
        return site

    @pytest.fixture
    def carrier(self, site: Site) -> Carrier:
        return site.carrier()
