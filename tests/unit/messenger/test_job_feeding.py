"""How jobs reach a worker: descriptions, catalogue, links, and last the list that names them."""
from __future__ import annotations

import json
import os
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import pytest

from harvester_hpc.messenger.feeding import STRIPPED, catalog, link_input
from harvester_hpc.messenger.shared_file import SharedFileMessenger
from harvester_hpc.messenger.values import AccessPoint

JOB = {"PandaID": 1, "inFiles": "a.root,b.root", "GUID": "G-A,G-B", "scopeIn": "s,s", "outFiles": "o"}


def test_a_worker_with_one_job_finds_it_in_its_folder(messenger: SharedFileMessenger, point: AccessPoint, tmp_path: Path) -> None:
    (tmp_path / "staged").write_text("events")
    messenger.feed_jobs(point, {1: JOB}, {1: {"b.root": str(tmp_path / "staged"), "a.root": "/elsewhere/a.root"}})
    described = json.loads((point.path / "HPCJobs.json").read_text())
    assert described == {"1": {**JOB, "inFilePaths": f"/elsewhere/a.root,{tmp_path / 'staged'}"}}
    assert json.loads((point.path / "worker_pandaids.json").read_text()) == [1]
    assert (point.path / "b.root").read_text() == "events"
    files = ElementTree.parse(point.path / "PoolFileCatalog_H.xml").getroot().findall("File")
    assert {file.attrib["ID"]: file.find("physical/pfn").attrib["name"] for file in files} == {"G-A": "a.root", "G-B": "b.root"}  # type: ignore[union-attr]


def test_many_jobs_have_a_folder_each_and_one_list(messenger: SharedFileMessenger, many: AccessPoint) -> None:
    assert json.loads((many.path / "worker_pandaids.json").read_text()) == [1, 2]
    for job_id in (1, 2):
        assert list(json.loads((many.path / str(job_id) / "HPCJobs.json").read_text())) == [str(job_id)]
    assert not (many.path / "HPCJobs.json").exists()


def test_jobs_that_share_a_folder_share_a_description(messenger: SharedFileMessenger, point: AccessPoint) -> None:
    messenger.feed_jobs(replace(point, job_ids=(1, 2)), {1: {"PandaID": 1}, 2: {"PandaID": 2}}, {})
    assert list(json.loads((point.path / "HPCJobs.json").read_text())) == ["1", "2"]


def test_feeding_again_changes_nothing(messenger: SharedFileMessenger, point: AccessPoint) -> None:
    def state() -> dict[str, str]:
        return {path.name: path.readlink().as_posix() if path.is_symlink() else path.read_text() for path in point.path.iterdir()}

    messenger.feed_jobs(point, {1: JOB}, {1: {"a.root": "/a"}})
    before = state()
    messenger.feed_jobs(point, {1: JOB}, {1: {"a.root": "/a"}})
    assert state() == before


def test_what_a_payload_does_not_need_is_left_out_on_demand(point: AccessPoint) -> None:
    messenger = SharedFileMessenger(SharedFileMessenger.Settings(strip_job_params=True))
    messenger.feed_jobs(point, {1: {**JOB, **dict.fromkeys(STRIPPED, "x")}}, {})
    assert set(json.loads((point.path / "HPCJobs.json").read_text())["1"]) == {"PandaID", "inFiles", "GUID", "outFiles", "inFilePaths"}


def test_the_list_of_jobs_comes_last(messenger: SharedFileMessenger, point: AccessPoint) -> None:
    (point.path / "a.root").write_text("in the way")
    with pytest.raises(FileExistsError, match=r"a\.root is in the way"):
        messenger.feed_jobs(point, {1: JOB}, {1: {"a.root": "/a"}})
    assert not (point.path / "worker_pandaids.json").exists()


@pytest.mark.parametrize("lfn", ["a&b<c>.root", "quote\"and'.root", "ünïcode.root", "tab\tnewline\n.root", "bell\x07.root"])
def test_a_catalogue_is_xml_whatever_the_names(lfn: str) -> None:
    (pfn,) = ElementTree.fromstring(catalog({"x": "y", lfn: "<&\"'>"}).encode()).findall("File[2]/physical/pfn")
    assert pfn.attrib["name"] == lfn.replace("\x07", "?")


def test_an_input_without_a_guid_is_not_catalogued(messenger: SharedFileMessenger, point: AccessPoint) -> None:
    messenger.feed_jobs(point, {1: {**JOB, "GUID": "NULL,"}}, {})
    assert not (point.path / "PoolFileCatalog_H.xml").exists()


@pytest.mark.parametrize("before", ["right", "wrong", "dangling", "to a folder", "to itself"])
def test_a_stale_link_is_replaced_and_never_followed(tmp_path: Path, before: str) -> None:
    (tmp_path / "input").write_text("right")
    (tmp_path / "precious").write_text("kept")
    (tmp_path / "folder").mkdir()
    targets = {"right": "input", "wrong": "precious", "dangling": "nowhere", "to a folder": "folder", "to itself": "lfn"}
    (tmp_path / "lfn").symlink_to(tmp_path / targets[before])
    link_input(tmp_path, "lfn", str(tmp_path / "input"))
    assert (tmp_path / "lfn").read_text() == "right"
    assert (tmp_path / "precious").read_text() == "kept" and list((tmp_path / "folder").iterdir()) == []
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("lfn", ["", ".", "..", "../out", "/etc/x", "sub/x", ".harvester_hpc", "a\0b"])
def test_a_name_that_leads_elsewhere_is_not_linked(tmp_path: Path, lfn: str) -> None:
    (tmp_path / "here").mkdir()
    link_input(tmp_path / "here", lfn, "/dev/null")
    assert list((tmp_path / "here").iterdir()) == [] and [path.name for path in tmp_path.iterdir()] == ["here"]


def test_an_input_that_was_staged_into_the_folder_stays(tmp_path: Path) -> None:
    (tmp_path / "lfn").write_text("input")
    link_input(tmp_path, "lfn", str(tmp_path / "lfn"))
    assert not (tmp_path / "lfn").is_symlink()


def test_feeding_a_worker_waits_only_a_few_times_for_a_disk(
    messenger: SharedFileMessenger, point: AccessPoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    sync = os.fsync

    def counted(descriptor: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", counted)
    messenger.feed_jobs(point, {1: {"inFiles": "in", "GUID": "g"}}, {1: {"in": "/x/in"}})
    assert len(synced) == 4
    assert synced[-1] == str(point.path)
