"""What a worker declares: every item is judged by itself."""
from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.messenger.dump import KINDS, OF_EVENTS, Items, items_of, job_number, updates_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "root" / "7").mkdir(parents=True)
    (tmp_path / "root" / "7" / "out").write_bytes(b"123456")
    (tmp_path / "elsewhere").write_bytes(b"1")
    return tmp_path / "root" / "7"


def declared(folder: Path, *entries: Any, last: bool = False) -> Items:
    return items_of({"1": list(entries)}, folder, folder.parent, last=last)


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("key", ["type", "filetype"])
def test_every_type_is_accepted_under_either_key(folder: Path, kind: str, key: str) -> None:
    item = {"path": str(folder / "out"), key: kind, "eventRangeID": "r", "eventStatus": "finished"}
    (file,) = declared(folder, item).files
    assert (file.kind, file.lfn, file.path, file.job_id) == (kind, "out", str(folder / "out"), 1)


@pytest.mark.parametrize(("given", "kept"), [
    ("0a1b2c3d", "ad:0a1b2c3d"), ("AD:0A1B2C3D", "ad:0a1b2c3d"), ("1b2c3d", "ad:001b2c3d"), ("adler32:1", "ad:00000001"),
    ("md:" + "a" * 32, "md:" + "a" * 32), ("B" * 32, "md:" + "b" * 32), (None, ""), ("", ""), (" 0a1b2c3d ", "ad:0a1b2c3d"),
])
def test_a_checksum_has_one_form(folder: Path, given: str | None, kept: str) -> None:
    (file,) = declared(folder, {"path": "out", "type": "output", "chksum": given}).files
    assert file.checksum == kept


@pytest.mark.parametrize(("given", "kept"), [(6, 6), ("6", 6), (6.0, 6), (None, None), ("", None), (0, 0)])
def test_a_size_may_be_a_number_a_text_or_absent(folder: Path, given: Any, kept: int | None) -> None:
    (file,) = declared(folder, {"path": "out", "type": "output", "fsize": given, "guid": None}).files
    assert (file.size, file.guid) == (kept, "")


GOOD = {"path": "out", "type": "output"}


@pytest.mark.parametrize("item", [
    {"path": "out"}, {"path": "out", "type": "html"}, {"path": "out", "type": 5}, {"path": "out", "type": ["log"]},
    {"path": 5, "type": "log"},
    {**GOOD, "fsize": -1}, {**GOOD, "fsize": True}, {**GOOD, "fsize": 2**63},
    {**GOOD, "fsize": "six"}, {**GOOD, "fsize": 1.5}, {**GOOD, "fsize": "٣"},
    {**GOOD, "chksum": "xyz"}, {**GOOD, "chksum": 12}, {**GOOD, "chksum": "a" * 9}, {**GOOD, "guid": 7}, {**GOOD, "fsize": []},
    {**GOOD, "path": "../../elsewhere"}, {**GOOD, "path": "a\0b"}, {**GOOD, "path": "."}, {**GOOD, "path": "x/"}, {**GOOD, "path": ".."},
    {**GOOD, "path": "n" * 300}, {"path": "out", "type": "es_output"}, {"path": "out", "type": "zip_output", "eventRangeID": "r"},
    {}, {"eventRangeID": "r"}, {"eventStatus": "finished"}, {"eventRangeID": "r", "eventStatus": 1}, {"path": {}, "type": "log"},
    {"eventRangeID": "r", "eventStatus": "finished", "cpuConsumptionTime": "long"}, None, 5, "text", [], [GOOD],
], ids=repr)
@pytest.mark.parametrize("last", [False, True])
def test_a_bad_item_does_not_sink_its_neighbours(folder: Path, item: Any, last: bool) -> None:
    items = declared(folder, GOOD, item, {**GOOD, "type": "log"}, last=last)
    assert [file.kind for file in items.files] == ["output", "log"]
    assert len(items.bad) == 1 and items.bad[0][0] == item and items.bad[0][1]
    assert not items.waiting


@pytest.mark.parametrize("key", ["", "x", "-1", "0", "1.0", " 1", "٣", "9" * 20, "99999999999999999999999999"])
def test_a_key_that_is_no_job_sinks_only_itself(folder: Path, key: str) -> None:
    items = items_of({key: [GOOD], "2": [GOOD]}, folder, folder.parent, last=False)
    assert [file.job_id for file in items.files] == [2] and len(items.bad) == 1


@pytest.mark.parametrize("listed", [None, {}, "text", 5])
def test_a_job_without_a_list_sinks_only_itself(folder: Path, listed: Any) -> None:
    items = items_of({"1": listed, "2": [GOOD]}, folder, folder.parent, last=False)
    assert [file.job_id for file in items.files] == [2] and len(items.bad) == 1


def test_the_largest_job_number_is_that_of_a_database() -> None:
    assert job_number(str(2**63 - 1)) == 2**63 - 1
    with pytest.raises(ValueError):
        job_number(str(2**63))


def test_an_item_without_a_path_is_about_an_event_range(folder: Path) -> None:
    items = declared(folder, {"eventRangeID": "r", "eventStatus": "failed", "coreCount": 8, "cpuConsumptionTime": 10, "path": None})
    (update,) = items.updates[1]
    assert (update.event_range_id, update.event_status, update.core_count, update.cpu_s) == ("r", "failed", 8, 10.0)
    assert not items.files and not items.bad


def test_an_absolute_path_outside_is_taken_and_marked(folder: Path) -> None:
    (file,) = declared(folder, {"path": str(folder.parent.parent / "elsewhere"), "type": "output"}).files
    assert file.outside
    (inside,) = declared(folder, {"path": "../7/out", "type": "output"}).files
    assert not inside.outside and inside.path == str(folder / "out")


def test_a_folder_is_no_output(folder: Path) -> None:
    (folder / "sub").mkdir()
    assert len(declared(folder, {"path": "sub", "type": "output"}).bad) == 1


def test_a_file_that_is_not_wholly_visible_is_waited_for(folder: Path) -> None:
    item = {"path": "out", "type": "output", "fsize": 7}
    assert declared(folder, item).waiting == [str(folder / "out")]
    (bad,) = declared(folder, item, last=True).bad
    assert "6 bytes" in bad[1] and "7 are declared" in bad[1]


def test_a_name_that_is_no_unicode_cannot_come_through_a_letter(folder: Path) -> None:
    os.close(os.open(os.fsencode(folder) + b"/\xff", os.O_CREAT | os.O_WRONLY))
    assert declared(folder, {"path": "?", "type": "output"}).waiting


def test_event_outputs_are_known() -> None:
    assert OF_EVENTS < KINDS


def test_event_updates_are_judged_one_by_one() -> None:
    good = {"eventRangeID": "r", "eventStatus": "running"}
    items = updates_of({"1": [good, {"eventStatus": "running"}, 5], "x": [good], "2": {}})
    assert [update.event_range_id for update in items.updates[1]] == ["r"]
    assert len(items.bad) == 4


@pytest.mark.parametrize(("error", "passes"), [(errno.ESTALE, True), (errno.EIO, True), (errno.ELOOP, False), (errno.EACCES, False)])
def test_a_file_system_in_trouble_is_waited_for(folder: Path, monkeypatch: pytest.MonkeyPatch, error: int, passes: bool) -> None:
    look = Path.stat

    def stat(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        if path.name == "out":
            raise OSError(error, os.strerror(error), str(path))
        return look(path, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(Path, "stat", stat)
    items = declared(folder, {"path": "out", "type": "output"})
    assert (items.waiting, len(items.bad)) == (([str(folder / "out")], 0) if passes else ([], 1))
    assert len(declared(folder, {"path": "out", "type": "output"}, last=True).bad) == 1
