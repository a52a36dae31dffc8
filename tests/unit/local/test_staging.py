"""Stage-in and stage-out over plain directories, beyond their contracts."""
from __future__ import annotations

import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from harvester_hpc.model.facility import Facility
from harvester_hpc.model.file import FILE_LIFECYCLE, File, FileId, FileKind, FileState
from harvester_hpc.model.job import Job, JobId, JobState
from harvester_hpc.ports.context import Context
from harvester_hpc.ports.outcome import Done, Failed, Retry
from harvester_local.preparator import LocalPreparator
from harvester_local.stager import LocalStager


@pytest.fixture
def context(tmp_path: Path) -> Context:
    facility = Facility(name="here", scheduler="local", work_dir=str(tmp_path / "work"))
    return Context(instance="test", tag="abcde", state_dir=tmp_path / "state", facility=facility)


def job_with(*files: File, sources: str = "") -> Job:
    names = ",".join(file.lfn for file in files if file.kind is FileKind.INPUT)
    return Job(id=JobId(7), queue="LOCAL", state=JobState.FETCHED, files=files, params={"inFiles": names, "inFileSources": sources})


def an_input(number: int = 1, lfn: str = "in", size: int | None = None, checksum: str = "") -> File:
    return File(id=FileId(number), job_id=7, kind=FileKind.INPUT, lfn=lfn, state=FileState.TO_PREPARE, size=size, checksum=checksum)


def an_output(number: int = 1, lfn: str = "out", path: str = "", size: int | None = None) -> File:
    return File(id=FileId(number), job_id=7, kind=FileKind.OUTPUT, lfn=lfn, state=FileState.DEFINED, path=path, size=size)


def test_inputs_go_where_compute_nodes_see_them(tmp_path: Path, context: Context) -> None:
    (tmp_path / "in").write_text("x")
    done = LocalPreparator(LocalPreparator.Settings(), context).trigger_preparation(job_with(an_input(), sources=f"file://{tmp_path}/in"))
    assert isinstance(done, Done)
    assert done.files[0].path == str(tmp_path / "work" / "inputs" / "7" / "in")
    assert (done.files[0].size, done.files[0].checksum) == (1, f"ad:{zlib.adler32(b'x'):08x}")


@pytest.mark.parametrize("source", ["NULL", "", "/there/in", "file:///there/in", "file://localhost/there/in"])
def test_a_source_is_an_address_a_path_or_a_name_in_the_source_folder(tmp_path: Path, context: Context, source: str) -> None:
    (tmp_path / "in").write_text("x")
    job = job_with(an_input(), sources=source.replace("/there", str(tmp_path)))
    assert isinstance(LocalPreparator(LocalPreparator.Settings(source=str(tmp_path)), context).trigger_preparation(job), Done)


def test_odd_paths_survive_the_comma_list(tmp_path: Path, context: Context) -> None:
    folder = tmp_path / "a,b 100%é"
    folder.mkdir()
    (folder / "in").write_text("x")
    job = job_with(an_input(1, "p"), an_input(2, "in"), sources=f"NULL,{(folder / 'in').as_uri().replace(',', '%2C')}")
    (tmp_path / "p").write_text("y")
    assert isinstance(LocalPreparator(LocalPreparator.Settings(source=str(tmp_path)), context).trigger_preparation(job), Done)


@pytest.mark.parametrize("source", ["", "NULL", "relative/in", "https://elsewhere/in", "file://otherhost/in"])
def test_an_input_that_nobody_can_find_fails_the_job(context: Context, source: str) -> None:
    result = LocalPreparator(LocalPreparator.Settings(), context).trigger_preparation(job_with(an_input(), sources=source))
    assert isinstance(result, Failed)
    assert [news.state for news in result.files] == [FileState.FAILED]


def test_an_input_that_is_not_there_yet_is_tried_again_and_the_others_are_kept(tmp_path: Path, context: Context) -> None:
    (tmp_path / "a").write_text("x")
    job = job_with(an_input(1, "a"), an_input(2, "b"))
    preparator = LocalPreparator(LocalPreparator.Settings(source=str(tmp_path)), context)
    result = preparator.trigger_preparation(job)
    assert isinstance(result, Retry)
    assert [(news.file_id, news.state) for news in result.files] == [(1, FileState.READY)]
    assert isinstance(preparator.check_status(job), Retry)
    (tmp_path / "b").write_text("y")
    ready = replace(job, files=(replace(job.files[0], state=FileState.READY), job.files[1]))
    assert isinstance(preparator.trigger_preparation(ready), Done)
    assert isinstance(preparator.check_status(ready), Done)


def test_an_input_that_is_another_file_than_promised_fails_with_both_values(tmp_path: Path, context: Context) -> None:
    (tmp_path / "in").write_text("xyz")
    preparator = LocalPreparator(LocalPreparator.Settings(source=str(tmp_path)), context)
    result = preparator.trigger_preparation(job_with(an_input(size=99)))
    assert isinstance(result, Failed)
    assert "3" in result.why
    assert "99" in result.why


@pytest.mark.parametrize("lfn", ["../x", "a/b", "..", ".", "", "a\0b"])
def test_a_name_that_leads_out_of_its_folder_fails(tmp_path: Path, context: Context, lfn: str) -> None:
    preparator = LocalPreparator(LocalPreparator.Settings(source=str(tmp_path)), context)
    assert isinstance(preparator.trigger_preparation(job_with(an_input(lfn=lfn))), Failed)
    assert isinstance(preparator.check_status(job_with(an_input(lfn=lfn))), Retry)
    (tmp_path / "out").write_text("x")
    stager = LocalStager(LocalStager.Settings(), context)
    assert isinstance(stager.trigger_stage_out(job_with(an_output(lfn=lfn, path=str(tmp_path / "out")))), Failed)


def test_outputs_go_to_a_folder_of_their_job(tmp_path: Path, context: Context) -> None:
    (tmp_path / "out").write_text("x")
    job = job_with(an_output(path=str(tmp_path / "out")))
    done = LocalStager(LocalStager.Settings(), context).trigger_stage_out(job)
    assert isinstance(done, Done)
    assert done.files[0].url == (tmp_path / "state" / "outputs" / "7" / "out").as_uri()
    there = LocalStager(LocalStager.Settings(destination=str(tmp_path / "there")), context)
    there.trigger_stage_out(job)
    assert (tmp_path / "there" / "7" / "out").read_text() == "x"


def test_an_output_that_is_not_whole_yet_is_tried_again(tmp_path: Path, context: Context) -> None:
    stager = LocalStager(LocalStager.Settings(), context)
    job = job_with(an_output(path=str(tmp_path / "out"), size=3))
    assert isinstance(stager.trigger_stage_out(job), Retry)
    (tmp_path / "out").write_text("x")
    assert isinstance(stager.trigger_stage_out(job), Retry)
    (tmp_path / "out").write_text("xyz")
    assert isinstance(stager.check_status(job), Retry)
    assert isinstance(stager.trigger_stage_out(job), Done)
    assert isinstance(stager.check_status(job), Done)


def test_an_output_that_nobody_declared_fails(context: Context) -> None:
    assert isinstance(LocalStager(LocalStager.Settings(), context).trigger_stage_out(job_with(an_output())), Failed)


def test_results_of_an_earlier_system_are_not_overwritten(tmp_path: Path, context: Context) -> None:
    (tmp_path / "out").write_text("new")
    earlier = tmp_path / "state" / "outputs" / "7" / "out"
    earlier.parent.mkdir(parents=True)
    earlier.write_text("earlier")
    job = job_with(an_output(path=str(tmp_path / "out")))
    result = LocalStager(LocalStager.Settings(), context).trigger_stage_out(job)
    assert isinstance(result, Failed)
    assert str(earlier) in result.why
    assert earlier.read_text() == "earlier"
    assert isinstance(LocalStager(LocalStager.Settings(replace=True), context).trigger_stage_out(job), Done)


def test_no_news_is_a_move_that_a_file_cannot_make(tmp_path: Path, context: Context) -> None:
    (tmp_path / "in").write_text("x")
    for name in ("in", "absent"):
        job = job_with(an_input(lfn=name), an_output(2, path=str(tmp_path / name)))
        preparator = LocalPreparator(LocalPreparator.Settings(source=str(tmp_path)), context)
        stager = LocalStager(LocalStager.Settings(), context)
        before = {file.id: file.state for file in job.files}
        for result in (preparator.trigger_preparation(job), stager.trigger_stage_out(job)):
            assert all(FILE_LIFECYCLE.allows(before[news.file_id], news.state) for news in result.files)


def test_a_relative_folder_is_a_problem() -> None:
    assert LocalPreparator.Settings().problems() == LocalStager.Settings().problems() == ()
    assert len(LocalPreparator.Settings(folder="a", source="b").problems()) == 2
    assert len(LocalStager.Settings(destination="a").problems()) == 1
