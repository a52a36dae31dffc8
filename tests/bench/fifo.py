"""Queues: put, get, protective get and clear, in bunches and one by one, beside plain SQLite that writes the same."""
from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from harvester_hpc.clock import SystemClock
from harvester_hpc.fifo.sqlite import SqliteFifo
from harvester_hpc.ports.fifo import Fifo
from harvester_hpc.testing.mariadb import MariadbServer, is_installed
from tests.bench.measure import Figure

OBJECTS, SINGLY, BUNCH = 20_000, 500, 100
ITEM = {"queue": "SITE_A", "workers": list(range(1_000_000, 1_000_010))}
AIM = {BUNCH: 0.05, 1: 0.3}


def run(folder: Path) -> list[Figure]:
    """Milliseconds an object, for each back end."""
    folder.mkdir(parents=True)
    figures = [
        *_figures("in a file", _sqlite(folder / "quick.db", durable=False), _plain(folder / "plain.db", "NORMAL")),
        *_figures("in a file, durable", _sqlite(folder / "durable.db", durable=True), _plain(folder / "plain-durable.db", "FULL")),
    ]
    if Path("/dev/shm").is_dir():
        memory = Path("/dev/shm") / f"harvester-bench-{folder.parent.name}.db"
        figures += _figures("in memory (/dev/shm)", _sqlite(memory, durable=False), _plain(folder / "plain.db", "NORMAL"))
        for path in memory.parent.glob(f"{memory.name}*"):
            path.unlink()
    if is_installed():
        figures += _in_mariadb(folder)
    return figures


def _sqlite(path: Path, *, durable: bool) -> Fifo:
    return SqliteFifo(path, SystemClock(), durable=durable)


def _in_mariadb(folder: Path) -> list[Figure]:
    from harvester_mariadb.fifo import MariadbFifo, MariadbFifoSettings

    with MariadbServer(folder / "mariadb") as server:
        settings = MariadbFifoSettings(db_schema=server.schema, db_user=server.user, db_socket=str(server.socket))
        return _figures("in MariaDB", MariadbFifo(settings, "bench/fifo", time.time), _plain(folder / "plain-durable.db", "FULL"))


def _figures(where: str, fifo: Fifo, plain_ms: dict[int, float]) -> list[Figure]:
    figures = []
    for bunch, objects in ((BUNCH, OBJECTS), (1, SINGLY)):
        how = f"in bunches of {bunch}" if bunch > 1 else "one by one"
        for name, milliseconds in _timed(fifo, objects, bunch).items():
            label = f"fifo {where}, {how}: {name}, ms an object"
            source = f"plain SQLite that inserts the same, one transaction a bunch, the same run (aim: {AIM[bunch]})"
            figures.append(Figure(name=label, value=milliseconds, unit="ms", yardstick=plain_ms[bunch], source=source))
    fifo.close()
    return figures


def _timed(fifo: Fifo, objects: int, bunch: int) -> dict[str, float]:
    rounds = objects // bunch

    def put(number: int) -> object:
        return fifo.put([(float(number * bunch + one), ITEM) for one in range(bunch)])

    def protective(number: int) -> object:
        return fifo.delete([one.id for one in fifo.hold(1e12, bunch)])

    def get(number: int) -> object:
        return fifo.get(bunch)

    fifo.clear()
    found = {"put": _each_ms(put, rounds) / bunch, "get": _each_ms(get, rounds) / bunch}
    _each_ms(put, rounds)
    found["protective get and delete"] = _each_ms(protective, rounds) / bunch
    _each_ms(put, rounds)
    found["clear"] = _each_ms(lambda number: fifo.clear(), 1) / objects
    return found


def _each_ms(act: Callable[[int], object], times: int) -> float:
    begin = time.perf_counter()
    for number in range(times):
        act(number)
    return 1000.0 * (time.perf_counter() - begin) / times


def _plain(path: Path, synchronous: str) -> dict[int, float]:
    """Return {bunch: milliseconds an object} of plain inserts."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    connection.execute("CREATE TABLE IF NOT EXISTS plain (number INTEGER PRIMARY KEY AUTOINCREMENT, score REAL, item TEXT)")
    text = str(ITEM)
    found = {}
    for bunch, objects in ((BUNCH, OBJECTS), (1, SINGLY)):

        def insert(number: int, bunch: int = bunch) -> None:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT INTO plain (score, item) VALUES (?, ?)", [(float(number), text)] * bunch)
            connection.execute("COMMIT")

        found[bunch] = _each_ms(insert, objects // bunch) / bunch
    connection.close()
    return found
