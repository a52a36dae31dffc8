"""The records of a zip file whose members are stored, not compressed: pure bytes, nothing here touches a file.

Source: PKWARE APPNOTE.TXT 6.3.10, sections 4.3 and 4.5.3.
"""
from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

#: From this number on a field of 32 (16) bits says "see the extra field" (the zip64 record).
TOO_LARGE, TOO_MANY = 0xFFFF_FFFF, 0xFFFF
#: Sizes from here on are given in 64 bits: some programs read those of 32 as signed.
LARGE = 1 << 31
#: 1980-01-01 00:00, the oldest time that a zip can hold: all members have it, so that the same members make the same zip.
_TIME, _DATE = 0, 0x21
_UNIX, _REGULAR_FILE_OF_OWNER = 3 << 8, 0o100600 << 16
_PLAIN, _ZIP64 = 20, 45
_UTF8 = 0x800

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_END_64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR_64 = struct.Struct("<4sIQI")


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One member as the zip holds it.

    Attributes:
        name: its name, at most 65,535 bytes of UTF-8.
        size, offset: bytes of its content; where its header begins.
        crc: CRC-32 of its content.
        large: its header gives the sizes in 64 bits.
    """

    name: str
    size: int
    crc: int
    offset: int
    large: bool


def header(member: Member) -> bytes:
    """Return what stands before the content of a member; its length depends on name and ``large`` alone."""
    name, flags = _encoded(member.name)
    size = TOO_LARGE if member.large else member.size
    extra = struct.pack("<2H2Q", 1, 16, member.size, member.size) if member.large else b""
    fixed = _LOCAL.pack(
        b"PK\3\4", _ZIP64 if member.large else _PLAIN, flags, 0, _TIME, _DATE, member.crc, size, size, len(name), len(extra)
    )
    return fixed + name + extra


def index(members: Sequence[Member], offset: int) -> bytes:
    """Return the end of a zip: its index, which begins at ``offset``, and the records that tell where that is."""
    entries = b"".join(map(_entry, members))
    count, size = len(members), len(entries)
    beyond = b""
    if count >= TOO_MANY or size >= LARGE or offset >= LARGE:
        beyond = _END_64.pack(b"PK\6\6", _END_64.size - 12, _UNIX | _ZIP64, _ZIP64, 0, 0, count, count, size, offset)
        beyond += _LOCATOR_64.pack(b"PK\6\7", 0, offset + size, 1)
        count, size, offset = TOO_MANY, TOO_LARGE, TOO_LARGE
    return entries + beyond + _END.pack(b"PK\5\6", 0, 0, count, count, size, offset, 0)


def _entry(member: Member) -> bytes:
    name, flags = _encoded(member.name)
    size, offset, values = member.size, member.offset, list[int]()
    if member.large:
        values, size = [size, size], TOO_LARGE
    if offset >= LARGE:
        values, offset = [*values, offset], TOO_LARGE
    extra = struct.pack(f"<2H{len(values)}Q", 1, 8 * len(values), *values) if values else b""
    version = _ZIP64 if values else _PLAIN
    fixed = _CENTRAL.pack(
        b"PK\1\2", _UNIX | version, version, flags, 0, _TIME, _DATE, member.crc, size, size, len(name), len(extra), 0, 0, 0,
        _REGULAR_FILE_OF_OWNER, offset,
    )
    return fixed + name + extra


def _encoded(name: str) -> tuple[bytes, int]:
    """Return a name as bytes, and the flag that tells how."""
    return (name.encode(), 0) if name.isascii() else (name.encode(), _UTF8)
