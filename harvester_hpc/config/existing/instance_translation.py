"""panda_harvester.cfg in our words: who we are, whom we work for, with which credentials."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from harvester_hpc.config.existing.cfg import Sections
from harvester_hpc.config.existing.notes import Notes
from harvester_hpc.messenger.names import NAMES

Values = dict[str, Any]
AGENTS = (
    "jobfetcher", "propagator", "preparator", "submitter", "monitor", "stager", "zipper", "eventfeeder", "sweeper", "commandmanager",
    "cacher", "watcher", "apfmon", "service_monitor", "file_syncer", "fifo", "communicator", "log_level", "frontend", "googlecloud", "db",
)
WHY_IDLE: Mapping[str, str] = {
    "db": "the store is a file in stateDir, guarded by a lease (docs/store.md)", "apfmon": "nothing is sent to anybody but PanDA",
    "watcher": "`harvester-hpc status` says what does not work", "cacher": "nothing is cached but what the instance asks for itself",
    "frontend": "letters go over the shared file system", "log_level": "the log says what changed",
    "fifo": "the store's own index says which worker is due", "file_syncer": "for other kinds of sites",
    "googlecloud": "for other kinds of sites",
    "communicator": "the communicator's section says all of it",
}
#: Numbers of agents that have something like them here.
AGENT_KEYS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("propagator", "updateInterval"): ("agents", "heartbeat"),
    ("monitor", "workerQueueTimeLimit"): ("queues", "workerQueueTimeLimit"),
    ("monitor", "checkInterval"): ("queues", "pollInterval"),
    ("sweeper", "keepFinished"): ("queues", "keepFinished"),
    ("sweeper", "keepFailed"): ("queues", "keepFailed"),
    ("sweeper", "keepCancelled"): ("queues", "keepCancelled"),
    ("sweeper", "keepMissed"): ("queues", "keepMissed"),
}
#: Keys of [payload_interaction]: our setting of the messenger, and the name that the file has by default.
LETTERS: Mapping[str, tuple[str, str]] = {
    "workerAttributesFile": ("jsonAttrsFileName", NAMES.attributes), "jobReportFile": ("jsonJobReport", NAMES.job_report),
    "eventStatusDumpJsonFile": ("jsonOutputsFileName", NAMES.status_dump),
    "jobRequestFile": ("jsonJobRequestFileName", NAMES.job_request), "jobSpecFile": ("jobSpecFileName", NAMES.job_spec),
    "eventRequestFile": ("jsonEventsRequestFileName", NAMES.event_request),
    "eventRangesFile": ("jsonEventsFeedFileName", NAMES.event_ranges),
    "updateEventsFile": ("jsonEventsUpdateFileName", NAMES.update_events),
    "xmlPoolCatalogFile": ("xmlPoolCatalogFileName", NAMES.catalog), "pandaIDsFile": ("pandaIDsFile", NAMES.panda_ids),
    "killWorkerFile": ("killWorkerFile", NAMES.kill[0]), "heartbeatFile": ("heartbeatFile", NAMES.heartbeat[0]),
    "taskWorkBaseDir": ("taskWorkBaseDir", ""), "taskWorkStateFile": ("taskWorkStateFile", "state.json"),
}
PROXY = "proxy"


def instance_of(cfg: Sections, notes: Notes) -> tuple[Values, Values]:
    """Return (our file without queues, attributes of every queue that stand in the cfg there)."""
    made: Values = {}
    of_queues: Values = {}
    for section, values in cfg.items():
        inside = Notes(f"{notes.place}[{section}] ", notes.found)
        match section:
            case "master":
                _master(values, made, inside)
            case "pandacon":
                _pandacon(values, made, inside)
            case "payload_interaction":
                _letters(values, of_queues, inside)
            case "credmanager":
                _credentials(values, made, inside)
            case "qconf":
                _queue_lists(values, inside)
            case _:
                _agent(section, values, made, of_queues, inside)
    if PROXY in made.get("credentials", {}) and made.get("communicator", {}).get("proxyFile") == made["credentials"][PROXY]["file"]:
        del made["communicator"]["proxyFile"]
        made["communicator"]["credential"] = PROXY
    return made, of_queues


def _master(values: Mapping[str, Any], made: Values, notes: Notes) -> None:
    for key, value in values.items():
        if key == "harvester_id":
            made["instance"] = value
            notes.taken(key, value, "instance")
        else:
            notes.idle(key, value, "the instance runs as whoever starts it")


def _pandacon(values: Mapping[str, Any], made: Values, notes: Notes) -> None:
    given = dict(values)
    found: Values = {"name": "panda"}
    url = next((given[key] for key in ("server_api_url_ssl", "pandaURLSSL", "pandaURL", "server_api_url") if given.get(key)), "")
    if url:
        parts = urlsplit(str(url))
        found["url"] = f"{parts.scheme}://{parts.netloc}"
        notes.translated("pandaURLSSL", url, f"communicator.url: {found['url']}")
    else:
        notes.impossible("pandaURLSSL", None, "names no server: say communicator.url")
    certificate, key = given.pop("cert_file", None), given.pop("key_file", None)
    token = str(given.pop("auth_token", "") or "")
    if given.get("auth_type") == "oidc":
        found |= {"tokenFile": token.removeprefix("file:"), "origin": given.pop("auth_origin", "")}
        notes.translated("auth_token", "(a file)" if token.startswith("file:") else "(a token)", "communicator.tokenFile and origin")
        if not token.startswith("file:"):
            found["tokenFile"] = ""
            notes.impossible("auth_token", "(a token)", "a token never stands in the configuration: put it into a file of mode 0600")
    elif certificate:
        found |= {"proxyFile": certificate} if key in (None, certificate) else {"certificateFile": certificate, "keyFile": key}
        words = "communicator.proxyFile" if key in (None, certificate) else "communicator.certificateFile and keyFile"
        notes.translated("cert_file", certificate, words)
    if given.get("ca_cert"):
        found["caFile"] = given["ca_cert"]
        notes.translated("ca_cert", found["caFile"], "communicator.caFile")
    if isinstance(given.get("timeout"), int):
        found["readS"] = given["timeout"]
        notes.translated("timeout", found["readS"], "communicator.readS")
    known = ("pandaURL", "pandaURLSSL", "server_api_url", "server_api_url_ssl", "ca_cert", "timeout", "auth_type", "auth_origin")
    for name in (name for name in given if name not in known):
        notes.idle(name, "" if "key" in name else given[name], "the server says where its caches are, or it is not asked")
    made["communicator"] = found


def _letters(values: Mapping[str, Any], of_queues: Values, notes: Notes) -> None:
    """Take over names of letters that are not the usual ones, for the messenger of every queue."""
    named: Values = {}
    for key, value in values.items():
        ours, usual = LETTERS.get(key, ("", ""))
        if not ours:
            notes.idle(key, value, "no letter that anybody reads")
        elif value == usual:
            notes.idle(key, value, "the letter is called so here, too")
        else:
            named[ours] = value
            notes.translated(key, value, f"{ours} of each queue's messenger")
    if named:
        of_queues["messenger"] = named



def _credentials(values: Mapping[str, Any], made: Values, notes: Notes) -> None:
    lists = {key: value if isinstance(value, list) else [value] for key, value in values.items()}
    outputs, inputs, attributes = (lists.get(key, []) for key in ("outCertFile", "inCertFile", "voms"))
    for number, file in enumerate(outputs):
        if not file:
            continue
        name = PROXY if number == 0 else f"{PROXY}{number + 1}"
        vo, _, role = str(attributes[number] if number < len(attributes) else "").partition(":")
        group, _, role = role.partition("/Role=")
        made.setdefault("credentials", {})[name] = {
            "name": "voms", "file": file, "vo": vo or "atlas", **({"group": group} if group.count("/") > 1 else {}),
            **({"role": role} if role else {}), **({"longProxy": inputs[number]} if number < len(inputs) and inputs[number] else {}),
        }
        notes.translated("outCertFile", file, f"credentials.{name}, made with voms-proxy-init")
    for key, value in values.items():
        if key == "pluginConfigs":
            notes.impossible(key, "", "say what each makes under credentials (docs/credentials.md)")
        elif key not in ("outCertFile", "inCertFile", "voms"):
            notes.idle(key, value, "the plugin is chosen by what it makes")


def _queue_lists(values: Mapping[str, Any], notes: Notes) -> None:
    for key, value in values.items():
        if key == "queueList":
            notes.taken(key, value, "the queues that are written")
            if "DYNAMIC" in (value if isinstance(value, list) else [value]):
                notes.impossible(key, "DYNAMIC", "queues are named in the file; those of the file are all taken")
        else:
            notes.idle(key, value, "the queues stand in our file")


def _agent(section: str, values: Mapping[str, Any], made: Values, of_queues: Values, notes: Notes) -> None:
    if section in WHY_IDLE:
        notes.idle("", ", ".join(values), WHY_IDLE[section])
        return
    if section not in AGENTS:
        notes.idle("", ", ".join(values), "no section that Harvester knows either")
        return
    others = []
    for key, value in values.items():
        way = AGENT_KEYS.get((section, key))
        if way is None or not isinstance(value, int):
            others.append(key)
        elif way[0] == "agents":
            made.setdefault("agents", {})[way[1]] = value
            notes.translated(key, value, ".".join(way))
        elif key == "checkInterval":
            others.append(key)  # a look costs one question for all workers here: our default is better
        else:
            of_queues[way[1]] = value
            notes.translated(key, value, f"{way[1]} of each queue")
    if others:
        notes.idle("", ", ".join(others), "agents wake when there is something to do; threads, locks and sleeps have no numbers")
