"""The times of a certificate chain and of the VOMS attributes in it, read from the file itself (RFC 5280, RFC 5755)."""
from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

SEQUENCE, SET, OCTETS, UTC_TIME, GENERALIZED_TIME = 0x30, 0x31, 0x04, 0x17, 0x18
#: Depth below which nothing of interest lies.
DEEPEST = 16
#: Object identifier of the VOMS extension, 1.3.6.1.4.1.8005.100.100.5, as it is encoded.
VOMS = b"\x06\x0a\x2b\x06\x01\x04\x01\xbe\x45\x64\x64\x05"
PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
#: A group and role of VOMS, as it stands in the attributes.
FQAN = re.compile(rb"/[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.=-]+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """What a file with certificates says.

    Attributes:
        begins, until: time within which all of it holds, with that of the VOMS attributes; seconds since 1970.
        has_voms: there are VOMS attributes.
        groups: of VOMS, as ``/atlas/Role=production``.
    """

    begins: float
    until: float
    has_voms: bool
    groups: tuple[str, ...] = ()


def chain_in(pem: bytes) -> Chain:
    """Return what the certificates in a file say; the first is the one that is shown, the others vouch for it.

    Raises:
        ValueError: there is no certificate, or one that cannot be read.
    """
    found = [ssl.PEM_cert_to_DER_cert(match.group().decode("ascii") + "\n") for match in PEM.finditer(pem)]
    if not found:
        raise ValueError("there is no certificate in it")
    times = [_validity(der) for der in found]
    attributes = [part for der in found if (part := _voms(der))]
    for part in attributes:
        times += _periods(part)
    return Chain(
        begins=max(begins for begins, _ in times), until=min(until for _, until in times), has_voms=bool(attributes),
        groups=tuple(dict.fromkeys(group for part in attributes for group in _groups(part))),
    )


def key_problem(path: Path) -> str:
    """Return why the key in a file does not belong to its first certificate; "" if it does."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        # With an empty password a key that wants one fails instead of asking the terminal.
        context.load_cert_chain(path, password="")
    except (OSError, ValueError) as error:
        return f"its key cannot be used: {getattr(error, 'reason', None) or error}"
    return ""


def _elements(der: bytes) -> Iterator[tuple[int, bytes]]:
    """Give (tag, content) of what stands in ``der`` one after the other.

    Raises:
        ValueError: it is no DER.
    """
    at = 0
    while at < len(der):
        if at + 2 > len(der):
            raise ValueError("a certificate that ends too soon")
        tag, length, at = der[at], der[at + 1], at + 2
        if length & 0x80:
            size = length & 0x7F
            length, at = int.from_bytes(der[at:at + size], "big"), at + size
        if at + length > len(der):
            raise ValueError("a certificate that ends too soon")
        yield tag, der[at:at + length]
        at += length


def _validity(der: bytes) -> tuple[float, float]:
    (_, certificate), *_ = _elements(der)
    (_, to_be_signed), *_ = _elements(certificate)
    for tag, content in _elements(to_be_signed):
        if tag == SEQUENCE and (times := _two_times(content, (UTC_TIME, GENERALIZED_TIME))):
            return times
    raise ValueError("a certificate without times")


def _two_times(content: bytes, kinds: tuple[int, ...]) -> tuple[float, float] | None:
    """Return the two times that a sequence consists of; None if it does not."""
    try:
        parts = list(_elements(content))
    except ValueError:
        return None
    if len(parts) != 2 or any(tag not in kinds for tag, _ in parts):
        return None
    (first, begins), (second, until) = parts
    return _time(first, begins), _time(second, until)


def _time(tag: int, text: bytes) -> float:
    digits = text.decode("ascii").removesuffix("Z")
    if tag == UTC_TIME:  # two digits of the year: 1950 to 2049
        digits = ("20" if digits < "50" else "19") + digits
    return datetime.strptime(digits[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC).timestamp()


def _voms(der: bytes) -> bytes:
    """Return the content of the VOMS extension; b"" if there is none."""
    at = der.find(VOMS)
    if at < 0:
        return b""
    try:
        return next((content for tag, content in _elements(der[at + len(VOMS):]) if tag == OCTETS), b"")
    except ValueError:
        return b""


def _periods(content: bytes, depth: int = 0) -> list[tuple[float, float]]:
    """Return the times of all attribute certificates within ``content``: they alone have two GeneralizedTimes (RFC 5755, 4.1)."""
    found: list[tuple[float, float]] = []
    try:
        for tag, inner in _elements(content):
            if tag == SEQUENCE and (times := _two_times(inner, (GENERALIZED_TIME,))):
                found.append(times)
            elif (tag in (SEQUENCE, SET) or tag & 0xE0 == 0xA0) and depth < DEEPEST:
                found += _periods(inner, depth + 1)
    except ValueError:
        return found
    return found


def _groups(content: bytes, depth: int = 0) -> list[str]:
    """Return the groups and roles of VOMS within ``content``, in their order: octet strings that look like one."""
    found: list[str] = []
    try:
        for tag, inner in _elements(content):
            if tag == OCTETS and FQAN.fullmatch(inner) and b"/Role=" in inner:
                found.append(inner.decode("ascii").removesuffix("/Capability=NULL").removesuffix("/Role=NULL"))
            elif (tag in (SEQUENCE, SET) or tag & 0xE0 == 0xA0) and depth < DEEPEST:
                found += _groups(inner, depth + 1)
    except ValueError:
        return found
    return found
