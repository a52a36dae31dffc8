"""The contract of queues, over SQLite and a real MariaDB."""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harvester_hpc.errors import FifoLost, Unavailable
from harvester_hpc.fifo.sqlite import SqliteFifos, SqliteFifoSettings
from harvester_hpc.model.facility import Facility
from harvester_hpc.ports.context import Context
from harvester_hpc.ports.fifo import Fifo, Fifos
from harvester_hpc.testing.contracts.fifo import FifoContract
from harvester_hpc.testing.fake_clock import FakeClock
from harvester_hpc.testing.mariadb import PROGRAMS, MariadbServer
from harvester_mariadb.fifo import MariadbFifos, MariadbFifoSettings
from tests.conftest import Require


def context(folder: Path, instance: str = "test") -> Context:
    return Context(instance=instance, tag="abcde", state_dir=folder, facility=Facility(name="here", scheduler="local"))


class TestSqliteFifo(FifoContract):
    @pytest.fixture
    def fifos(self, tmp_path: Path, clock: FakeClock) -> Fifos:
        return SqliteFifos(SqliteFifoSettings(), context(tmp_path), clock)


class TestDurableSqliteFifo(FifoContract):
    @pytest.fixture
    def fifos(self, tmp_path: Path, clock: FakeClock) -> Fifos:
        return SqliteFifos(SqliteFifoSettings(durable=True), context(tmp_path), clock)


@pytest.fixture(scope="module")
def mariadb(require: Require, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariadbServer]:
    for program in PROGRAMS:
        require(program, "mariadb-server-core mariadb-client-core")
    with MariadbServer(tmp_path_factory.mktemp("mariadb")) as server:
        yield server


def settings(server: MariadbServer) -> MariadbFifoSettings:
    return MariadbFifoSettings(db_schema=server.schema, db_user=server.user, db_socket=str(server.socket))


class TestMariadbFifo(FifoContract):
    @pytest.fixture
    def fifos(self, mariadb: MariadbServer, tmp_path: Path, clock: FakeClock) -> Fifos:
        return MariadbFifos(settings(mariadb), context(tmp_path, instance=tmp_path.name), clock.now)

    def test_instances_have_queues_of_their_own(self, mariadb: MariadbServer, fifo: Fifo, tmp_path: Path) -> None:
        fifo.put([(1.0, "ours")])
        other = MariadbFifos(settings(mariadb), context(tmp_path, instance=f"{tmp_path.name}-other")).open("monitor")
        assert (other.size(), other.clear(), fifo.size()) == (0, 0, 1)
        other.close()

    def test_a_server_that_was_away_is_found_again_with_what_was_put_in(self, mariadb: MariadbServer, fifo: Fifo) -> None:
        fifo.put([(1.0, "a")])
        mariadb.kill()
        try:
            with pytest.raises(Unavailable, match="cannot be used"):
                fifo.get()
        finally:
            mariadb.start()
        assert [one.item for one in fifo.get()] == ["a"]

    def test_tables_that_were_dropped_begin_a_new_life(self, mariadb: MariadbServer, fifos: Fifos, fifo: Fifo) -> None:
        fifo.put([(1.0, "a")])
        import pymysql

        admin = pymysql.connect(unix_socket=str(mariadb.socket), user=mariadb.user, database=mariadb.schema)
        with admin.cursor() as run:
            run.execute("DROP TABLE fifo_queue, fifo_entry")
        admin.close()
        with pytest.raises((FifoLost, Unavailable)):
            fifo.get()
        with pytest.raises(FifoLost):
            fifo.get()
        assert fifo.get() == []


def test_a_database_that_does_not_answer_is_unavailable(tmp_path: Path) -> None:
    nowhere = MariadbFifoSettings(db_schema="fifo", db_user="me", db_socket=str(tmp_path / "no socket"))
    with pytest.raises(Unavailable, match="no socket"):
        MariadbFifos(nowhere, context(tmp_path)).open("monitor")


def test_a_password_that_others_may_read_is_not_used(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("secret\n")
    file.chmod(0o644)
    open_to_all = MariadbFifoSettings(db_schema="fifo", db_user="me", db_socket=str(tmp_path / "s"), db_password_file=str(file))
    with pytest.raises(Unavailable, match="chmod 600") as raised:
        MariadbFifos(open_to_all, context(tmp_path)).open("monitor")
    assert "secret" not in str(raised.value)
