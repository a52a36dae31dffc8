"""The server, asked by method and arguments in whichever dialect it speaks."""
from __future__ import annotations

import json
import logging
import threading
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from enum import StrEnum
from functools import partial
from typing import Any, Protocol
from urllib.parse import urlencode

from harvester_hpc.errors import AnswerLost, Unavailable
from harvester_panda.connection import Connections, Reply, Request
from harvester_panda.credentials import Credential
from harvester_panda.methods import Envelope, Method, ShapeError, Verb
from harvester_panda.multipart import Multipart
from harvester_panda.settings import PandaSettings

log = logging.getLogger(__name__)

#: Shorter bodies are not worth packing (bytes).
WORTH_PACKING = 1024
#: Characters of a strange answer that are shown.
SHOWN = 300
#: Refusals that no other argument will change, with what to do.
NOT_WE: Mapping[str, str] = {
    "role required": "use a credential with the production role",
    "SSL secure connection is required": "name a credential that the server knows",
}
#: Refusals for want of time: the same call later.
SLOW = ("timeout", "timed out", "rows locked by another update")


class Dialect(StrEnum):
    """The forms of the API."""

    V1 = "v1"
    OLD = "old"


class Reader(Protocol):
    """Reads a long answer as it arrives."""

    def __call__(self, blocks: Iterator[bytes], *, enveloped: bool) -> tuple[Mapping[str, Any], Any]:
        """Return what stood beside the data (the envelope of the v1 API, {} in the old form), and what was made of them.

        Raises:
            ValueError: the answer is none.
        """
        ...


class Refused(Unavailable):
    """The server has answered that the call as a whole did not work. Parts of it may have been done.

    Args:
        broke: it broke, rather than to say no (500).
    """

    def __init__(self, what: str, *, why: str = "", broke: bool = False) -> None:
        super().__init__(what, why=why)
        self.broke = broke


class Server:
    """One server. Safe for several threads."""

    def __init__(self, settings: PandaSettings) -> None:
        self._settings = settings
        self._credential = Credential(settings)
        self._connections = Connections(settings, self._credential)
        self._dialect = None if settings.dialect == "ask" else Dialect(settings.dialect)
        self._asking = threading.Lock()

    def close(self) -> None:
        """Close all connections."""
        self._connections.close()

    def ask(self, method: Method, arguments: Mapping[str, Any], read: Reader | None = None) -> Envelope:
        """Return what the server says to one call, also if that is no.

        Args:
            arguments: with the names and types of the v1 API.
            read: reads an answer that is too long to be kept whole; what it returns is the data.

        Raises:
            Refused: it says that the whole call broke (500).
            CredentialRefused: it does not know us, or our credential is over (401, 403).
            Unavailable: it says nothing usable, or does not want us.
        """
        dialect = self.dialect()
        request = _v1(method, arguments, packs=self._settings.gzip) if dialect is Dialect.V1 else _old(method, arguments)
        if read is not None:
            request = replace(request, read=partial(read, enveloped=dialect is Dialect.V1))
        with self._credential.asking() as mark:
            reply = self._connections.exchange(request)
        envelope = self._read(method, dialect, reply, mark)
        if not envelope.success:
            _see_who_is_meant(method, envelope.message)
        return envelope

    def tell(self, method: Method, arguments: Mapping[str, Any], read: Reader | None = None) -> Any:
        """Return the answer to one call that must work.

        Raises:
            Refused: it did not.
            Unavailable: as of ``ask``.
        """
        envelope = self.ask(method, arguments, read)
        if not envelope.success:
            raise Refused(f"the PanDA server refuses {method.path}", why=envelope.message[:SHOWN])
        return envelope.data

    def upload(self, method: Method, body: Multipart) -> Any:
        """Send one file; return the answer.

        Raises:
            Refused: it did not work.
            Unavailable: as of ``ask``.
        """
        dialect = self.dialect()
        target = f"/api/v1/{method.path}" if dialect is Dialect.V1 else f"/server/panda/{method.old}"
        request = Request(verb=Verb.POST, target=target, headers=body.headers, body=body, repeatable=method.repeatable)
        with self._credential.asking() as mark:
            reply = self._connections.exchange(request)
        if dialect is Dialect.OLD and reply.status == 200:
            return reply.body.decode(errors="replace").strip()
        envelope = self._read(method, dialect, reply, mark)
        if not envelope.success:
            _see_who_is_meant(method, envelope.message)
            raise Refused(f"the PanDA server does not take {method.path}", why=envelope.message[:SHOWN])
        return envelope.data

    def dialect(self) -> Dialect:
        """Return what the server speaks, found out by asking it once.

        Raises:
            Unavailable: it does not say.
        """
        with self._asking:
            if self._dialect is None:
                self._dialect = self._found()
                log.info("the PanDA server speaks %s url=%s", self._dialect, self._settings.url)
            return self._dialect

    def _found(self) -> Dialect:
        with self._credential.asking() as mark:
            return self._answered(mark)

    def _answered(self, mark: str) -> Dialect:
        new = self._connections.exchange(Request(verb=Verb.GET, target="/api/v1/system/is_alive", repeatable=True))
        if new.status == 200 and _is_envelope(new.body):
            return Dialect.V1
        if new.status not in (403, 404):
            raise self._strange("system/is_alive", new, mark)
        old = self._connections.exchange(Request(verb=Verb.GET, target="/server/panda/isAlive", repeatable=True))
        if old.status == 200 and old.body.strip() == b"alive=yes":
            return Dialect.OLD
        raise self._strange("system/is_alive", new, mark)

    def _read(self, method: Method, dialect: Dialect, reply: Reply, mark: str) -> Envelope:
        name = method.path if dialect is Dialect.V1 else method.old
        if reply.status == 404 or (reply.status == 403 and b"is forbidden" in reply.body):
            self._forget()
        if reply.status == 500:
            raise Refused(f"the PanDA server broke at {name}", why=_shown(reply.body) or "500", broke=True)
        if reply.status != 200:
            raise self._strange(name, reply, mark, method)
        try:
            if reply.found is not None:
                beside, found = reply.found
                return _v1_envelope({**beside, "data": found}) if dialect is Dialect.V1 else Envelope(success=True, data=found)
            answer = json.loads(reply.body)
            return _v1_envelope(answer) if dialect is Dialect.V1 else method.read_old(answer)
        except (ValueError, RecursionError) as error:
            kind = Unavailable if method.repeatable else AnswerLost
            raise kind(f"the PanDA server has answered {name} with something else", why=f"{error}: {_shown(reply.body)}") from error

    def _strange(self, name: str, reply: Reply, mark: str, method: Method | None = None) -> Unavailable:
        what = f"the PanDA server answers {reply.status} to {name}"
        if reply.status in (401, 403) and b"is forbidden" not in reply.body:
            return self._credential.refusal(mark, what, _shown(reply.body))
        # Somebody between us and the server has lost patience with it.
        given_once = reply.status in (502, 504) and method is not None and not method.repeatable
        return (AnswerLost if given_once else Unavailable)(what, why=_shown(reply.body))

    def _forget(self) -> None:
        """It does not know a method that it should: perhaps it was updated, so it is asked again what it speaks."""
        if self._settings.dialect == "ask":
            with self._asking:
                self._dialect = None


def _v1(method: Method, arguments: Mapping[str, Any], *, packs: bool) -> Request:
    target = f"/api/v1/{method.path}"
    if method.verb is Verb.GET:
        return Request(verb=Verb.GET, target=f"{target}?{urlencode(arguments, doseq=True)}", repeatable=method.repeatable)
    body = json.dumps(arguments, allow_nan=False).encode()
    # Exactly this type: the server compares it as a text.
    headers = {"Content-Type": "application/json"}
    if packs and len(body) >= WORTH_PACKING:
        body, headers["Content-Encoding"] = _packed(body), "gzip"
    return Request(verb=Verb.POST, target=target, headers=headers, body=body, repeatable=method.repeatable)


def _packed(body: bytes) -> bytes:
    packer = zlib.compressobj(level=5, wbits=31)
    return packer.compress(body) + packer.flush()


def _old(method: Method, arguments: Mapping[str, Any]) -> Request:
    texts = {method.names.get(name, name): _text(value, packed=name in method.packed) for name, value in arguments.items()}
    # Of a JSON body the old form takes only a packed one; of this type any.
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return Request(
        verb=Verb.POST, target=f"/server/panda/{method.old}", headers=headers, body=urlencode(texts).encode(), repeatable=method.repeatable,
    )


def _text(value: Any, *, packed: bool) -> str:
    if packed:
        return json.dumps(value, allow_nan=False)
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _is_envelope(body: bytes) -> bool:
    try:
        return isinstance(json.loads(body), dict)
    except (ValueError, RecursionError):
        return False


def _v1_envelope(answer: Any) -> Envelope:
    if not isinstance(answer, dict) or not isinstance(answer.get("success"), bool):
        raise ShapeError("it has no 'success'")
    return Envelope(success=answer["success"], message=str(answer.get("message") or ""), data=answer.get("data"))


def _see_who_is_meant(method: Method, message: str) -> None:
    for words, remedy in NOT_WE.items():
        if words in message:
            raise Unavailable(f"the PanDA server does not let us use {method.path}", why=message[:SHOWN], remedy=remedy)
    if any(words in message.lower() for words in SLOW):
        # What has run out of time there goes on in the background, and may be done in the end.
        kind = Unavailable if method.repeatable else AnswerLost
        raise kind(f"the PanDA server has no time for {method.path}", why=message[:SHOWN])


def _shown(body: bytes) -> str:
    return " ".join(body[:SHOWN].decode(errors="replace").split())
