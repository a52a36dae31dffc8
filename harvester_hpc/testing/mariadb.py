"""A real MariaDB server of one's own, on a Unix socket in one folder, for tests.

    with MariadbServer(Path("/tmp/mariadb")) as server:
        print(server.socket, server.user, server.schema)
"""
from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType

from harvester_hpc.errors import HarvesterError

#: Of Debian's packages mariadb-server-core and mariadb-client-core, which start no service.
SERVER, FOUNDER, CLIENT = "mariadbd", "mariadb-install-db", "mariadb"
PROGRAMS = (SERVER, FOUNDER, CLIENT)
SEARCH_PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/local/sbin:/usr/sbin:/sbin"
#: Seconds within which it is founded, and up.
FOUND_S, START_S = 120.0, 60.0


class MariadbServer:
    """One server; it is stopped at the end of the ``with``, and its data stay in ``folder``.

    Attributes:
        socket: where it listens; short, since the path of a socket may have 107 characters only.
        user, schema: an account without a password for whoever runs this, and its empty database.
    """

    user, schema = "root", "fifo"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._short = Path(tempfile.mkdtemp(prefix="mariadb-"))
        self.socket = self._short / "s"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> MariadbServer:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._run(
            [_program(FOUNDER), "--no-defaults", f"--datadir={self.data}", "--auth-root-authentication-method=normal", "--skip-test-db",
             *_as_root()],
            FOUND_S,
        )
        self.start()
        self._run(self._ask(f"CREATE DATABASE {self.schema}"))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
        shutil.rmtree(self._short, ignore_errors=True)

    @property
    def data(self) -> Path:
        """Return the folder of its files."""
        return self.folder / "data"

    def start(self) -> None:
        """Start it, and wait until it answers.

        Raises:
            HarvesterError: it does not; its log says why.
        """
        log = (self.folder / "server.log").open("ab")
        self._process = subprocess.Popen(
            [_program(SERVER), "--no-defaults", f"--datadir={self.data}", f"--socket={self.socket}", "--skip-networking",
             f"--pid-file={self.folder / 'pid'}", *_as_root()],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )
        log.close()
        deadline = time.monotonic() + START_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise HarvesterError("the MariaDB server does not start", why=(self.folder / "server.log").read_text()[-2000:])
            time.sleep(0.05)

    def stop(self) -> None:
        """End it; with ``start`` it comes back with what was in it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(START_S)
            self._process = None

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(START_S)
            self._process = None

    def _answers(self) -> bool:
        asked = subprocess.run(self._ask("SELECT 1"), stdin=subprocess.DEVNULL, capture_output=True, timeout=START_S, check=False)
        return asked.returncode == 0

    def _ask(self, sentence: str) -> list[str]:
        return [_program(CLIENT), "--no-defaults", f"--socket={self.socket}", "-u", self.user, "-e", sentence]

    def _run(self, argv: list[str], timeout_s: float = START_S) -> None:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout_s, check=False)
        if done.returncode != 0:
            raise HarvesterError(f"{Path(argv[0]).name} has failed", why=(done.stderr or done.stdout)[-2000:])


def is_installed() -> bool:
    """Tell whether what a server needs is there."""
    return all(shutil.which(name, path=SEARCH_PATH) for name in PROGRAMS)


def _program(name: str) -> str:
    return shutil.which(name, path=SEARCH_PATH) or name


def _as_root() -> list[str]:
    return ["--user=root"] if os.getuid() == 0 else []
