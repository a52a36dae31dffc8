"""What every test may ask for: parts of the machine that not every machine has."""
from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator

import pytest

from harvester_hpc.testing.rucio import RucioServer, ServerMissing
from harvester_hpc.testing.slurm.founding import PROGRAMS

SEARCH_PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/local/sbin:/usr/sbin:/sbin"
Require = Callable[..., None]
#: Seconds within which a short command ends.
WITHIN_S = 60


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
