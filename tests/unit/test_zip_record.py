"""What the records say is what another program reads: here Python's own."""
from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

from harvester_hpc.zip_record import LARGE, Member, header, index


def test_what_lies_beyond_32_bits_is_found(tmp_path: Path) -> None:
    content = b"the last of all"
    sizes = {"huge": 5 << 30, "of two gigabytes": LARGE, "last": len(content)}
    members: list[Member] = []
    with (tmp_path / "a.zip").open("wb") as stream:  # with holes: it takes no room
        offset = 0
        for name, size in sizes.items():
            members.append(Member(name=name, size=size, crc=zlib.crc32(content), offset=offset, large=size >= LARGE))
            stream.seek(offset)
            stream.write(header(members[-1]))
            offset = stream.tell() + size
        stream.seek(offset - len(content))
        stream.write(content + index(members, offset))
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert {entry.filename: entry.file_size for entry in archive.infolist()} == sizes
        assert archive.read("last") == content
        with archive.open("huge") as huge:
            assert huge.read(10) == bytes(10)


def test_more_members_than_16_bits_count_are_found(tmp_path: Path) -> None:
    members = [Member(name=f"{number}", size=0, crc=0, offset=0, large=False) for number in range(70_000)]
    whole = b"".join(map(header, members))
    (tmp_path / "a.zip").write_bytes(whole + index(members, len(whole)))
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert len(archive.namelist()) == 70_000
    assert zipfile.is_zipfile(tmp_path / "a.zip")


def test_an_empty_zip_is_one(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(index([], 0))
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.namelist() == []
