"""The server of an emulated batch system: one process that answers commands and keeps jobs going.

    python -m harvester_hpc.testing.schedulers.server FOLDER

Killed, it leaves its jobs running; started again, it finds them. Stopped (SIGSTOP), commands wait for it as for one that is overloaded.
"""
from __future__ import annotations

import fcntl
import marshal
import os
import select
import signal
import socket
import sys
import traceback
from pathlib import Path
from typing import Any

from harvester_hpc.testing.schedulers.behaviour import BEHAVIOUR, read
from harvester_hpc.testing.schedulers.dialect import dialect_of, write_silence
from harvester_hpc.testing.schedulers.engine import Engine, reap
from harvester_hpc.testing.schedulers.faults import FOR_EVER_S, Struck, spoiled, striking, words_of
from harvester_hpc.testing.schedulers.orders import obey
from harvester_hpc.testing.schedulers.values import Answer, Call, Problem, Refused, WantsStandardInput

#: Seconds within which a caller says what it wants.
PATIENCE_S = 5.0
SOCKET = "server.socket"
#: Of commands that act on nothing when they fail by a fault.
ORDERS = "orders"


class Server:
    """Answers commands."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        behaviour = read(folder)
        self._dialect = dialect_of(behaviour.dialect)
        self._engine = Engine(folder, behaviour, self._dialect.furnish, self._dialect.named)
        self._read_at = 0.0
        self._line = socket.socket(socket.AF_UNIX)
        self._woken, wakes = os.pipe()
        for descriptor in (self._woken, wakes):
            os.set_blocking(descriptor, False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)

    def serve(self) -> None:
        """Answer and step until killed."""
        os.chdir(self.folder)
        Path(SOCKET).unlink(missing_ok=True)
        self._line.bind(SOCKET)
        self._line.listen(256)
        self._line.setblocking(False)
        Path("server.pid").write_text(str(os.getpid()))
        watched = [self._line.fileno(), self._woken]
        while True:
            self._learn()
            reap()
            self._engine.step(hurried=True)
            ready, _, _ = select.select(watched, [], [], self._engine.rest_s())
            if self._woken in ready:
                os.read(self._woken, 4096)
            if watched[0] in ready:
                self._answer_next()

    def _learn(self) -> None:
        """Read the behaviour again if it has changed."""
        changed = (self.folder / BEHAVIOUR).stat().st_mtime_ns
        if changed != self._read_at:
            self._engine.behaviour = read(self.folder)
            write_silence(self.folder, self._dialect, self._engine.behaviour)
            self._read_at = changed

    def _answer_next(self) -> None:
        try:
            caller, _ = self._line.accept()
        except BlockingIOError:
            return
        with caller:
            caller.settimeout(PATIENCE_S)
            try:
                parts = []
                while part := caller.recv(1 << 16):
                    parts.append(part)
                self._learn()
                caller.sendall(marshal.dumps(self._reply(marshal.loads(b"".join(parts)))))
            except (OSError, EOFError, ValueError):
                return
            except Exception:
                # A defect of the emulator must be seen, and not look like an outage.
                traceback.print_exc()
                caller.sendall(marshal.dumps(_frame(Answer(err="defect of the emulator: see server.log\n", exit_code=99))))

    def _reply(self, said: dict[str, Any]) -> dict[str, object]:
        call = Call(
            program=said["program"], argv=tuple(said["argv"]), cwd=said["cwd"], environment=said["environment"], stdin=said.get("stdin")
        )
        if call.program == ORDERS:
            return _frame(obey(call, self._engine))
        self._engine.calls[call.program] += 1
        site = self._engine.behaviour
        struck = striking(site.faults, call.program, self._engine.books.strikes)
        if not said["passed"]:
            if struck.first("hang"):
                return _frame(Answer(), FOR_EVER_S)
            if slow := struck.first("slow"):
                return _frame(Answer(), slow.seconds, again=True)
        try:
            return self._acted(call, struck)
        except WantsStandardInput:
            self._engine.calls[call.program] -= 1
            for fault in struck.kinds.values():
                self._engine.books.take_back(words_of(fault))
            return _frame(Answer(), again=True) | {"wants_stdin": True}

    def _acted(self, call: Call, struck: Struck) -> dict[str, object]:
        silence = self._dialect.silence(call.program)
        server = self._engine.behaviour.server
        if fault := struck.first("fail"):
            words = fault.text or silence.refused.format(program=call.program, server=server)
            return _frame(Answer(err=f"{words}\n", exit_code=fault.exit_code))
        if (fault := struck.first("refuse")) and call.program in SUBMITTING:
            return _frame(self._refusal(Refused(Problem(fault.text)), call))
        try:
            answer = self._dialect.programs[call.program](call, self._engine)
        except Refused as refused:
            answer = self._refusal(refused, call)
        if struck.first("lose") and call.program in SUBMITTING:
            self._engine.lose_last()
        if struck.first("hang after"):
            return _frame(Answer(), FOR_EVER_S)
        if fault := struck.first("fail after"):
            words = fault.text or silence.timeout.format(program=call.program, server=server)
            return _frame(Answer(err=f"{words}\n", exit_code=fault.exit_code), fault.seconds)
        return _frame(spoiled(answer, struck, call))

    def _refusal(self, refused: Refused, call: Call) -> Answer:
        code, words = self._dialect.refusals[refused.problem]
        said = words.format(detail=refused.detail, program=call.program, server=self._engine.behaviour.server)
        return Answer(err=f"{said}\n", exit_code=code)


SUBMITTING = frozenset({"sbatch", "qsub", "bsub"})


def _frame(answer: Answer, seconds: float = 0.0, *, again: bool = False) -> dict[str, object]:
    return {"out": answer.out, "err": answer.err, "exit_code": answer.exit_code, "seconds": seconds, "again": again, "wants_stdin": False}


def main() -> int:
    """Serve a folder, alone; say ``serves`` when commands are answered."""
    folder = Path(sys.argv[1]).resolve()
    lock = os.open(folder / "server.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return 0
    Server(folder).serve()
    return 0


if __name__ == "__main__":
    sys.exit(main())
