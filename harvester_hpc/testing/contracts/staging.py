"""The rules that every preparator and every stager keeps.

Derive a test class, and give it the plugin and a job whose files exist as far as the plugin needs them.
"""
from __future__ import annotations

from dataclasses import replace

import pytest

from harvester_hpc.model.file import FileKind, FileState
from harvester_hpc.model.job import Job
from harvester_hpc.ports.outcome import Done, Pending
from harvester_hpc.ports.staging import Preparator, Stager

#: Looks at a transfer that goes on by itself before it must be done.
LOOKS = 1000


def prepared(preparator: Preparator, job: Job) -> Done:
    """Trigger, then look until the stage-in is done."""
    result = preparator.trigger_preparation(job)
    for _ in range(LOOKS):
        if not isinstance(result, Pending):
            break
        result = preparator.check_status(job)
    assert isinstance(result, Done), result
    return result


def staged_out(stager: Stager, job: Job) -> Done:
    """Trigger, then look until the stage-out is done."""
    result = stager.trigger_stage_out(job)
    for _ in range(LOOKS):
        if not isinstance(result, Pending):
            break
        result = stager.check_status(job)
    assert isinstance(result, Done), result
    return result


class PreparatorContract:
    """Run over every preparator."""

    @pytest.fixture
    def preparator(self) -> Preparator:
        """Give the plugin."""
        raise NotImplementedError

    @pytest.fixture
    def job(self) -> Job:
        """Give a job with two inputs or more (file ids > 0, state to_prepare) that can be staged in, and an expected output."""
        raise NotImplementedError

    def test_released_inputs_can_be_staged_in_again(self, preparator: Preparator, job: Job) -> None:
        prepared(preparator, job)
        assert isinstance(preparator.release(job), Done)
        assert isinstance(preparator.release(job), Done)
        prepared(preparator, job)

    def test_every_input_gets_ready_and_nothing_else(self, preparator: Preparator, job: Job) -> None:
        inputs = {file.id for file in job.files if file.kind is FileKind.INPUT}
        assert len(inputs) >= 2
        news = prepared(preparator, job).files
        assert {one.file_id for one in news} == inputs
        assert {one.state for one in news} == {FileState.READY}

    def test_preparing_again_is_harmless(self, preparator: Preparator, job: Job) -> None:
        assert prepared(preparator, job).files == prepared(preparator, job).files

    def test_a_job_without_inputs_is_prepared(self, preparator: Preparator, job: Job) -> None:
        assert prepared(preparator, replace(job, files=())).files == ()

    def test_every_input_has_a_path_of_its_own(self, preparator: Preparator, job: Job) -> None:
        prepared(preparator, job)
        result = preparator.resolve_input_paths(job)
        assert isinstance(result, Done)
        paths = [one.path for one in result.files]
        assert len(set(paths)) == len([file for file in job.files if file.kind is FileKind.INPUT])
        assert all(path.startswith("/") for path in paths)

    def test_what_was_prepared_is_seen_to_be_done(self, preparator: Preparator, job: Job) -> None:
        prepared(preparator, job)
        assert isinstance(preparator.check_status(job), Done)


class StagerContract:
    """Run over every stager."""

    @pytest.fixture
    def stager(self) -> Stager:
        """Give the plugin."""
        raise NotImplementedError

    @pytest.fixture
    def job(self) -> Job:
        """Give a job with outputs and log in state defined (file ids > 0) that can be staged out, and a ready input."""
        raise NotImplementedError

    def test_every_output_is_put_somewhere_and_nothing_else(self, stager: Stager, job: Job) -> None:
        meant = {file.id for file in job.files if file.state is FileState.DEFINED}
        assert len(meant) >= 2
        news = staged_out(stager, job).files
        assert {one.file_id for one in news} == meant
        assert {one.state for one in news} == {FileState.FINISHED}
        assert all("://" in one.url for one in news)

    def test_size_and_checksum_are_told(self, stager: Stager, job: Job) -> None:
        for one in staged_out(stager, job).files:
            assert one.size is not None
            assert one.checksum.startswith(("ad:", "md:"))

    def test_staging_out_again_is_harmless(self, stager: Stager, job: Job) -> None:
        assert staged_out(stager, job).files == staged_out(stager, job).files

    def test_a_job_without_files_is_staged_out(self, stager: Stager, job: Job) -> None:
        assert staged_out(stager, replace(job, files=())).files == ()

    def test_what_has_arrived_is_left_alone(self, stager: Stager, job: Job) -> None:
        arrived = tuple(replace(file, state=FileState.FINISHED) for file in job.files if file.kind is not FileKind.INPUT)
        assert staged_out(stager, replace(job, files=arrived)).files == ()

    def test_nothing_to_pack_is_done(self, stager: Stager, job: Job) -> None:
        assert stager.zip_output(replace(job, files=())) == Done()
