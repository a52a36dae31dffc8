"""Messages between ranks: the one file that imports mpi4py."""
from __future__ import annotations

import os
import time
from typing import Any

from mpi4py import MPI

#: Messages that are received in one go, so that a rank also does other things.
AT_ONCE = 256


class World:
    """All ranks of this launch. Messages are small picklable values; nothing here waits for the other side."""

    def __init__(self) -> None:
        self._comm = MPI.COMM_WORLD
        self._comm.Set_errhandler(MPI.ERRORS_RETURN)
        self.rank, self.size = self._comm.Get_rank(), self._comm.Get_size()
        self._sends: list[MPI.Request] = []
        self._lost: set[int] = set()
        self._status = MPI.Status()

    @property
    def library(self) -> str:
        """The MPI library, one line."""
        return str(MPI.Get_library_version()).split("\n")[0].strip("\0 ")

    def droids_on_node(self, own: Any) -> dict[int, Any]:
        """Return {rank: its ``own``} of the ranks above 0 that share this node; all ranks call it together."""
        node = self._comm.Split_type(MPI.COMM_TYPE_SHARED)
        found: list[tuple[int, Any]] = node.allgather((self.rank, own))
        node.Free()
        return {rank: value for rank, value in found if rank > 0}

    def send(self, rank: int, message: Any) -> None:
        """Send, and do not wait. What is sent to a lost rank is lost."""
        if rank in self._lost:
            return
        try:
            self._sends.append(self._comm.isend(message, dest=rank))
        except MPI.Exception as error:
            self._note(error, rank)
        if len(self._sends) > 64:
            self._prune()

    def receive(self) -> list[tuple[int, Any]]:
        """Return [(rank, message)] of what has come, at most some hundreds."""
        found: list[tuple[int, Any]] = []
        status = self._status
        try:
            while len(found) < AT_ONCE:
                message = self._comm.improbe(status=status)
                if message is None:
                    break
                found.append((status.Get_source(), message.recv()))
        except MPI.Exception as error:
            self._note(error, None)
        return found

    def lost(self) -> set[int]:
        """Return the ranks that are known to be gone (only with ULFM; otherwise MPI ends them all)."""
        return set(self._lost)

    def settle(self, seconds: float) -> bool:
        """Wait until all that was sent is on its way; False if that takes longer than ``seconds``."""
        end = time.monotonic() + seconds
        while self._prune():
            if time.monotonic() > end:
                return False
            time.sleep(0.001)
        return True

    def leave(self, code: int) -> None:
        """End this process if others are lost: to finalize would wait for them. Otherwise do nothing."""
        if self._lost:
            os._exit(code)

    def part(self) -> None:
        """Leave MPI, together with all others; afterwards this is a process like any other."""
        self.settle(30.0)
        MPI.Finalize()

    def abort(self, code: int) -> None:
        """End all ranks."""
        self._comm.Abort(code)

    def _prune(self) -> int:
        try:
            self._sends = [request for request in self._sends if not request.test()[0]]
        except MPI.Exception as error:
            self._note(error, None)
            self._sends = []
        return len(self._sends)

    def _note(self, error: MPI.Exception, rank: int | None) -> None:
        """Note who is gone, where the library can tell (ULFM).

        Raises:
            MPI.Exception: it is another error.
        """
        gone = {MPI.ERR_PROC_FAILED, MPI.ERR_PROC_FAILED_PENDING} - {MPI.ERR_UNKNOWN, MPI.SUCCESS}
        if error.Get_error_class() not in gone:
            raise error
        if rank is not None:
            self._lost.add(rank)
        failed = self._comm.Get_failed()
        own = self._comm.Get_group()
        self._lost.update(MPI.Group.Translate_ranks(failed, list(range(failed.Get_size())), own))
        self._comm.Ack_failed(failed.Get_size())
