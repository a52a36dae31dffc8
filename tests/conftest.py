"""What every test may ask for: parts of the machine that not every machine has; and in what order tests run, and where."""
from __future__ import annotations

import os
import shutil
import subprocess
import zlib
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.testing.rucio import RucioServer, ServerMissing
from harvester_hpc.testing.slurm.founding import PROGRAMS

SEARCH_PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/local/sbin:/usr/sbin:/sbin"
Require = Callable[..., None]
#: Seconds within which a short command ends.
WITHIN_S = 60


#: Folders whose tests wait for programs, and not for the processor.
WAITING = ("integration", "crash")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long, and keep together what shares something; with ``-n`` the parts go to several processes.

    A short test fills any gap at the end, a long one makes one. What is quick stays together by file: to hand out tests one by
    one would cost more than they do. No test may need this order.
    """
    for item in items:
        if item.get_closest_marker("xdist_group") is None and _kind(item) not in WAITING:
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))
    items.sort(key=_place)


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, Any, Any]:
    """Let what a test has logged or shown come home from another process, halves of characters included."""
    return _whole((yield))


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_whole(key): _whole(one) for key, one in value.items()}
    return type(value)(map(_whole, value)) if isinstance(value, list | tuple) else value


def _place(item: pytest.Item) -> tuple[bool, bool, int]:
    """Return where a test stands: long ones mixed, always in the same way, so that some compute while others wait."""
    if _kind(item) not in WAITING:
        return True, True, 0
    group = item.get_closest_marker("xdist_group")
    return False, item.get_closest_marker("slow") is None, zlib.crc32((group.args[0] if group else item.nodeid).encode())


def _kind(item: pytest.Item) -> str:
    """Return the folder of ``tests`` in which a test stands."""
    return item.path.relative_to(Path(__file__).parent).parts[0]


def lacking(reason: str) -> None:
    """Skip the test that asks, and say why; where CI=true is set, nothing may be lacking, and the test fails."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def require() -> Require:
    """Return ``require(program, package)``: it skips the test by name (CI=true: fails it) if ``program`` is not installed."""

    def require_program(program: str, package: str) -> None:
        if shutil.which(program, path=SEARCH_PATH) is None:
            lacking(f"{program} is not installed (as root: apt-get install {package}; or run tests/install-packages)")

    return require_program


@pytest.fixture(scope="session")
def slurm_programs(require: Require) -> None:
    """Skip by name (CI=true: fail) where Slurm is not installed."""
    for program in PROGRAMS:
        require(program, "munge" if program == "munged" else "slurm-wlm")


@pytest.fixture(scope="session")
def unshare() -> list[str]:
    """The command that runs another one where it may mount; skips by name where the machine does not let us."""
    for argv in (["unshare", "--mount"], ["unshare", "--map-root-user", "--mount"]):
        try:
            if subprocess.run([*argv, "true"], capture_output=True, timeout=WITHIN_S, check=False).returncode == 0:
                return argv
        except OSError:
            pass
    lacking("no mount namespace can be made here (unshare --mount, of util-linux, as root)")
    raise AssertionError("lacking() returns never")


@pytest.fixture(scope="session")
def shared_rucio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RucioServer]:
    """Start one Rucio server for the session; skips by name (CI=true: fails) where it can neither be found nor installed."""
    try:
        with RucioServer(tmp_path_factory.mktemp("rucio") / "server") as server:
            yield server
    except ServerMissing as error:
        lacking(str(error))


@pytest.fixture
def rucio(shared_rucio: RucioServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[RucioServer]:
    """The shared Rucio server, running; a test may stop it. The surroundings say nothing of another one."""
    for name in [name for name in os.environ if name.startswith(("RUCIO_", "BEARER_TOKEN", "X509_"))]:
        monkeypatch.delenv(name)
    yield shared_rucio
    shared_rucio.start()
