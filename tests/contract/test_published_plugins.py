"""The contracts of preparators, stagers and worker makers, over plugins that were written to the published interface."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.model.facility import Facility, NodeShape
from harvester_hpc.model.file import File, FileId, FileKind, FileState
from harvester_hpc.model.job import Job, JobId, JobState
from harvester_hpc.model.queue import Queue
from harvester_hpc.ports.context import Context
from harvester_hpc.ports.staging import Preparator, Stager
from harvester_hpc.ports.worker_maker import WorkerMaker
from harvester_hpc.registry import Registry
from harvester_hpc.testing.contracts.staging import PreparatorContract, StagerContract
from harvester_hpc.testing.contracts.worker_maker import WorkerMakerContract

PUBLISHED = "tests.unit.compat.published"


def loaded(kind: str, folder: Path, module: str, name: str, **keys: Any) -> Any:
    facility = Facility(name="here", scheduler="local", node=NodeShape(cores=8, memory_mb=16000))
    context = Context(instance="test", tag="abcde", state_dir=folder / "state", facility=facility, queue=Queue(name="Q"))
    return Registry().load(kind, {"module": f"{PUBLISHED}.{module}", "name": name, **keys}, context, where=kind)


def file(number: int, kind: FileKind, lfn: str, state: FileState, path: str = "") -> File:
    return File(id=FileId(number), job_id=7, kind=kind, lfn=lfn, state=state, path=path)


class TestAPublishedPreparator(PreparatorContract):
    @pytest.fixture
    def job(self, tmp_path: Path) -> Job:
        for name in ("a.in", "b.in"):
            (tmp_path / name).write_text(name)
        files = (
            file(1, FileKind.INPUT, "a.in", FileState.TO_PREPARE), file(2, FileKind.INPUT, "b.in", FileState.TO_PREPARE),
            file(3, FileKind.OUTPUT, "out", FileState.EXPECTED),
        )
        return Job(id=JobId(7), queue="Q", state=JobState.FETCHED, params={"inFiles": "a.in,b.in", "PandaID": 7}, files=files)

    @pytest.fixture
    def preparator(self, tmp_path: Path) -> Preparator:
        folders = {"source": str(tmp_path), "basePath": str(tmp_path / "inputs")}
        made: Preparator = loaded("preparator", tmp_path, "contract_plugins", "CopyPreparator", **folders)
        return made


class TestAPublishedStager(StagerContract):
    @pytest.fixture
    def job(self, tmp_path: Path) -> Job:
        for name in ("out", "log"):
            (tmp_path / name).write_text(name)
        files = (
            file(1, FileKind.INPUT, "a.in", FileState.READY), file(2, FileKind.OUTPUT, "out", FileState.DEFINED, str(tmp_path / "out")),
            file(3, FileKind.LOG, "log", FileState.DEFINED, str(tmp_path / "log")),
        )
        return Job(id=JobId(7), queue="Q", state=JobState.TO_TRANSFER, files=files)

    @pytest.fixture
    def stager(self, tmp_path: Path) -> Stager:
        (tmp_path / "outputs").mkdir()
        made: Stager = loaded("stager", tmp_path, "contract_plugins", "CopyStager", dstBasePath=str(tmp_path / "outputs"))
        return made


class TestAPublishedWorkerMaker(WorkerMakerContract):
    @pytest.fixture
    def worker_maker(self, tmp_path: Path) -> WorkerMaker:
        made: WorkerMaker = loaded("workerMaker", tmp_path, "site_plugins", "SiteWorkerMaker")
        return made

    @pytest.fixture
    def queue(self) -> Queue:
        return Queue(name="Q")

    @pytest.fixture
    def jobs(self) -> Sequence[Job]:
        return [Job(id=JobId(1), queue="Q", state=JobState.PREPARED, cores=8, ram_mb=16000, walltime_s=600)]
