"""A file, as such plugins see it."""
from __future__ import annotations

from harvester_compat.api.spec_base import SpecBase


class FileSpec(SpecBase):
    """One file; ``fileAttributes`` holds guid, fsize, dataset and what a plugin puts there."""

    attributesWithTypes = (
        "fileID:integer", "PandaID:integer", "taskID:integer", "lfn:text", "status:text", "fsize:integer", "chksum:text", "path:text",
        "fileType:text", "eventRangeID:text", "modificationTime:timestamp", "fileAttributes:blob", "isZip:integer", "zipFileID:integer",
        "objstoreID:integer", "endpoint:text", "groupID:text", "groupStatus:text", "groupUpdateTime:timestamp", "attemptNr:integer",
        "todelete:integer", "scope:text", "pathConvention:integer", "provenanceID:text", "workerID:integer", "url:text",
    )
    zeroAttrs = ("attemptNr", "todelete")

    # file types
    FT_input, FT_aux_input, FT_output, FT_log, FT_es_output = "input", "aux_input", "output", "log", "es_output"
    FT_zip_output, FT_checkpoint = "zip_output", "checkpoint"
    AUX_INPUT = "aux_input"
    auxURL, auxLFN, auxGUID, aux_input = "INTERNAL_URL", "INTERNAL_LFN", "INTERNAL_GUID", "aux_input"

    def __init__(self) -> None:
        object.__setattr__(self, "associatedFiles", set())
        super().__init__()
        self.pack({"fileAttributes": {}})

    def add_associated_file(self, file_spec: FileSpec) -> None:
        """Add a member of this zip."""
        self.associatedFiles.add(file_spec)

    def associatedFiles_list(self) -> list[FileSpec]:
        """Return the members of this zip."""
        return list(self.associatedFiles)

    def is_checkpoint(self) -> bool:
        """Tell whether it is a checkpoint."""
        return bool(self.fileType == "checkpoint")

    def convert_to_dict(self) -> dict[str, object]:
        """Return what is said of it elsewhere."""
        return {"lfn": self.lfn, "scope": self.scope, "path": self.path, "fsize": self.fsize, "chksum": self.chksum}
