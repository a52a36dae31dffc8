"""Getting a configuration file from an address: http, https or file; bounded in size and time."""
from __future__ import annotations

import http.client
import ssl
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import unquote, urlsplit

from harvester_hpc.config.address import Access, problem
from harvester_hpc.errors import Unavailable
from harvester_hpc.secret_file import read_token

BLOCK = 1 << 16
#: Seconds that one operation on the connection may take.
QUIET_S = 15.0


def fetch(url: str, access: Access) -> str:
    """Return the text at an address.

    Raises:
        Unavailable: it cannot be had whole, in time, and as UTF-8.
    """
    if (why := problem(url, access)):
        raise Unavailable(f"{url} cannot be used", why=why)
    try:
        content = _of_file(url, access) if url.startswith("file:") else _of_server(url, access)
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unavailable(f"{url} is not text in UTF-8", why=str(error.reason)) from error
    except urllib.error.HTTPError as error:
        error.close()
        raise Unavailable(f"{url} cannot be had", why=f"the server says {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Unavailable(f"{url} cannot be had", why=_said(error)) from error


def _of_file(url: str, access: Access) -> bytes:
    path = Path(unquote(urlsplit(url).path))
    with path.open("rb") as stream:
        return _bounded(stream.read(access.most + 1), url, access)


def _of_server(url: str, access: Access) -> bytes:
    request = urllib.request.Request(url, headers={"Accept": "application/json, text/plain, */*", "Accept-Encoding": "identity"})
    if access.token_file:
        # not sent on to where a redirection leads
        request.add_unredirected_header("Authorization", f"Bearer {read_token(Path(access.token_file))[1]}")
    opener = urllib.request.build_opener(_Redirections(), urllib.request.HTTPSHandler(context=_context(access)))
    end = time.monotonic() + access.timeout_s
    with opener.open(request, timeout=min(QUIET_S, access.timeout_s)) as reply:
        content = b"".join(_blocks(reply, url, end, access))
        announced = reply.headers.get("Content-Length")
    if announced is not None and announced.isdigit() and len(content) < int(announced):
        raise Unavailable(f"{url} came only in part", why=f"{len(content)} of {announced} bytes")
    return content


def _blocks(reply: http.client.HTTPResponse, url: str, end: float, access: Access) -> list[bytes]:
    blocks: list[bytes] = []
    size = 0
    while block := reply.read1(BLOCK):
        blocks.append(block)
        size += len(block)
        if size > access.most:
            _bounded(b"".join(blocks), url, access)
        if time.monotonic() > end:
            raise Unavailable(f"{url} takes too long", why=f"{size} bytes in {access.timeout_s:g} s")
    return blocks


def _bounded(content: bytes, url: str, access: Access) -> bytes:
    if len(content) > access.most:
        raise Unavailable(f"{url} is too large", why=f"more than {access.most / 1e6:g} MB", remedy="raise remote.maxMB, or split it")
    return content


def _context(access: Access) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=access.ca_file or None)
    if access.certificate_file:
        context.load_cert_chain(access.certificate_file, access.key_file or None)
    return context


def _said(error: Exception) -> str:
    reason = getattr(error, "reason", None) or error
    return str(reason) or type(error).__name__


class _Redirections(urllib.request.HTTPRedirectHandler):
    """Follows a server to another place, but never from https to http."""

    max_redirections = 5

    def redirect_request(self, req, fp, code, msg, headers, newurl):  # type: ignore[no-untyped-def]
        """Return the request to the other place."""
        if urlsplit(req.full_url).scheme == "https" and urlsplit(newurl).scheme != "https":
            raise Unavailable(f"{req.full_url} leads to {newurl}", why="which is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)
