"""The contract of log exposers, over the directory, the upload to a served PanDA in both its forms, and the fake."""
from __future__ import annotations

import shutil
import zlib
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from harvester_hpc.model.facility import Facility
from harvester_hpc.ports.context import Context
from harvester_hpc.ports.log_exposer import LogExposer
from harvester_hpc.testing.contracts.log_exposer import LogExposerContract
from harvester_hpc.testing.fakes import FakeLogExposer
from harvester_local.log_directory import DirectorySettings, LogDirectory
from harvester_local.served.server import ServedSystem, Service
from harvester_panda.log_upload import PandaLogs
from harvester_panda.settings import PandaSettings


def _context(folder: Path) -> Context:
    return Context(instance="test", tag="abcde", state_dir=folder / "state", facility=Facility(name="here", scheduler="local"))


def _downloaded(url: str) -> bytes | None:
    """Return what a browser shows of an address."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    try:
        connection.request("GET", parts.path)
        response = connection.getresponse()
        body = response.read()
        if response.status != 200:
            return None
        assert response.headers["Content-Type"] == "text/plain"
        return zlib.decompress(body, wbits=31) if response.headers.get("Content-Encoding") == "gzip" else body
    finally:
        connection.close()


class TestFakeLogExposer(LogExposerContract):
    @pytest.fixture
    def exposer(self, tmp_path: Path) -> LogExposer:
        return FakeLogExposer(FakeLogExposer.Settings(), _context(tmp_path))

    @pytest.fixture
    def look(self, exposer: FakeLogExposer) -> Callable[[str], bytes | None]:
        return exposer.text

    @pytest.fixture
    def spoil(self, exposer: FakeLogExposer) -> Callable[[], None]:
        return lambda: exposer.faults.unavailable_for(1)


class TestLogDirectory(LogExposerContract):
    @pytest.fixture
    def exposer(self, tmp_path: Path) -> LogExposer:
        (tmp_path / "web").mkdir()
        return LogDirectory(DirectorySettings(folder=str(tmp_path / "web"), url="https://portal.test/~me/"), _context(tmp_path))

    @pytest.fixture
    def look(self, tmp_path: Path) -> Callable[[str], bytes | None]:
        def seen(url: str) -> bytes | None:
            file = tmp_path / "web" / url.removeprefix("https://portal.test/~me/")
            return file.read_bytes() if file.exists() else None

        return seen

    @pytest.fixture
    def spoil(self, tmp_path: Path) -> Callable[[], None]:
        return lambda: shutil.rmtree(tmp_path / "web")


class _Uploading(LogExposerContract):
    hides = False
    service = Service()

    @pytest.fixture
    def served(self, tmp_path: Path) -> Iterator[ServedSystem]:
        with ServedSystem(tmp_path / "wms", self.service) as served:
            yield served

    @pytest.fixture
    def exposer(self, served: ServedSystem, tmp_path: Path) -> Iterator[LogExposer]:
        panda = PandaLogs(PandaSettings(url=served.url, read_s=20.0), _context(tmp_path))
        yield panda
        panda.close()

    @pytest.fixture
    def look(self) -> Callable[[str], bytes | None]:
        return _downloaded

    @pytest.fixture
    def spoil(self, served: ServedSystem) -> Callable[[], None]:
        return served.close


class TestUploadToV1(_Uploading):
    service = Service(v1=True, old=False)


class TestUploadToOldForm(_Uploading):
    service = Service(v1=False, old=True)
