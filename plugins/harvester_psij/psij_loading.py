"""PSI/J, imported late and without its side effects."""
from __future__ import annotations

import importlib
import logging
import signal
import threading

_ONE_AT_A_TIME = threading.Lock()


def load_psij(executor: str = "psij.executors.local") -> None:
    """Import psij and one of its executors, at the first submission only: it costs 0.1 s and 16 MB.

    Its import finds all its executors; that of the local one takes SIGCHLD over in the main thread (and a signal then
    starts a thread that wakes up ten times a second), or warns in any other thread. We use neither.
    """
    with _ONE_AT_A_TIME:
        logging.getLogger("psij.executors.local").setLevel(logging.ERROR)
        logging.getLogger("psij").setLevel(logging.WARNING)
        main = threading.current_thread() is threading.main_thread()
        before = signal.getsignal(signal.SIGCHLD)
        try:
            for name in ("psij", "psij.executors.local", executor):
                importlib.import_module(name)
        finally:
            if main:
                signal.signal(signal.SIGCHLD, before)
