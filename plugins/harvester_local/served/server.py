"""The served system behind one port of loopback."""
from __future__ import annotations

import json
import logging
import socket
import ssl
import sys
import threading
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

from harvester_local.served.cache import OLD_UPLOAD, UPLOAD, Cache
from harvester_local.served.faults import DONE, FaultKind, Faults, Quirks
from harvester_local.served.old_form import OLD, answered
from harvester_local.served.strict import ArgumentError, bound
from harvester_local.served.system import BreaksError, SaysNoError, System
from harvester_local.served.tokens import known_tokens

log = logging.getLogger(__name__)

V1 = "/api/v1/"
OLD_FORM = "/server/panda/"
#: Bytes of the first line of a request (Apache's default).
LONGEST_LINE = 8190
HTML = b"<html><body>Please log in to the network</body></html>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """How a system is served.

    Attributes:
        v1, old: which forms there are; where the old one is not, its methods are forbidden, as in servers of 1.0.
        token: what a client must bring; "" for nothing.
        token_file: file with such tokens, read for each request; one that says that its time is over (JWT) is not taken.
        certificate, key: PEM files; None: plain HTTP.
        client_authority: PEM file of who vouches for clients; None: they need no certificate.
        delay_s: how long a late answer takes.
    """

    v1: bool = True
    old: bool = False
    token: str = ""
    token_file: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    client_authority: Path | None = None
    delay_s: float = 5.0
    quirks: Quirks = field(default_factory=Quirks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request."""

    verb: str
    target: str
    headers: Mapping[str, str]
    body: bytes


class ServedSystem:
    """Serves the system that lives in ``folder``; a thread for each connection. As a context it serves in a thread of its own.

    Attributes:
        faults: what is to go wrong.
        asked: paths of all requests, in order.
        packed: how many of them came packed.
        late: how many were done, and are, or were, kept waiting for their answer.
        system: what is served.
        cache: the logs that were uploaded.
    """

    def __init__(self, folder: Path, service: Service | None = None, port: int = 0, host: str = "127.0.0.1") -> None:
        self.service = service or Service()
        quirks = self.service.quirks
        # The old form answers an update of ranges; the new one breaks at that.
        self.system = System(folder, quirks)
        self._old = System(folder, replace(quirks, breaks_after_ranges=False), self.system.local)
        self.faults = Faults()
        self.asked: list[str] = []
        self.packed = 0
        self.cache = Cache(folder)
        self._uploads = {path for path, is_there in ((V1 + UPLOAD, self.service.v1), (OLD_FORM + OLD_UPLOAD, self.service.old)) if is_there}
        self.late = 0
        self._delay = threading.Event()
        self._server = _Server((host, port), self)
        if self.service.certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.service.certificate, self.service.key)
            if self.service.client_authority is not None:
                context.verify_mode = ssl.CERT_REQUIRED
                context.load_verify_locations(self.service.client_authority)
            self._server.security = context
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True, name="served-wms")

    @property
    def port(self) -> int:
        """Where it serves."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """Its address, as a client's setting has it."""
        return f"http{'s' if self.service.certificate else ''}://127.0.0.1:{self.port}"

    def __enter__(self) -> ServedSystem:
        """Serve in a thread."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop serving; connections are closed."""
        self._server.shutdown()
        self.close()
        self._thread.join(timeout=10.0)

    def close(self) -> None:
        """Close the port and every connection."""
        self._delay.set()
        self._server.server_close()

    def serve(self) -> None:
        """Serve in this thread, for ever."""
        self._server.serve_forever()

    def answer(self, asked: Asked) -> tuple[int, bytes] | None:
        """Return status and body; None: the connection ends without a word."""
        path = urlsplit(asked.target).path
        self.asked.append(path)
        self.packed += asked.headers.get("Content-Encoding") == "gzip"
        fault = self.faults.take(path)
        if fault is not None and fault not in DONE:
            return {FaultKind.BROKEN_BEFORE: (500, b"no, not now"), FaultKind.BUSY: (503, b"busy")}.get(fault)
        found = self._answer(asked, path)
        match fault:
            case FaultKind.LOST_AFTER:
                return None
            case FaultKind.BROKEN_AFTER:
                return 500, b"it is done, and then this"
            case FaultKind.GARBAGE:
                return 200, HTML
            case FaultKind.DELAY:
                self.late += 1
                self._delay.wait(self.service.delay_s)
            case FaultKind.TRUNCATED:
                return -found[0], found[1]
            case _:
                pass
        return found

    def _answer(self, asked: Asked, path: str) -> tuple[int, bytes]:
        refusal = self._who(asked) if path.rpartition("/")[2] not in ("is_alive", "isAlive") else ""
        if refusal:
            return 403, f"ERROR : {refusal}".encode()
        try:
            if path in self._uploads:
                return self._uploaded(asked, path)
            if path.startswith(V1) and self.service.v1:
                return self._new_form(asked, path.removeprefix(V1))
            if path.startswith(OLD_FORM):
                return self._old_form(asked, path.removeprefix(OLD_FORM))
        except (BreaksError, ValueError, KeyError, zlib.error) as error:
            return 500, str(error).encode()
        return 404, b"not found"

    def _who(self, asked: Asked) -> str:
        known = known_tokens(self.service.token, self.service.token_file)
        if known is None:
            return ""
        if "Origin" not in asked.headers:
            return "Token authentication failed. no VO"
        if asked.headers.get("Authorization", "").removeprefix("Bearer ") not in known:
            return "Token authentication failed. Invalid token. Signature has expired"
        return ""

    def _uploaded(self, asked: Asked, path: str) -> tuple[int, bytes]:
        is_new = path.startswith(V1)
        if asked.verb != "POST":
            return 200, json.dumps(_no(f"expecting POST, received {asked.verb}")).encode()
        try:
            address = self.url + self.cache.take(asked.headers, asked.body)
        except ArgumentError as error:
            return 200, json.dumps(_no(str(error))).encode() if is_new else f"ERROR : {error}".encode()
        return 200, json.dumps({"success": True, "message": "", "data": address}).encode() if is_new else address.encode()

    def _new_form(self, asked: Asked, name: str) -> tuple[int, bytes]:
        if name not in self.system.methods:
            return 403, f"ERROR : method {name.rpartition('/')[2]} is forbidden".encode()
        verb, method = self.system.methods[name]
        envelope = self._envelope(asked, verb, method)
        if asked.headers.get("Accept") != "application/json":
            return 200, repr(envelope).encode()
        return 200, json.dumps(envelope).encode()

    def _envelope(self, asked: Asked, verb: str, method: Any) -> dict[str, Any]:
        if asked.verb != verb:
            return _no(f"expecting {verb}, received {asked.verb}")
        try:
            if verb == "GET":
                arguments = bound(method, parse_qs(urlsplit(asked.target).query), casts=True)
            elif asked.headers.get("Content-Type") != "application/json":
                raise ArgumentError("Argument error: missing a required argument")
            else:
                arguments = bound(method, json.loads(_unpacked(asked)), casts=False)
            return {"success": True, "message": "", "data": method(**arguments)}
        except (ArgumentError, SaysNoError) as error:
            return _no(str(error), [] if "AttributeError" in str(error) else None)

    def _old_form(self, asked: Asked, name: str) -> tuple[int, bytes]:
        if not self.service.old:
            return 403, f"ERROR : method {name} is forbidden".encode()
        if name == "isAlive":
            return 200, b"alive=yes"
        if name not in OLD:
            return 403, f"ERROR : method {name} is forbidden".encode()
        # A body of this type must be packed there, whatever the headers say.
        packed = asked.headers.get("Content-Type") == "application/json"
        body = zlib.decompress(asked.body, wbits=31) if packed else asked.body
        given = json.loads(body) if packed else dict(parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=bool(body)))
        _, call = self._old.methods[OLD[name].path]
        found = answered(OLD[name], call, given, one_return_more=self.service.quirks.one_return_more)
        return 200, json.dumps(found).encode()


def _unpacked(asked: Asked) -> bytes:
    return zlib.decompress(asked.body, wbits=31) if asked.headers.get("Content-Encoding") == "gzip" else asked.body


def _no(message: str, data: Any = None) -> dict[str, Any]:
    return {"success": False, "message": message, "data": data}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], served: ServedSystem) -> None:
        self._open: set[socket.socket] = set()  # a port that is taken is closed again before we come any further
        super().__init__(address, _Handler)
        self.served = served
        self.security: ssl.SSLContext | None = None

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Serve one connection, in its own thread."""
        if self.security is not None:
            request = self.security.wrap_socket(request, server_side=True)
        self._open.add(request)
        try:
            super().finish_request(request, client_address)
        finally:
            self._open.discard(request)
            request.close()

    def server_close(self) -> None:
        """Close what is open."""
        for one in list(self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        super().server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no trouble; a defect of ours is told."""
        log.debug("a connection ended client=%s why=%s", client_address, sys.exc_info()[1])


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    server: _Server

    def do_GET(self) -> None:
        found = self.server.served.cache.given(urlsplit(self.path).path)
        if found is None:
            self._do()
            return
        content, headers = found
        self.send_response(200)
        for name, value in {"Content-Type": "text/plain", "Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def do_POST(self) -> None:
        self._do()

    def _do(self) -> None:
        if len(self.requestline) > LONGEST_LINE:
            self.close_connection = True
            self.send_error(414)
            return
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            answer = self.server.served.answer(
                Asked(verb=self.command, target=self.path, headers=dict(self.headers.items()), body=body))
        except Exception:  # a handler that breaks is answered as the server does it
            log.exception("a request broke target=%s", self.path)
            answer = 500, b"broken"
        if answer is None:
            self.close_connection = True
            return
        status, text = answer
        self.send_response(abs(status))
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text if status > 0 else text[:len(text) // 2])
        self.close_connection = self.close_connection or status < 0

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""
