"""A job, as such plugins see it."""
from __future__ import annotations

import copy
import datetime
from collections.abc import Iterable, Mapping
from typing import Any

from harvester_compat.api.file_spec import FileSpec
from harvester_compat.api.spec_base import SpecBase

FINAL = ("finished", "failed", "cancelled", "missed")
#: What a stage-out has nothing to do with any more.
TRANSFERRED = ("finished", "failed")
#: Keys of the job dictionary with one value for each input, and their names in the file attributes.
OF_INPUTS: Mapping[str, str] = {
    "fsize": "fsize", "GUID": "guid", "checksum": "checksum", "scopeIn": "scope", "realDatasetsIn": "dataset", "ddmEndPointIn": "endpoint",
}
OF_OUTPUTS: Mapping[str, str] = {"scopeOut": "scope", "realDatasets": "dataset", "ddmEndPointOut": "endpoint"}
#: Parameters that a payload does not need.
STRIPPED = ("prodDBlocks", "realDatasetsIn", "dispatchDblock", "ddmEndPointIn", "scopeIn", "dispatchDBlockToken", "prodDBlockToken")
PILOT_TYPES: Mapping[str, str] = {"rc_test": "RC", "rc_test2": "RC", "rc_alrb": "ALRB", "ptest": "PT"}


class JobSpec(SpecBase):
    """One job; ``jobParams`` is the job dictionary of PanDA."""

    attributesWithTypes = (
        "PandaID:integer", "taskID:integer", "attemptNr:integer", "status:text", "subStatus:text", "currentPriority:integer",
        "computingSite:text", "creationTime:timestamp", "modificationTime:timestamp", "stateChangeTime:timestamp", "startTime:timestamp",
        "endTime:timestamp", "nCore:integer", "jobParams:blob", "jobAttributes:blob", "hasOutFile:integer", "metaData:blob",
        "outputFilesToReport:blob", "lockedBy:text", "propagatorLock:text", "propagatorTime:timestamp", "preparatorTime:timestamp",
        "submitterTime:timestamp", "stagerLock:text", "stagerTime:timestamp", "zipPerMB:integer", "nWorkers:integer",
        "nWorkersLimit:integer", "submissionAttempts:integer", "jobsetID:integer", "pilotClosed:integer", "configID:integer",
        "nRemainingEvents:integer", "moreWorkers:integer", "maxWorkersInTotal:integer", "nWorkersInTotal:integer",
        "jobParamsExtForOutput:blob", "jobParamsExtForLog:blob", "auxInput:integer", "resourceType:text",
    )
    HO_noOutput, HO_hasOutput, HO_hasZipOutput, HO_hasTransfer, HO_hasPostZipOutput = 0, 1, 2, 3, 4
    AUX_hasAuxInput, AUX_inTriggered, AUX_allTriggered, AUX_inReady, AUX_allReady = 0, 1, 2, 3, 4

    jobParams: Any
    jobAttributes: Any

    def __init__(self) -> None:
        for name, value in (
            ("outFiles", []), ("zipFiles", []), ("inFiles", []), ("events", []), ("workspec_list", []), ("zipEventMap", {}),
            ("eventToUpdate", {}), ("headID", None), ("statusChangeTime", None),
        ):
            object.__setattr__(self, name, value)
        super().__init__()
        self.pack({"jobParams": {}, "jobAttributes": {}})

    # -- files ------------------------------------------------------------------------------------------

    def add_out_file(self, file_spec: FileSpec) -> None:
        """Add an output or log."""
        self.outFiles.append(file_spec)

    def add_in_file(self, file_spec: FileSpec) -> None:
        """Add an input."""
        self.inFiles.append(file_spec)

    def reset_out_file(self) -> None:
        """Forget outputs and logs."""
        self.outFiles.clear()

    def add_event(self, event_spec: Any, zip_file_id: Any) -> None:
        """Add an event range, with the zip that its output is in."""
        self.events.append(event_spec)
        self.zipEventMap.setdefault(zip_file_id, {"zip": None, "events": []})["events"].append(event_spec)

    def get_input_file_attributes(self, skip_ready: bool = False) -> dict[str, dict[str, Any]]:
        """Return {lfn: {fsize, guid, checksum, scope, dataset, endpoint, attemptNr, path}} of the inputs."""
        known = {spec.lfn: spec for spec in self.inFiles}
        found: dict[str, dict[str, Any]] = {}
        for lfn, values in _parallel(self.jobParams, "inFiles", OF_INPUTS):
            spec = known.get(lfn)
            if skip_ready and spec is not None and spec.status == "ready":
                continue
            attributes = dict(values)
            if spec is not None:
                attributes["attemptNr"] = spec.attemptNr
                if spec.path:
                    attributes["path"] = spec.path
            found[lfn] = attributes
        for lfn, path in zip(found, _listed(self.jobParams.get("inFilePaths")), strict=False):
            found[lfn].setdefault("path", path)
        return found

    def set_input_file_paths(self, in_files: Mapping[str, Mapping[str, Any]]) -> None:
        """Take {lfn: {"path": ...}} of inputs: kept in the job dictionary (``inFilePaths``) and with the files."""
        paths = [str(in_files.get(lfn, {}).get("path", "")) for lfn, _ in _parallel(self.jobParams, "inFiles", {})]
        parameters = dict(self.jobParams)
        parameters["inFilePaths"] = ",".join(paths)
        self.jobParams = parameters
        for spec in self.inFiles:
            if spec.lfn in in_files and "path" in in_files[spec.lfn]:
                spec.path = in_files[spec.lfn]["path"]

    def get_output_file_attributes(self) -> dict[str, dict[str, Any]]:
        """Return {lfn: {scope, dataset, endpoint}} of outputs and log."""
        parameters = dict(self.jobParams)
        names, scopes = _listed(parameters.get("outFiles")), _listed(parameters.get("scopeOut"))
        log = parameters.get("logFile")
        if log in names and parameters.get("scopeLog") and len(scopes) < len(names):
            scopes.insert(names.index(log), parameters["scopeLog"])  # PanDA leaves the log out of scopeOut
        parameters["scopeOut"] = ",".join(scopes)
        return {lfn: dict(values) for lfn, values in _parallel(parameters, "outFiles", OF_OUTPUTS)}

    def get_output_file_specs(self, skip_done: bool = False) -> list[FileSpec]:
        """Return outputs and logs; ``skip_done``: without those that have come to an end."""
        return [spec for spec in self.outFiles if not skip_done or spec.status not in TRANSFERRED]

    get_outfile_specs = get_output_file_specs

    def get_input_file_specs(self, group_id: Any, skip_ready: bool = False) -> list[FileSpec]:
        """Return the inputs of a group."""
        return [spec for spec in self.inFiles if spec.groupID == group_id and not (skip_ready and spec.status == "ready")]

    def get_logfile_info(self) -> dict[str, Any]:
        """Return {lfn, guid} of the log; {} if there is none."""
        lfn = self.jobParams.get("logFile")
        return {"lfn": lfn, "guid": self.jobParams.get("logGUID")} if lfn else {}

    def get_files_to_delete(self) -> list[FileSpec]:
        """Return files that nobody wants any more."""
        return [spec for spec in self.inFiles + self.outFiles if spec.todelete == 1]

    def all_files_zipped(self, use_post_zipping: bool = False) -> None:
        """Mark zips as ready to be sent."""
        for spec in self.outFiles:
            if spec.status in ("zipping", "post_zipping"):
                spec.status = "post_zipping" if use_post_zipping and spec.status == "zipping" else "defined"

    def all_files_triggered_to_stage_out(self) -> None:
        """Mark all outputs as under way."""
        for spec in self.get_output_file_specs(skip_done=True):
            spec.status = "transferring"
            spec.attemptNr = 0

    trigger_stage_out = all_files_triggered_to_stage_out

    # -- groups -----------------------------------------------------------------------------------------

    def set_groups_to_files(self, id_map: Mapping[Any, Mapping[str, Any]]) -> None:
        """Take {group: {"lfns": [...], "groupStatus": ...}}."""
        now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
        for group, what in id_map.items():
            for spec in self.inFiles + self.outFiles:
                if spec.lfn in what["lfns"]:
                    spec.groupID, spec.groupStatus, spec.groupUpdateTime = group, what["groupStatus"], now

    set_group_to_files = set_groups_to_files

    def update_group_status_in_files(self, group_id: Any, group_status: Any) -> None:
        """Set the status of a group."""
        for spec in self.inFiles + self.outFiles:
            if spec.groupID == group_id:
                spec.groupStatus = group_status

    def get_groups_of_input_files(self, skip_ready: bool = False) -> dict[Any, dict[str, Any]]:
        """Return {group: {groupUpdateTime, groupStatus}} of the inputs."""
        return _groups(spec for spec in self.inFiles if not (skip_ready and spec.status == "ready"))

    def get_groups_of_output_files(self) -> dict[Any, dict[str, Any]]:
        """Return {group: {groupUpdateTime, groupStatus}} of outputs and logs."""
        return _groups(self.outFiles)

    # -- attributes --------------------------------------------------------------------------------------

    def set_attributes(self, attrs: Mapping[Any, Any] | None) -> None:
        """Take what a worker tells of the job."""
        if not attrs:
            return
        told = dict(attrs)
        if "metaData" in told:
            self.metaData = told.pop("metaData")
        if "xml" in told:
            self.outputFilesToReport = told.pop("xml")
        self.jobAttributes = {**(self.jobAttributes or {}), **told}

    def set_one_attribute(self, attr: str, value: Any) -> None:
        """Set one of them."""
        self.jobAttributes = {**(self.jobAttributes or {}), attr: value}

    def get_one_attribute(self, attr: str) -> Any:
        """Return one of them; None if it is not there."""
        return (self.jobAttributes or {}).get(attr)

    def has_attribute(self, attr: str) -> bool:
        """Tell whether one of them is there."""
        return attr in (self.jobAttributes or {})

    def set_pilot_error(self, error_code: int, error_dialog: str) -> None:
        """Say why the job has failed."""
        self.set_attributes({"pilotErrorCode": error_code, "pilotErrorDiag": str(error_dialog)[:500]})

    def get_job_params(self, strip: bool) -> dict[str, Any]:
        """Return the job dictionary, ``strip``: without what the payload does not need."""
        kept = copy.deepcopy(dict(self.jobParams))
        return {key: value for key, value in kept.items() if not (strip and key in STRIPPED)}

    def get_pilot_type(self) -> str:
        """Return the kind of pilot that fits its source label."""
        return PILOT_TYPES.get(str(self.jobParams.get("prodSourceLabel")), "PR")

    def manipulate_job_params_for_container(self) -> None:
        """Nothing is changed: whoever wants a container says so in the submitter."""

    def get_workspec_list(self) -> list[Any]:
        """Return its workers."""
        return list(self.workspec_list)

    def add_workspec_list(self, workspec_list: Iterable[Any]) -> None:
        """Take its workers."""
        object.__setattr__(self, "workspec_list", list(workspec_list))

    def is_final_status(self) -> bool:
        """Tell whether it has come to an end."""
        return self.status in FINAL

    def get_status(self) -> Any:
        """Return what PanDA is told."""
        if self.is_final_status() and self.subStatus in ("to_transfer", "transferring"):
            return "transferring"
        return self.status

    def convert_job_json(self, data: Mapping[str, Any]) -> None:
        """Take a job dictionary of PanDA."""
        values = dict(data)
        self.PandaID, self.taskID = int(values["PandaID"]), _number(values.get("taskID"))
        self.attemptNr, self.jobsetID = _number(values.get("attemptNr")), _number(values.get("jobsetID"))
        self.currentPriority, self.jobParams, self.jobAttributes = _number(values.get("currentPriority")), values, {}
        self.zipPerMB = _number(values.get("zipPerMB"))


def _number(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError):
        return None


def _listed(value: Any) -> list[str]:
    return [] if value in (None, "", "NULL") else str(value).split(",")


def _parallel(parameters: Mapping[str, Any], names: str, keys: Mapping[str, str]) -> Iterable[tuple[str, dict[str, Any]]]:
    """Give (lfn, attributes) of parallel lists; what is missing in one of them is None, and a name counts once."""
    columns = {ours: _listed(parameters.get(theirs)) for theirs, ours in keys.items()}
    seen = set()
    for place, lfn in enumerate(_listed(parameters.get(names))):
        if lfn in seen:
            continue
        seen.add(lfn)
        values: dict[str, Any] = {name: _at(column, place) for name, column in columns.items()}
        if values.get("fsize") is not None:
            values["fsize"] = _number(values["fsize"])
        yield lfn, values


def _at(column: list[str], place: int) -> str | None:
    return column[place] if place < len(column) and column[place] not in ("NULL", "") else None


def _groups(specs: Iterable[FileSpec]) -> dict[Any, dict[str, Any]]:
    return {spec.groupID: {"groupUpdateTime": spec.groupUpdateTime, "groupStatus": spec.groupStatus} for spec in specs}
