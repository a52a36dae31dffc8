"""What a job file may say."""
from __future__ import annotations

import shlex
from typing import Any
from uuid import UUID

import pytest

from harvester_hpc.errors import ConfigurationError
from harvester_hpc.model.file import FileKind
from harvester_hpc.policy.dictionary import job_from
from harvester_local.description import READERS, EventRanges, InputFile, JobDescription, description_of
from harvester_local.dictionary import job_dictionary

IDENTITY = UUID(int=1)
FULL = {
    "name": "pythia", "queue": "LOCAL", "executable": "run.sh", "arguments": ["-n", 5, "a b", "{PandaID}"],
    "environment": {"SEED": "{PandaID}", "N": 3},
    "inputs": ["/in/a,b/x.root", {"path": "/in/y", "lfn": "Y", "checksum": "0A1B2C3D", "size": 5, "guid": "g"}, {"lfn": "z"}],
    "outputs": ["out.{PandaID}.root", "fixed"], "log": "log.{PandaID}.tgz", "priority": 7, "cores": 4, "memory_mb": 100, "walltime": 60,
    "attempts": 3, "label": "user",
}


def problems_of(raw: Any) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as caught:
        description_of(raw)
    return caught.value.problems


def dictionary_of(raw: Any, job_id: int = 17) -> dict[str, Any]:
    return job_dictionary(description_of(raw), job_id, 2, 11, IDENTITY)


def test_a_program_is_enough() -> None:
    assert description_of({"executable": "/bin/true"}) == JobDescription(executable="/bin/true")


def test_the_names_of_panda_mean_the_same() -> None:
    assert description_of({"transformation": "a", "jobPars": "-n 1"}) == description_of({"executable": "a", "arguments": "-n 1"})


def test_a_description_survives_its_text() -> None:
    job = description_of(FULL)
    assert JobDescription.from_json(job.as_json()) == job
    assert job.inputs[1] == InputFile(lfn="Y", path="/in/y", checksum="ad:0a1b2c3d", size=5, guid="g")


def test_arguments_in_a_list_come_out_as_they_went_in() -> None:
    assert shlex.split(dictionary_of(FULL)["jobPars"]) == ["-n", "5", "a b", "17"]


def test_arguments_that_no_worker_could_split_are_refused_at_once() -> None:
    assert "No closing quotation" in problems_of({"executable": "a", "arguments": "-n 'x"})[0]


def test_the_number_of_the_job_is_put_in_everywhere() -> None:
    dictionary = dictionary_of(FULL)
    assert dictionary["outFiles"] == "out.17.root,fixed,log.17.tgz"
    assert dictionary["logFile"] == "log.17.tgz"
    assert dictionary["environment"] == {"SEED": "17", "N": "3"}


def test_parallel_lists_are_parallel() -> None:
    dictionary = dictionary_of(FULL)
    lists = ("inFiles", "GUID", "fsize", "checksum", "scopeIn", "realDatasetsIn", "ddmEndPointIn", "prodDBlocks", "inFileSources")
    assert {len(dictionary[key].split(",")) for key in lists} == {3}
    assert {len(dictionary[key].split(",")) for key in ("outFiles", "realDatasets", "ddmEndPointOut", "destinationDblock")} == {3}
    assert dictionary["scopeOut"] == "local,local"


def test_the_dictionary_is_the_same_whenever_it_is_asked_for() -> None:
    assert dictionary_of(FULL) == dictionary_of(FULL)
    assert dictionary_of(FULL)["logGUID"] != dictionary_of(FULL, 18)["logGUID"]


def test_the_core_reads_what_was_described() -> None:
    job = job_from(dictionary_of(FULL), "LOCAL")
    assert (job.id, job.attempt, job.task_id, job.priority, job.cores, job.ram_mb, job.walltime_s) == (17, 2, 11, 7, 4, 100, 60)
    assert job.resource_type == "MCORE"
    kinds = [(file.kind, file.lfn, file.size, file.checksum) for file in job.files]
    assert kinds == [
        (FileKind.INPUT, "x.root", None, ""), (FileKind.INPUT, "Y", 5, "ad:0a1b2c3d"), (FileKind.INPUT, "z", None, ""),
        (FileKind.OUTPUT, "out.17.root", None, ""), (FileKind.OUTPUT, "fixed", None, ""), (FileKind.LOG, "log.17.tgz", None, ""),
    ]


def test_a_job_without_files_has_none() -> None:
    assert job_from(dictionary_of({"executable": "a", "log": False}), "LOCAL").files == ()


def test_all_problems_are_told_together() -> None:
    raw = {"arguement": "x", "cores": 0, "memory_mb": True, "outputs": "out", "environment": {"A=B": "1"}}
    found = problems_of(raw)
    assert [problem.partition(":")[0] for problem in found] == ["arguement", "cores", "memory_mb", "outputs", "environment", "executable"]
    assert "did you mean 'arguments'?" in found[0]


@pytest.mark.parametrize("key", ["eventService", "eventRanges"])
def test_other_words_for_events_are_put_right(key: str) -> None:
    assert problems_of({"executable": "a", key: True}) == (f"{key}: unknown key; did you mean 'events'?",)


@pytest.mark.parametrize(("given", "meant"), [
    (5, EventRanges(ranges=5)), ({"ranges": 5}, EventRanges(ranges=5)),
    ({"ranges": 5, "perRange": 10, "attempts": 1}, EventRanges(ranges=5, per_range=10, attempts=1)),
    ({"ranges": 5, "secondsPerRange": 60}, EventRanges(ranges=5, seconds=60)),
])
def test_events_are_a_number_of_ranges_or_an_object(given: Any, meant: EventRanges) -> None:
    described = description_of({"executable": "a", "events": given})
    assert described.events == meant
    assert JobDescription.from_json(described.as_json()) == described


@pytest.mark.parametrize("given", [0, -1, True, "5", {}, {"ranges": 0}, {"ranges": 1, "odd": 1}, {"ranges": 1, "perRange": 0}, [1], 1.5])
def test_events_that_are_no_number_are_refused(given: Any) -> None:
    (problem,) = problems_of({"executable": "a", "events": given})
    assert problem.startswith("events: ")


@pytest.mark.parametrize("key", sorted(set(READERS)))
@pytest.mark.parametrize("value", [None, ..., {"a": [1]}, [["a"]], -1.5, "\0", "\ud800"], ids=repr)
def test_a_value_of_the_wrong_kind_is_a_problem_of_its_key(key: str, value: object) -> None:
    found = problems_of({"executable": "a", key: value} if key not in ("executable", "transformation") else {key: value})
    assert found[0].startswith(f"{key}: ")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a,b", " a", "a\n", "NULL", "x" * 201, 3])
def test_a_name_that_is_no_file_name_is_refused(name: object) -> None:
    assert problems_of({"executable": "a", "outputs": [name]})
    assert problems_of({"executable": "a", "inputs": [{"lfn": name, "path": "/x"}]})
    assert problems_of({"executable": "a", "log": name})


@pytest.mark.parametrize(
    "one", ["x", "dir/x", "/dir/", "/", {}, {"size": 3}, {"path": "/x", "checksum": "xyz"}, {"path": "/x", "siez": 1}, 5]
)
def test_an_input_that_leads_nowhere_is_refused(one: object) -> None:
    assert problems_of({"executable": "a", "inputs": [one]})[0].startswith("inputs: ")


@pytest.mark.parametrize(
    "raw",
    [
        {"executable": "a", "outputs": ["x", "x"]}, {"executable": "a", "outputs": ["x"], "log": "x"},
        {"executable": "a", "inputs": ["/a/x", "/b/x"]}, {"executable": "a", "transformation": "a"},
        {"executable": "a", "arguments": "", "jobPars": ""},
    ],
)
def test_what_stands_there_twice_is_refused(raw: Any) -> None:
    assert "twice" in problems_of(raw)[0]


@pytest.mark.parametrize("raw", [None, [], "executable", 3])
def test_a_job_is_an_object(raw: object) -> None:
    assert "must be a JSON object" in problems_of(raw)[0]
