"""The specs behave as published plugins rely on."""
from __future__ import annotations

import copy
import pickle

import pytest

from harvester_compat.api.event_spec import EventSpec
from harvester_compat.api.file_spec import FileSpec
from harvester_compat.api.job_spec import JobSpec
from harvester_compat.api.work_spec import WorkSpec

PARAMETERS = {
    "PandaID": 17, "taskID": 5002, "attemptNr": 2, "jobsetID": "NULL", "inFiles": "a,b,a", "fsize": "10,20,10", "GUID": "g1,g2,g1",
    "checksum": "ad:1,ad:2,ad:1", "scopeIn": "s,s,s", "realDatasetsIn": "d,d,d", "ddmEndPointIn": "", "outFiles": "o1,log.tgz,o2",
    "scopeOut": "so,so", "scopeLog": "sl", "logFile": "log.tgz", "logGUID": "gl", "realDatasets": "do,dl,do", "ddmEndPointOut": ",,",
    "prodDBlocks": "x", "prodSourceLabel": "rc_test2",
}


def job() -> JobSpec:
    spec = JobSpec()
    spec.convert_job_json(PARAMETERS)
    return spec


@pytest.mark.parametrize("kind", [JobSpec, WorkSpec, FileSpec, EventSpec])
def test_what_is_not_there_raises_and_what_is_there_is_none_at_first(kind: type) -> None:
    spec = kind()
    assert not hasattr(spec, "no_such_thing")
    with pytest.raises(AttributeError):
        spec.no_such_thing = 1
    given = {name for name in kind.names() if getattr(spec, name) is not None}
    assert given <= {"jobParams", "jobAttributes", "workParams", "workAttributes", "fileAttributes", "attemptNr", "todelete"}
    assert spec.changedAttrs == {}


@pytest.mark.parametrize("kind", [JobSpec, WorkSpec, FileSpec, EventSpec])
def test_a_spec_can_be_copied_and_pickled(kind: type) -> None:
    spec = kind()
    name = kind.names()[0]
    setattr(spec, name, 12)
    for twin in (copy.copy(spec), copy.deepcopy(spec), pickle.loads(pickle.dumps(spec))):
        assert getattr(twin, name) == 12
        assert twin.changedAttrs == {name: 12}


def test_only_what_changes_counts_as_changed() -> None:
    spec = WorkSpec()
    spec.nCore = 4
    spec.reset_changed_list()
    spec.nCore = 4
    assert not spec.has_updated_attributes()
    spec.nCore = 5
    assert spec.get_changed_attributes() == {"nCore": 5}


def test_inputs_and_outputs_are_read_from_parallel_lists() -> None:
    inputs = job().get_input_file_attributes()
    assert list(inputs) == ["a", "b"]
    assert inputs["b"] == {"fsize": 20, "guid": "g2", "checksum": "ad:2", "scope": "s", "dataset": "d", "endpoint": None}
    outputs = job().get_output_file_attributes()
    assert {lfn: one["scope"] for lfn, one in outputs.items()} == {"o1": "so", "log.tgz": "sl", "o2": "so"}
    assert job().get_logfile_info() == {"lfn": "log.tgz", "guid": "gl"}
    assert job().jobsetID is None


def test_paths_of_inputs_come_back() -> None:
    spec = job()
    spec.set_input_file_paths({"a": {"path": "/x/a"}, "b": {"path": "/x/b"}})
    assert spec.jobParams["inFilePaths"] == "/x/a,/x/b"
    assert spec.get_input_file_attributes()["b"]["path"] == "/x/b"


def test_ready_inputs_can_be_passed_over() -> None:
    spec = job()
    for lfn, status in (("a", "ready"), ("b", "preparing")):
        one = FileSpec()
        one.lfn, one.status = lfn, status
        spec.add_in_file(one)
    assert list(spec.get_input_file_attributes(skip_ready=True)) == ["b"]


def test_groups_are_kept_with_files() -> None:
    spec = job()
    for lfn in ("a", "b"):
        one = FileSpec()
        one.lfn = lfn
        spec.add_in_file(one)
    spec.set_groups_to_files({"t1": {"lfns": ["a"], "groupStatus": "active"}})
    spec.update_group_status_in_files("t1", "done")
    assert spec.get_groups_of_input_files()["t1"]["groupStatus"] == "done"
    assert [one.lfn for one in spec.get_input_file_specs("t1")] == ["a"]


def test_what_a_payload_does_not_need_can_be_left_out() -> None:
    assert "prodDBlocks" not in job().get_job_params(True)
    assert "prodDBlocks" in job().get_job_params(False)
    assert job().get_pilot_type() == "RC"


def test_placeholders_of_an_access_point_are_filled_and_unknown_ones_stay() -> None:
    spec = WorkSpec()
    spec.workerID, spec.accessPoint = 12345, "/work/${_workerID_4.2}/${workerID}/${nobody}"
    assert spec.get_access_point() == "/work/23/12345/${nobody}"
    assert spec.accessPoint == "/work/23/12345/${nobody}"


def test_a_worker_tells_the_status_of_its_jobs() -> None:
    spec = WorkSpec()
    for own, jobs in (("submitted", ("starting", "submitted")), ("idle", ("running", "idle")), ("failed", ("failed", "to_transfer"))):
        spec.set_status(own)
        assert spec.convert_to_job_status() == jobs
    assert spec.is_final_status()
    assert spec.new_status


def test_parameters_of_a_worker_may_be_a_script() -> None:
    spec = WorkSpec()
    spec.workParams = "#!/bin/sh\necho\n"
    assert spec.get_work_params("x") == (False, None)
    assert spec.workParams.startswith("#!")


def test_a_range_is_finished_only_when_its_output_is_safe() -> None:
    spec = EventSpec()
    spec.from_data({"eventRangeID": "1-2-3", "eventStatus": "finished", "coreCount": 8})
    assert spec.to_data() == {"eventRangeID": "1-2-3", "eventStatus": "running", "coreCount": 8}
    spec.subStatus = "finished"
    assert spec.to_data()["eventStatus"] == "finished"
