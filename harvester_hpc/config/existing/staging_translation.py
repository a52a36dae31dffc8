"""Preparators and stagers of one queue in our words."""
from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from harvester_hpc.config.existing.notes import Notes

Values = dict[str, Any]
Translate = Callable[[Values, Values, Notes], Values | None]
RUCIO_PATHS = "rucio"
LOGIN = "say clientId, and run `harvester-hpc globus login` once (docs/globus.md)"


def preparator_of(section: Values, made: Values, notes: Notes) -> Values | None:
    """Return our preparator for one of the existing code."""
    return _translated(section, made, notes, PREPARATORS)


def stager_of(section: Values, made: Values, notes: Notes) -> Values | None:
    """Return our stager for one of the existing code."""
    return _translated(section, made, notes, STAGERS)


def _translated(section: Values, made: Values, notes: Notes, table: Mapping[str, Translate]) -> Values | None:
    file = str(section.pop("module", "")).rpartition(".")[2]
    name = section.pop("name", file)
    translate = table.get(file)
    if translate is None:
        notes.impossible("name", name, f"no plugin of ours stands for {file}; that of the site file is used")
        return None
    answer = translate(section, made, notes)
    if answer is not None:
        notes.translated("name", name, f"plugin {answer.get('name')!r}")
    for key, value in section.items():
        notes.idle(key, value, "our plugin has no such setting")
    return answer


def _dummy(section: Values, made: Values, notes: Notes) -> Values | None:
    return {"name": "local"}


def _globus_in(section: Values, made: Values, notes: Notes) -> Values | None:
    return _globus(section, notes, here="dst", there="src")


def _globus_out(section: Values, made: Values, notes: Notes) -> Values | None:
    for key in ("objStoreID_ES", "dstRSE_ES"):
        if section.get(key):
            notes.impossible(key, section.pop(key), "say objectStores in the communicator's section (docs/panda.md)")
    return _globus(section, notes, here="src", there="dst")


def _globus(section: Values, notes: Notes, *, here: str, there: str) -> Values:
    """Two collections with a folder in each; files lie there as Rucio lays them out."""
    answer: Values = {"name": "globus", "clientId": "", "layout": RUCIO_PATHS}
    names = {f"{here}Endpoint": "localCollection", f"{there}Endpoint": "remoteCollection", f"Globus_{there}Path": "remotePath"}
    for theirs, ours in names.items():
        if section.get(theirs):
            answer[ours] = section.pop(theirs)
            notes.translated(theirs, answer[ours], ours)
    base, mapped = section.pop("basePath", None), section.pop(f"Globus_{here}Path", None)
    if base and mapped and base != mapped:
        answer["localPaths"] = {base: mapped}
        notes.translated("basePath", base, f"localPaths: {answer['localPaths']}")
    notes.impossible("clientId", "", f"the existing plugins took a key from PanDA; {LOGIN}")
    return answer


def _rucio_download(section: Values, made: Values, notes: Notes) -> Values | None:
    folder = section.pop("defaultDest", None) or section.pop("cacheDir", None)
    if folder:
        made.setdefault("inputCache", {})["folder"] = folder
        notes.translated("defaultDest", folder, "inputCache.folder of the queue")
    answer: Values = {"name": "rucio_download"}
    proxy = section.pop("x509UserProxy", None)
    if proxy:
        answer |= {"authType": "x509_proxy", "proxy": proxy}
        notes.translated("x509UserProxy", proxy, "proxy")
    return answer


def _rucio_upload(section: Values, made: Values, notes: Notes) -> Values | None:
    return _rucio_out("rucio_upload", section, notes)


def _rucio_register(section: Values, made: Values, notes: Notes) -> Values | None:
    answer = _rucio_out("rucio_register", section, notes)
    base, rse = section.pop("srcBasePath", None), section.pop("srcRSE", None)
    if base or rse:
        notes.impossible("srcBasePath", base, f"say where RSE {rse} is seen here: mounts (docs/rucio.md)")
    return answer


def _rucio_out(name: str, section: Values, notes: Notes) -> Values:
    answer: Values = {"name": name}
    rse = section.pop("dstRSE_Out", None)
    if rse:
        answer["rse"] = rse
        notes.translated("dstRSE_Out", rse, "rse")
    for key in ("dstRSE_Log", "dstRSE_ES"):
        other = section.pop(key, None)
        if other and other != rse:
            notes.impossible(key, other, f"all files of a queue go to one RSE, {rse}")
    scope = section.pop("scopeForTmp", None)
    if scope:
        answer["scope"] = scope
        notes.translated("scopeForTmp", scope, "scope")
    return answer


def _copied(program: tuple[str, ...], options: str, base: str) -> Translate:
    """Return how a plugin that runs a copy program is translated; ``base``: the key with the remote folder."""

    def translate(section: Values, made: Values, notes: Notes) -> Values | None:
        words = str(section.pop(options, "") or "").split()
        answer: Values = {"name": "command", "command": [*program, *words, "{source}", "{destination}"]}
        folder = section.pop(base, None)
        if folder:
            answer["source" if base.startswith("src") else "destination"] = f"{str(folder).rstrip('/')}/{{scope}}/{{lfn}}"
            notes.translated(base, folder, "a template of addresses: see that it is the way files lie there")
        seconds = section.pop("timeout", None)
        if isinstance(seconds, int) and seconds > 0:
            answer["timeoutS"] = seconds
        notes.translated(options, words, f"command: {answer['command']}")
        return answer

    return translate


PREPARATORS: Mapping[str, Translate] = {
    "dummy_preparator": _dummy, "dummy_bulk_preparator": _dummy, "analysis_aux_preparator": _dummy,
    "go_preparator": _globus_in, "go_bulk_preparator": _globus_in, "yoda_preparator": _globus_in, "yoda_bulk_preparator": _globus_in,
    "rucio_preparator": _rucio_download, "pilotmover_preparator": _rucio_download, "pilotmover_mt_preparator": _rucio_download,
    "xrdcp_preparator": _copied(("xrdcp",), "xrdcpOpts", "srcBasePath"),
}
STAGERS: Mapping[str, Translate] = {
    "dummy_stager": _dummy, "dummy_bulk_stager": _dummy,
    "go_stager": _globus_out, "go_bulk_stager": _globus_out, "go_rucio_stager": _globus_out, "yoda_stager": _globus_out,
    "yoda_bulk_stager": _globus_out, "rucio_stager_hpc": _rucio_upload, "rucio_stager": _rucio_register,
    "yoda_rucio_rse_direct_stager": _rucio_register, "rse_direct_stager": _rucio_register,
    "xrdcp_stager": _copied(("xrdcp",), "xrdcpOpts", "dstBasePath"),
    "gridftp_stager": _copied(("globus-url-copy",), "gulOpts", "dstBasePath"),
}
