"""The instance's own settings, as such plugins read them: ``harvester_config.master.harvester_id`` and the like."""
from __future__ import annotations

from types import SimpleNamespace
from typing import Any

#: Names of letters, by the key of ``[payload_interaction]``.
LETTERS = {
    "workerAttributesFile": "worker_attributes.json", "jobReportFile": "jobReport.json",
    "eventStatusDumpJsonFile": "event_status.dump.json", "eventStatusDumpXmlFile": "_event_status.dump",
    "jobRequestFile": "worker_requestjob.json", "jobSpecFile": "HPCJobs.json", "eventRequestFile": "worker_requestevents.json",
    "eventRangesFile": "JobsEventRanges.json", "updateEventsFile": "worker_updateevents.json",
    "xmlPoolCatalogFile": "PoolFileCatalog_H.xml", "pandaIDsFile": "worker_pandaids.json", "killWorkerFile": "kill_worker.json",
    "heartbeatFile": "worker_heartbeat.json",
}


class Section(SimpleNamespace):
    """A section: an attribute for each key."""


def made() -> SimpleNamespace:
    """Return what stands there before an instance has said who it is."""
    return SimpleNamespace(
        master=Section(harvester_id="", uname="", gname="", dynamic_plugin_change=False),
        preparator=Section(nThreads=3, checkInterval=180),
        stager=Section(nThreads=3, checkInterval=180),
        zipper=Section(nThreadsForZip=4),
        monitor=Section(nThreads=3, checkInterval=300, sleepTime=600, pluginCacheEnable=False, pluginCacheRefreshInterval=300),
        submitter=Section(nThreads=3, sleepTime=60),
        pandacon=Section(ca_cert="", cert_file="", key_file="", pandaCacheURL_R="", pandaURL="", pandaURLSSL="", timeout=180),
        payload_interaction=Section(**LETTERS),
        qconf=Section(queueList=[]),
        db=Section(engine="sqlite"),
    )


harvester_config: Any = made()
"""What plugins import; the adapter writes the instance's name and settings into it."""
