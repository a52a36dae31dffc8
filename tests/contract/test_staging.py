"""The contracts of staging, over plain directories and the fakes."""
from __future__ import annotations

from pathlib import Path

import pytest

from harvester_hpc.model.facility import Facility
from harvester_hpc.model.file import File, FileId, FileKind, FileState
from harvester_hpc.model.job import Job, JobId, JobState
from harvester_hpc.ports.context import Context
from harvester_hpc.ports.staging import Preparator, Stager
from harvester_hpc.testing.contracts.staging import PreparatorContract, StagerContract
from harvester_hpc.testing.fakes import InstantPreparator, InstantStager
from harvester_local.preparator import LocalPreparator
from harvester_local.stager import LocalStager


def _context(folder: Path) -> Context:
    return Context(instance="test", tag="abcde", state_dir=folder / "state", facility=Facility(name="here", scheduler="local"))


def _file(number: int, kind: FileKind, lfn: str, state: FileState, path: str = "") -> File:
    return File(id=FileId(number), job_id=7, kind=kind, lfn=lfn, state=state, path=path)


@pytest.fixture
def job_to_prepare(tmp_path: Path) -> Job:
    sources = [tmp_path / "a.in", tmp_path / "b.in"]
    for source in sources:
        source.write_text(source.name)
    files = (
        _file(1, FileKind.INPUT, "a.in", FileState.TO_PREPARE), _file(2, FileKind.INPUT, "b.in", FileState.TO_PREPARE),
        _file(3, FileKind.OUTPUT, "out", FileState.EXPECTED),
    )
    params = {"inFiles": "a.in,b.in", "inFileSources": ",".join(source.as_uri() for source in sources)}
    return Job(id=JobId(7), queue="LOCAL", state=JobState.FETCHED, params=params, files=files)


@pytest.fixture
def job_to_stage_out(tmp_path: Path) -> Job:
    for name in ("out", "log"):
        (tmp_path / name).write_text(name)
    files = (
        _file(1, FileKind.INPUT, "a.in", FileState.READY), _file(2, FileKind.OUTPUT, "out", FileState.DEFINED, str(tmp_path / "out")),
        _file(3, FileKind.LOG, "log", FileState.DEFINED, str(tmp_path / "log")),
    )
    return Job(id=JobId(7), queue="LOCAL", state=JobState.TO_TRANSFER, files=files)


class _Preparing(PreparatorContract):
    @pytest.fixture
    def job(self, job_to_prepare: Job) -> Job:
        return job_to_prepare


class TestLocalPreparator(_Preparing):
    @pytest.fixture(params=[False, True], ids=["copy", "link"])
    def preparator(self, tmp_path: Path, request: pytest.FixtureRequest) -> Preparator:
        return LocalPreparator(LocalPreparator.Settings(link=request.param), _context(tmp_path))


class TestInstantPreparator(_Preparing):
    @pytest.fixture
    def preparator(self, tmp_path: Path) -> Preparator:
        return InstantPreparator(InstantPreparator.Settings(), _context(tmp_path))


class _StagingOut(StagerContract):
    @pytest.fixture
    def job(self, job_to_stage_out: Job) -> Job:
        return job_to_stage_out


class TestLocalStager(_StagingOut):
    @pytest.fixture(params=[False, True], ids=["copy", "link"])
    def stager(self, tmp_path: Path, request: pytest.FixtureRequest) -> Stager:
        return LocalStager(LocalStager.Settings(link=request.param), _context(tmp_path))


class TestInstantStager(_StagingOut):
    @pytest.fixture
    def stager(self, tmp_path: Path) -> Stager:
        return InstantStager(InstantStager.Settings(), _context(tmp_path))
