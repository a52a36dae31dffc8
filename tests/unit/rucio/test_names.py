"""Names, checksums and paths of Rucio."""
from __future__ import annotations

from pathlib import Path

import pytest

from harvester_hpc.model.transfer import Direction, ItemId, Parcel
from harvester_hpc.ports.outcome import Failed
from harvester_rucio.mounts import problems_of, restored, translated
from harvester_rucio.names import Did, Known, catalogued, did_of, measured, promised

TABLE = {"davs://dtn.example.org:1094/rucio/": "/lustre/rucio", "davs://dtn.example.org:1094/rucio/scratch": "/scratch"}


def _parcel(**more: str) -> Parcel:
    return Parcel(**{"item_id": ItemId(1), "direction": Direction.OUT, "job_id": 7, "lfn": "a.root", **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("pfn", "path"),
    [
        ("davs://dtn.example.org:1094/rucio/tests/ab/cd/x", "/lustre/rucio/tests/ab/cd/x"),
        ("davs://dtn.example.org:1094/rucio/scratch/x", "/scratch/x"),  # the longest beginning counts
        ("davs://dtn.example.org:1094/rucio2/x", ""),                   # a beginning ends with a whole part
        ("davs://dtn.example.org:1094/rucio/../etc/passwd", ""),        # nothing leads out of its folder
        ("davs://dtn.example.org:1094/rucio//etc/passwd", "/lustre/rucio/etc/passwd"),
        ("davs://dtn.example.org:1094/rucio/", ""),
        ("root://dtn.example.org/rucio/x", ""),
    ],
)
def test_a_pfn_becomes_a_path_below_its_folder_or_none(pfn: str, path: str) -> None:
    assert translated(pfn, TABLE) == path


def test_a_path_becomes_its_pfn_again() -> None:
    for pfn in ("davs://dtn.example.org:1094/rucio/a/b", "davs://dtn.example.org:1094/rucio/scratch/b"):
        assert restored(translated(pfn, TABLE), TABLE) == pfn
    assert restored("/elsewhere/x", TABLE) == restored("/scratch/../x", TABLE) == restored("/scratchy/x", TABLE) == ""


def test_a_table_of_mounts_that_cannot_be_one_is_a_problem() -> None:
    assert problems_of(TABLE, "mounts") == ()
    assert len(problems_of({"/rucio/": "/x", "davs://a/": "relative"}, "mounts")) == 2


def test_a_difference_is_seen_in_whatever_both_know() -> None:
    known = Known(size=3, adler32="00000003", md5="a" * 32)
    assert known.unlike(Known()) == Known().unlike(known) == known.unlike(known) == ""
    for other in (Known(size=4), Known(adler32="00000004"), Known(md5="b" * 32)):
        assert known.unlike(other) and other.unlike(known)


def test_an_adler32_without_its_leading_zeros_is_the_same() -> None:
    assert catalogued(3, "AB", None) == promised(_parcel(checksum="ad:ab")).joined(Known(size=3)) == Known(size=3, adler32="000000ab")


@pytest.mark.parametrize("content", [b"", b"abc", b"x" * (3 << 20)])
def test_what_is_measured_is_what_the_job_would_say(tmp_path: Path, content: bytes) -> None:
    import hashlib
    import zlib

    (tmp_path / "file").write_bytes(content)
    found = measured(tmp_path / "file", md5=True)
    assert found == Known(size=len(content), adler32=f"{zlib.adler32(content):08x}", md5=hashlib.md5(content).hexdigest())
    assert (found.like("md:"), found.like("ad:"), found.like("")) == (f"md:{found.md5}", f"ad:{found.adler32}", f"ad:{found.adler32}")


def test_the_scope_is_that_of_the_name_else_of_the_job_else_of_the_section() -> None:
    assert did_of(_parcel(lfn="mc:a.root", scope="job"), "section") == Did(scope="mc", name="a.root")
    assert did_of(_parcel(scope="job"), "section") == Did(scope="job", name="a.root")
    assert did_of(_parcel(), "section") == Did(scope="section", name="a.root")
    assert isinstance(did_of(_parcel()), Failed)
