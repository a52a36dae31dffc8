"""One connection to the server for each thread, kept as long as the server keeps it."""
from __future__ import annotations

import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from harvester_hpc.errors import AnswerLost, Unavailable
from harvester_panda.credentials import Credential
from harvester_panda.proxies import proxy_for
from harvester_panda.settings import PandaSettings

if TYPE_CHECKING:
    from http.client import HTTPConnection, HTTPResponse
    from ssl import SSLContext

#: Bytes of an answer, packed or not; a job dictionary has some kilobytes.
LARGEST = 512 << 20
BLOCK = 1 << 16
#: Servers close a connection after 5 seconds (Apache's default) without a word; one that is older is not trusted.
IDLE_S = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is sent.

    Attributes:
        repeatable: the server takes it twice without harm, and the body can be given twice.
        read: reads a good answer (200) as it arrives; None to get it whole. Raises ValueError if it is none.
    """

    verb: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | Iterable[bytes] | None = None
    repeatable: bool = False
    read: Callable[[Iterator[bytes]], Any] | None = None

    @property
    def path(self) -> str:
        """The target without its arguments."""
        return self.target.partition("?")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back, whole and unpacked; or what was read of it, and no body."""

    status: int
    body: bytes = b""
    found: Any = None


class _StaleError(Exception):
    """The server has closed a kept connection; nobody knows whether it has read what we sent."""


@dataclass(slots=True)
class _Kept:
    connection: HTTPConnection
    context: SSLContext | None
    used: float


class Connections:
    """All connections to one server."""

    def __init__(self, settings: PandaSettings, credential: Credential) -> None:
        self._settings = settings
        self._address = settings.address()
        self._credential = credential
        self._thread = threading.local()
        self._all: WeakSet[HTTPConnection] = WeakSet()
        self._lock = threading.Lock()

    def exchange(self, request: Request) -> Reply:
        """Send a request and return the whole answer, whatever it says.

        Raises:
            Unavailable: no answer, or not all of it: nobody knows what the server has done.
        """
        try:
            return self._exchange(request)
        except _StaleError as error:
            if not request.repeatable:
                raise self._silent(request, error.__cause__ or error) from error
            return self._exchange(request)

    def close(self) -> None:
        """Close the connections of all threads."""
        with self._lock:
            for connection in list(self._all):
                connection.close()

    def _exchange(self, request: Request) -> Reply:
        from http.client import BadStatusLine, HTTPException

        headers = {"Accept": "application/json", "Accept-Encoding": "gzip", **self._credential.headers(), **request.headers}
        kept, is_fresh = self._connection()
        try:
            kept.connection.request(request.verb, request.target, body=request.body, headers=headers)
            response = kept.connection.getresponse()
        except (ConnectionError, BadStatusLine) as error:
            self._drop()
            if is_fresh:
                raise self._silent(request, error) from error
            raise _StaleError from error
        except (OSError, HTTPException) as error:
            self._drop()
            raise self._silent(request, error) from error
        try:
            reply = _reply(response, request, 2 * self._settings.read_s)
        except (OSError, HTTPException, zlib.error) as error:
            self._drop()
            raise self._silent(request, error) from error
        except ValueError as error:
            self._drop()
            raise Unavailable(f"the PanDA server has answered {request.path} with something else", why=str(error)[:300]) from error
        kept.used = time.monotonic()
        if response.will_close:
            self._drop()
        return reply

    def _connection(self) -> tuple[_Kept, bool]:
        """Return the connection of this thread, and whether it was just made."""
        context = self._credential.context() if self._address.secure else None
        kept: _Kept | None = getattr(self._thread, "kept", None)
        if kept is not None and kept.context is context and 0.0 <= time.monotonic() - kept.used < IDLE_S:
            return kept, False
        self._drop()
        kept = _Kept(connection=self._connected(context), context=context, used=time.monotonic())
        self._thread.kept = kept
        return kept, True

    def _connected(self, context: SSLContext | None) -> HTTPConnection:
        made = self._made(context)
        try:
            made.connect()
        except OSError as error:
            made.close()
            raise self._unreachable(error) from error
        made.sock.settimeout(self._settings.read_s)
        with self._lock:
            self._all.add(made)
        return made

    def _made(self, context: SSLContext | None) -> HTTPConnection:
        """Return a connection that is still to be made, through a tunnel if the way leads through a proxy."""
        from http.client import HTTPConnection, HTTPSConnection

        where, within_s = self._address, self._settings.connect_s
        if context is None:
            return HTTPConnection(where.host, where.port, timeout=within_s)
        try:
            proxy = proxy_for(where, self._settings.proxy)
        except ValueError as error:
            what = "the proxy to the PanDA server cannot be used"
            raise Unavailable(what, why=str(error), remedy="see https_proxy in the environment, or set proxy") from error
        if proxy is None:
            return HTTPSConnection(where.host, where.port, timeout=within_s, context=context)
        made = HTTPSConnection(proxy.host, proxy.port, timeout=within_s, context=context)
        made.set_tunnel(where.host, where.port, dict(proxy.headers))
        return made

    def _drop(self) -> None:
        kept: _Kept | None = getattr(self._thread, "kept", None)
        self._thread.kept = None
        if kept is not None:
            with suppress(OSError):
                kept.connection.close()

    def _unreachable(self, error: OSError) -> Unavailable:
        refused = "CERTIFICATE_VERIFY_FAILED" in str(error)
        remedy = "name the authority that vouches for the server in caFile" if refused else "see whether url is right, and the server up"
        if refused and "mismatch" in str(error):
            remedy = "say in url the name that stands in the server's certificate; if it is right, somebody else answers there"
        if "Tunnel connection failed" in str(error):
            remedy = "the proxy (https_proxy, or the setting proxy) does not let us through"
        return Unavailable(f"the PanDA server {self._settings.url} cannot be reached", why=_words(error), remedy=remedy)

    def _silent(self, request: Request, error: BaseException) -> Unavailable:
        kind = Unavailable if request.repeatable else AnswerLost
        return kind(f"the PanDA server has not answered {request.path}", why=_words(error))


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".rstrip(": ")


def _reply(response: HTTPResponse, request: Request, within_s: float) -> Reply:
    """Return the answer, read to its end.

    Raises:
        OSError, HTTPException, zlib.error: it is not whole, too long, or takes too long.
        ValueError: what reads it finds something else.
    """
    blocks = _blocks(response, within_s)
    if response.headers.get("Content-Encoding", "").lower() == "gzip":
        blocks = _unpacked(blocks)
    if request.read is None or response.status != 200:
        reply = Reply(status=response.status, body=b"".join(blocks))
    else:
        reply = Reply(status=response.status, found=request.read(blocks))
        for _ in blocks:  # up to the end, or the connection takes no other request
            pass
    return reply


def _blocks(response: HTTPResponse, within_s: float) -> Iterator[bytes]:
    from http.client import IncompleteRead

    ends = time.monotonic() + within_s
    size = 0
    while block := response.read1(BLOCK):
        size += len(block)
        if size > LARGEST or time.monotonic() > ends:
            raise TimeoutError(f"the answer is still not over after {size} bytes")
        yield block
    # read1 says nothing of a body that is shorter than announced.
    if response.length:
        raise IncompleteRead(b"", response.length)
    # Nor does it always end the answer, and the connection takes no other request before that.
    response.close()


def _unpacked(blocks: Iterator[bytes]) -> Iterator[bytes]:
    unpacker = zlib.decompressobj(wbits=31)
    size = 0
    for block in blocks:
        rest = block
        while rest:
            text = unpacker.decompress(rest, 16 * BLOCK)
            rest = unpacker.unconsumed_tail
            size += len(text)
            if size > LARGEST:
                raise zlib.error("the packed answer is too long")
            yield text
    if not unpacker.eof:
        raise zlib.error("the packed answer is not whole")
