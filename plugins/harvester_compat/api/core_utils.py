"""Small functions that such plugins take from ``core_utils``."""
from __future__ import annotations

import datetime
import logging
import random
import sys
import threading
import time
import traceback
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

_BLOCK = 1 << 20


# -- logging -----------------------------------------------------------------------------------------------


class _Tokened(logging.LoggerAdapter[logging.Logger]):
    """Puts method and token before each line."""

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        words = " ".join(str(one) for one in (self.extra or {}).values() if one)
        return (f"{words} : {msg}" if words else msg), kwargs


def setup_logger(name: str | None = None) -> logging.Logger:
    """Return the logger of a plugin; it goes where the instance's own log goes."""
    return logging.getLogger(f"harvester_compat.plugin.{name or _caller()}")


def make_logger(
    tmp_log: logging.Logger, token: str | None = None, method_name: str | None = None, hook: Any = None
) -> logging.LoggerAdapter[Any]:
    """Return a logger whose lines start with the method and a token."""
    return _Tokened(tmp_log, {"method": method_name or _caller(), "token": f"<{token}>" if token else ""})


def dump_error_message(tmp_log: Any, err_str: str | None = None, no_message: bool = False) -> str:
    """Log the exception that is being handled; return its words."""
    kind, value, _ = sys.exc_info()
    words = err_str or f"{kind.__name__ if kind else 'no exception'}: {value}"
    if not no_message:
        tmp_log.error("%s %s", words, traceback.format_exc())
    return words


def _caller() -> str:
    frame = sys._getframe(2)
    return frame.f_code.co_name if frame.f_code.co_name != "<module>" else str(frame.f_globals.get("__name__", "")).rpartition(".")[2]


# -- time ---------------------------------------------------------------------------------------------------


class StopWatch:
    """Tells how long something took."""

    def __init__(self) -> None:
        self.reset()

    def get_elapsed_time(self) -> str:
        """Return it in words."""
        return f" : took {self.get_elapsed_time_in_sec(precise=True):.3f} sec"

    def get_elapsed_time_in_sec(self, precise: bool = False) -> float:
        """Return it in seconds."""
        elapsed = time.monotonic() - self._begin
        return elapsed if precise else int(elapsed)

    def reset(self) -> None:
        """Begin anew."""
        self._begin = time.monotonic()


def get_stopwatch() -> StopWatch:
    """Return one that runs."""
    return StopWatch()


def sleep(interval: float, stop_event: threading.Event | None, randomize: bool = True) -> None:
    """Wait, ``randomize``: for 0.4 to 1.4 times as long, and no longer than until the event."""
    seconds = random.uniform(0.4, 1.4) * interval if randomize else interval
    (stop_event or threading.Event()).wait(seconds)


def naive_utcnow() -> datetime.datetime:
    """Return the time in UTC, without saying so."""
    return datetime.datetime.now(datetime.UTC).replace(tzinfo=None)


def aware_utcnow() -> datetime.datetime:
    """Return the time in UTC."""
    return datetime.datetime.now(datetime.UTC)


def naive_utcfromtimestamp(timestamp: float) -> datetime.datetime:
    """Return a time in seconds since 1970 in UTC, without saying so."""
    return datetime.datetime.fromtimestamp(timestamp, datetime.UTC).replace(tzinfo=None)


def aware_utcfromtimestamp(timestamp: float) -> datetime.datetime:
    """Return a time in seconds since 1970 in UTC."""
    return datetime.datetime.fromtimestamp(timestamp, datetime.UTC)


def retry_period_sec(
    nth_retry: int, increment: float = 1, max_retries: int | None = None, max_seconds: float | None = None, min_seconds: float = 0
) -> float:
    """Return how long to wait before the nth try, in seconds; -1: no more tries."""
    period = max(0.0, nth_retry - 1) * increment + min_seconds
    over = (max_retries is not None and nth_retry > max_retries) or (max_seconds is not None and period > max_seconds)
    return -1 if over else period


# -- files --------------------------------------------------------------------------------------------------


def calc_adler32(file_name: str | Path) -> str:
    """Return the adler32 checksum of a file, 8 hex digits."""
    value = 1
    with Path(file_name).open("rb") as stream:
        while block := stream.read(_BLOCK):
            value = zlib.adler32(block, value)
    return f"{value & 0xFFFFFFFF:08x}"


def make_pool_file_catalog(jobspec_list: Iterable[Any]) -> str:
    """Return the catalogue of the inputs of jobs, as POOL reads it."""
    lines, seen = ['<?xml version="1.0" ?>', '<!DOCTYPE POOLFILECATALOG  SYSTEM "InMemory">', "<POOLFILECATALOG>"], set()
    for job in jobspec_list:
        for lfn, attributes in job.get_input_file_attributes().items():
            if lfn in seen:
                continue
            seen.add(lfn)
            lines += [
                f"  <File ID={quoteattr(str(attributes.get('guid')))}>", "    <physical>",
                f'      <pfn filetype="ROOT_All" name={quoteattr(lfn)}/>', "    </physical>", "    <logical/>", "  </File>",
            ]
    return "\n".join([*lines, "</POOLFILECATALOG>", ""])


def set_file_permission(path: str | Path) -> None:
    """Nothing is changed: who may read the instance's files is its owner's business."""


def get_output_file_report(jobspec: Any) -> str:
    """Return what is told of outputs and log, as XML."""
    rows = [
        f'<File ID={quoteattr(str((spec.fileAttributes or {}).get("guid")))}><logical><lfn name={quoteattr(str(spec.lfn))}/></logical>'
        f'<metadata att_name="fsize" att_value={quoteattr(str(spec.fsize))}/>'
        f'<metadata att_name="adler32" att_value={quoteattr(str(spec.chksum))}/></File>'
        for spec in jobspec.outFiles
    ]
    return "\n".join(['<?xml version="1.0" encoding="UTF-8" standalone="no" ?>', "<POOLFILECATALOG>", *rows, "</POOLFILECATALOG>"])


@contextmanager
def get_file_lock(file_name: str | Path, lock_interval: float) -> Iterator[None]:
    """Hold a lock for which a file stands.

    Raises:
        RuntimeError: somebody else has it.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(str(file_name), timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise RuntimeError("failed to get the lock") from error
    try:
        yield
    finally:
        lock.release()


# -- collections and threads ----------------------------------------------------------------------------------


def create_shards(input_list: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Yield the items in lists of ``size`` at most."""
    shard: list[Any] = []
    for item in input_list:
        shard.append(item)
        if len(shard) == size:
            yield shard
            shard = []
    if shard:
        yield shard


class MapWithLock:
    """A dictionary that several threads may change."""

    def __init__(self) -> None:
        self._lock, self._map = threading.Lock(), dict[Any, Any]()

    def __getitem__(self, item: Any) -> Any:
        return self._map[item]

    def __setitem__(self, item: Any, value: Any) -> None:
        with self._lock:
            self._map[item] = value

    def __contains__(self, item: Any) -> bool:
        return item in self._map

    def acquire(self) -> None:
        """Take the lock."""
        self._lock.acquire()

    def release(self) -> None:
        """Give it back."""
        self._lock.release()

    def iteritems(self) -> Iterable[tuple[Any, Any]]:
        """Return keys and values."""
        return self._map.items()


class SafeDict(dict[Any, Any]):
    """For ``str.format_map``: an unknown placeholder stays as it is."""

    def __missing__(self, key: Any) -> str:
        return f"{{{key}}}"


class SingletonWithID(type):
    """A class with one object for each ``id``."""

    def __init__(cls, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        cls._objects: dict[Any, Any] = {}
        cls._objects_lock = threading.Lock()

    def __call__(cls, *arguments: Any, **named: Any) -> Any:
        with cls._objects_lock:
            key = cls.key_of(named.get("id"))
            if key not in cls._objects:
                cls._objects[key] = super().__call__(*arguments, **named)
            return cls._objects[key]

    def key_of(cls, number: Any) -> Any:
        """Return what two of the same have in common."""
        return str(number)


class SingletonWithThreadAndID(SingletonWithID):
    """A class with one object for each thread and ``id``."""

    def key_of(cls, number: Any) -> Any:
        """Return what two of the same have in common."""
        return threading.get_ident(), str(number)


_held = threading.RLock()
_shared: dict[Any, Any] = {}


def synchronize(func: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function one that only one thread is in at a time."""

    @wraps(func)
    def alone(*arguments: Any, **named: Any) -> Any:
        with _held:
            return func(*arguments, **named)

    return alone


def get_global_dict() -> dict[Any, Any]:
    """Return a dictionary that all plugins share."""
    return _shared


def get_unique_queue_name(queue_name: str, resource_type: str, job_type: str) -> str:
    """Return one name for all three."""
    return f"{queue_name}:{resource_type}:{job_type}"


def dynamic_plugin_change() -> bool:
    """Tell whether a worker under way gets the plugins of a changed configuration: never."""
    return False


def make_choice_list(pdpm: Mapping[str, float], default: str) -> list[str]:
    """Return 1,000 words, each as often as its weight in thousandths says; ``default`` for the rest."""
    words = [word for word, weight in pdpm.items() for _ in range(int(weight))]
    return [*words, *[default] * (1000 - len(words))][:1000]


def get_pid() -> str:
    """Return a name of this thread."""
    import os
    import socket

    return f"{socket.gethostname()}_{os.getpid()}-{threading.get_ident():x}"


def special_pilot_type_to_prod_source_label(pilot_type: str | None) -> str | None:
    """Return the source label of a kind of pilot; None for the ordinary one."""
    return {"RC": "rc_test2", "ALRB": "rc_alrb", "PT": "ptest"}.get(pilot_type or "")


def prod_source_label_to_pilot_type(prod_source_label: str | None) -> str:
    """Return the kind of pilot that fits a source label."""
    return {"rc_test": "RC", "rc_test2": "RC", "rc_alrb": "ALRB", "ptest": "PT"}.get(prod_source_label or "", "PR")


def update_job_attributes_with_workers(*arguments: Sequence[Any]) -> tuple[list[Any], list[Any], list[Any]]:
    """Nothing to do: the instance does this itself."""
    return list(arguments[1]) if len(arguments) > 1 else [], list(arguments[2]) if len(arguments) > 2 else [], []
