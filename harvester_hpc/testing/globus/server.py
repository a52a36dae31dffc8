"""The emulated services behind one port of loopback."""
from __future__ import annotations

import base64
import json
import re
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from harvester_hpc.testing.globus import faults
from harvester_hpc.testing.globus.auth_api import TRANSFER, Ask, AuthApi
from harvester_hpc.testing.globus.faults import Answer, LostError, RefusedError
from harvester_hpc.testing.globus.transfer_api import Call, TransferApi
from harvester_hpc.testing.globus.world import World

ID = r"([^/]+)"
#: (method and path, name of the call); the part in brackets is its id.
TRANSFER_CALLS = (
    (r"GET /v0\.10/submission_id", "submission_id"), (r"POST /v0\.10/transfer", "submit"), (r"GET /v0\.10/task_list", "task_list"),
    (rf"GET /v0\.10/task/{ID}", "task"), (rf"POST /v0\.10/task/{ID}/cancel", "cancel"),
    (rf"GET /v0\.10/task/{ID}/event_list", "event_list"),
    (rf"GET /v0\.10/task/{ID}/successful_transfers", "successful_transfers"), (rf"GET /v0\.10/task/{ID}/skipped_errors", "skipped_errors"),
    (rf"GET /v0\.10/task/{ID}/pause_info", "pause_info"), (rf"GET /v0\.10/endpoint/{ID}", "endpoint"),
    (rf"GET /v0\.10/operation/endpoint/{ID}/ls", "ls"),
)
AUTH_CALLS = (
    (r"POST /v2/oauth2/token", "token"), (r"POST /v2/oauth2/token/revoke", "revoke"), (r"GET /v2/oauth2/authorize", "authorize"),
    (r"GET /v2/oauth2/userinfo", "userinfo"), (r"GET /jwk\.json", "jwk"),
    (r"GET /\.well-known/openid-configuration", "openid_configuration"),
    (rf"GET /v2/api/identities/{ID}/consents", "consents"),
)


class Emulator:
    """The services over one folder; a thread for each connection.

    Args:
        folder: all state; may be used again by the next one.
        port: of loopback; 0 for a free one.
    """

    def __init__(self, folder: Path, port: int = 0) -> None:
        self.world = World(folder)
        self.transfer, self.auth = TransferApi(self.world), AuthApi(self.world)
        self._server = _Server(("127.0.0.1", port), self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True, name="globus-emulator")

    @property
    def address(self) -> str:
        """Where it serves."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def environment(self) -> Mapping[str, str]:
        """Variables that lead the SDK here."""
        return MappingProxyType({"GLOBUS_SDK_SERVICE_URL_TRANSFER": f"{self.address}/", "GLOBUS_SDK_SERVICE_URL_AUTH": f"{self.address}/"})

    def __enter__(self) -> Emulator:
        """Serve in a thread."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop serving; connections are closed."""
        self._server.shutdown()
        self._server.server_close()
        self.world.close()

    def serve(self) -> None:
        """Serve in this thread, for ever."""
        self._server.serve_forever()

    def answered(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Answer one request.

        Raises:
            LostError: no answer is to be given.
        """
        parts = urlsplit(target)
        for calls, part in ((TRANSFER_CALLS, self._transfer), (AUTH_CALLS, self._auth)):
            for pattern, name in calls:
                if found := re.fullmatch(pattern, f"{method} {parts.path}"):
                    self.world.count(name)
                    query = dict(parse_qsl(parts.query))
                    return part(name, found[1] if found.groups() else "", query, headers, body)
        return RefusedError(404, "ClientError.NotFound", f"no {method} {parts.path} here").answer

    def _transfer(self, name: str, asked: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes) -> Answer:
        fault = self.world.fault(name)
        now = self._now()
        try:
            if fault is not None and fault.how == "expired_token":
                self._expire(headers)
            faults.before(fault)
            if fault is not None and fault.how == "garbage":
                return Answer(text="<html>please log in to the network</html>")
            identity = self.auth.identity_of(_bearer(headers), TRANSFER, now)
            call = Call(identity=identity, now=now, id=asked, query=query, body=json.loads(body) if body else None)
            answer = self.transfer.answers[name](call)
            faults.after(fault)
        except RefusedError as error:
            return error.answer
        return answer

    def _auth(self, name: str, asked: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes) -> Answer:
        fault = self.world.fault(name)
        client, secret = _basic(headers)
        fields = {**query, **dict(parse_qsl(body.decode()))}
        ask = Ask(
            fields=fields, client=client or fields.get("client_id", ""), secret=secret, bearer=_bearer(headers), address=self.address,
            id=asked, now=self._now(),
        )
        try:
            faults.before(fault)
            answer = self.auth.answers[name](ask)
            faults.after(fault)
        except RefusedError as error:
            return error.answer
        return answer

    def _expire(self, headers: Mapping[str, str]) -> None:
        self.world.rows("UPDATE token SET expires = 0 WHERE access = ?", _bearer(headers))

    def _now(self) -> float:
        said = self.world.setting("now")
        return time.time() if said is None else float(said)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, place: tuple[str, int], emulator: Emulator) -> None:
        self.emulator = emulator
        self._open: set[socket.socket] = set()
        super().__init__(place, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        for one in tuple(self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        super().server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no trouble."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    server: _Server

    def do_GET(self) -> None:
        self._do()

    def do_POST(self) -> None:
        self._do()

    def _do(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            answer = self.server.emulator.answered(self.command, self.path, dict(self.headers.items()), body)
        except LostError:
            self.close_connection = True
            return
        text = (answer.text or json.dumps(answer.body)).encode()
        self.send_response(answer.status)
        for name, value in {**answer.headers, "Content-Type": "application/json", "Content-Length": str(len(text))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def _bearer(headers: Mapping[str, str]) -> str:
    kind, _, token = headers.get("Authorization", "").partition(" ")
    return token if kind == "Bearer" else ""


def _basic(headers: Mapping[str, str]) -> tuple[str, str]:
    kind, _, word = headers.get("Authorization", "").partition(" ")
    if kind != "Basic":
        return "", ""
    client, _, secret = base64.b64decode(word).decode().partition(":")
    return client, secret
