"""Files of an existing Harvester become ours, and each thing in them is accounted for."""
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.config.existing.cfg import read_cfg
from harvester_hpc.config.existing.importing import Imported, imported
from harvester_hpc.config.existing.notes import Fate, Notes, report
from harvester_hpc.config.existing.queue_files import put_together, read_queues
from harvester_hpc.config.load import load
from harvester_hpc.errors import ConfigurationError

HERE = Path(__file__).parent
ENVIRONMENT = {"USER": "me", "WORK": "/work"}


@pytest.fixture(scope="module")
def sample() -> Imported:
    return imported(HERE / "panda_harvester.cfg", HERE / "panda_queueconfig.json", "", ENVIRONMENT)


def fates(found: Imported) -> dict[str, Fate]:
    return {one.where: one.fate for one in found.notes}


def write(folder: Path, **queues: Any) -> Path:
    file = folder / "queues.json"
    file.write_text(json.dumps(queues))
    return file


# -- the cfg -------------------------------------------------------------------------------------------------


def test_values_have_the_types_that_harvester_gives_them(tmp_path: Path) -> None:
    (tmp_path / "x.cfg").write_text(
        "[a]\nyes = True\nno = False\nnothing = None\nnumber = 12\nfloat = 1.5\nnegative = -1\nlist =\n  one\n  2\n  # remark\n"
        'json =\n  [{"at": "$WORK"},\n   2]\nwhole = ${WORK}\npart = $WORK/x\nempty =\n'
    )
    assert read_cfg(tmp_path / "x.cfg", ENVIRONMENT, Notes())["a"] == {
        "yes": True, "no": False, "nothing": None, "number": 12, "float": "1.5", "negative": "-1", "list": ["one", 2],
        "json": [{"at": "/work"}, 2], "whole": "/work", "part": "/work/x", "empty": "",
    }


def test_a_variable_that_is_not_set_stays_and_is_noted(tmp_path: Path) -> None:
    (tmp_path / "x.cfg").write_text("[a]\nkey = $NOWHERE/x\n")
    notes = Notes()
    assert read_cfg(tmp_path / "x.cfg", {}, notes)["a"]["key"] == "$NOWHERE/x"
    assert [one.fate for one in notes.found] == [Fate.IMPOSSIBLE]


@pytest.mark.parametrize("content", ["no section = 1", "[a\nx", b"\xff\xfe[a]"])
def test_what_is_no_ini_is_refused_by_name(tmp_path: Path, content: str | bytes) -> None:
    file = tmp_path / "x.cfg"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_cfg(file, {}, Notes())


def test_files_that_begin_with_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    (tmp_path / "x.cfg").write_text("[a]\nkey = 5\n", encoding="utf-8-sig")
    (tmp_path / "queues.json").write_text('{"Q": {"maxWorkers": 2}}', encoding="utf-8-sig")
    assert read_cfg(tmp_path / "x.cfg", {}, Notes()) == {"a": {"key": 5}}
    assert read_queues(tmp_path / "queues.json") == {"Q": {"maxWorkers": 2}}


def test_what_is_nested_without_end_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "queues.json").write_text("[" * 100_000)
    with pytest.raises(ConfigurationError, match=r"queues\.json cannot be read"):
        read_queues(tmp_path / "queues.json")
    (tmp_path / "x.cfg").write_text("[a]\nkey = " + "[" * 100_000 + "]\n")
    notes = Notes()
    assert read_cfg(tmp_path / "x.cfg", {}, notes) == {"a": {"key": None}}
    assert [one.fate for one in notes.found] == [Fate.IMPOSSIBLE]


# -- the queues ------------------------------------------------------------------------------------------------


def test_a_queue_lies_over_its_template_one_level_deep() -> None:
    queues: dict[str, Any] = {
        "T": {"isTemplateQueue": True, "maxWorkers": 3, "stager": {"name": "a", "x": 1}, "extra": {"k": 1}},
        "OTHER_TEMPLATE": {"maxWorkers": 9},
        "Q": {"templateQueueName": "T", "stager": {"x": 2}, "extra": {"l": 1}, "common": {"y": 5, "x": 7}},
    }
    assert put_together(queues, None, Notes()) == {
        "Q": {"maxWorkers": 3, "stager": {"name": "a", "x": 2, "y": 5}, "extra": {"l": 1}},
    }


@pytest.mark.parametrize("template", [["T"], {"T": 1}, 5, True])
def test_a_template_that_is_no_name_is_noted(template: Any) -> None:
    notes = Notes()
    assert put_together({"Q": {"templateQueueName": template, "maxWorkers": 1}}, None, notes) == {"Q": {"maxWorkers": 1}}
    assert [one.fate for one in notes.found] == [Fate.IMPOSSIBLE]


def test_queues_that_are_not_listed_are_left_out_and_missing_ones_are_named() -> None:
    notes = Notes()
    assert list(put_together({"A": {}, "B": {}}, ["A", "C"], notes)) == ["A"]
    assert {one.fate for one in notes.found} == {Fate.IMPOSSIBLE, Fate.IDLE}
    assert list(put_together({"A": {}, "B": {}}, ["ALL"], Notes())) == ["A", "B"]


def test_a_real_multi_job_queue_is_translated(sample: Imported) -> None:
    queue = sample.values["queues"]["NERSC_Cori_p2_mcore"]
    assert queue["resources"] == {"nodes": 200, "coresPerNode": 136}
    assert queue["workerMaker"] == {"name": "multi_job", "nJobsPerWorker": 200}
    assert queue["messenger"]["accessPoint"].endswith("/${workerID}")
    assert (queue["preparator"]["name"], queue["preparator"]["layout"]) == ("globus", "rucio")
    assert queue["preparator"]["localCollection"].startswith("9d6d994a")
    assert queue["stager"]["localCollection"].startswith("9d6d994a")
    assert queue["submitter"]["templateFile"].endswith(".slurm.template")
    assert sample.values["extends"] == "slurm-generic"
    assert sample.values["facility"] == {"launcher": "srun", "node": {"cores": 136}}


def test_plugins_of_a_site_are_taken_as_they_are(sample: Imported) -> None:
    queue = sample.values["queues"]["MY_QUEUE"]
    assert queue["submitter"] == {"module": "my.own", "name": "Sub", "nCorePerNode": 64}
    assert queue["monitor"]["name"] == "Mon"


def test_who_we_are_and_whom_we_work_for(sample: Imported) -> None:
    values = sample.values
    assert values["instance"] == "NERSC_edge_1"
    assert values["communicator"] == {
        "name": "panda", "url": "https://pandaserver.cern.ch:25443", "caFile": "/etc/pki/tls/certs/CERN-bundle.pem", "readS": 180,
        "credential": "proxy",
    }
    assert values["credentials"]["proxy"] == {
        "name": "voms", "file": "/home/me/x509up", "vo": "atlas", "role": "production", "longProxy": "/home/me/long",
    }
    assert values["agents"] == {"heartbeat": 1200}
    assert all(queue["keepFinished"] == 48 for queue in values["queues"].values())


def test_every_key_of_both_files_is_accounted_for(sample: Imported) -> None:
    told = "\n".join(f"{one.where} {one.said}" for one in sample.notes)
    cfg = read_cfg(HERE / "panda_harvester.cfg", ENVIRONMENT, Notes())
    keys = {key for values in cfg.values() for key in values} - {"key_file", "pandaURL", "inCertFile", "voms"}  # told with others
    queues = json.loads((HERE / "panda_queueconfig.json").read_text())
    for queue in queues.values():
        keys |= set(queue) - {"isTemplateQueue"}
        sections = (value for value in queue.values() if isinstance(value, dict))
        keys |= {key for section in sections for key in section} - {"module", "name", "basePath", "Globus_srcPath"}
    assert [key for key in sorted(keys) if key not in told] == []


def test_the_report_begins_with_what_cannot_be_had(sample: Imported) -> None:
    page = report(sample.notes)
    assert page.index("Not possible") < page.index("Translated") < page.index("Without effect") < page.index("Taken over")
    assert "scanInPostProcess" in page


def test_passwords_are_not_written_down(tmp_path: Path) -> None:
    (tmp_path / "x.cfg").write_text("[watcher]\nmailPassword = hunter2\n[db]\npassword = hunter2\n[pandacon]\nx_secret = hunter2\n")
    found = imported(tmp_path / "x.cfg", write(tmp_path, Q={}), "", {})
    assert "hunter2" not in report(found.notes)
    assert "hunter2" not in json.dumps(dict(found.values))


def test_a_token_in_the_file_is_not_taken_over(tmp_path: Path) -> None:
    (tmp_path / "x.cfg").write_text(
        "[pandacon]\npandaURLSSL = https://p:25443/server/panda\nauth_type = oidc\nauth_token = eyJhbGci\nauth_origin = atlas.production\n"
    )
    found = imported(tmp_path / "x.cfg", write(tmp_path, Q={}), "", {})
    assert found.values["communicator"]["tokenFile"] == ""
    assert "eyJ" not in report(found.notes)


@pytest.mark.parametrize(
    ("module", "keys", "scheduler"),
    [("pbs_submitter", {"nCorePerNode": 16, "nCore": 64, "localQueue": "prod", "projectName": "p1"}, "pbs-generic"),
     ("lsf_submitter", {"nCore": 42, "nCorePerNode": 42, "nGpuPerNode": 6, "projectName": "p1", "localQueue": "prod"}, "lsf-generic"),
     ("saga_submitter", {"adaptor": "pbs://localhost", "localqueue": "prod", "projectname": "p1", "nCorePerNode": 16}, "pbs-generic"),
     ("saga_submitter", {"adaptor": "slurm+ssh://x", "localqueue": "prod", "projectname": "p1", "nCorePerNode": 16}, "slurm-generic"),
     ("cobalt_submitter", {"nCore": 64, "nCorePerNode": 64, "localQueue": "prod", "projectName": "p1"}, "pbs-generic")],
)
def test_each_submitter_names_its_batch_system(tmp_path: Path, module: str, keys: dict[str, Any], scheduler: str) -> None:
    section = {"module": f"pandaharvester.harvestersubmitter.{module}", "name": "X", **keys}
    found = imported(None, write(tmp_path, Q={"submitter": section}), "", {})
    assert found.values["extends"] == scheduler
    assert found.values["facility"]["account"] == "p1"
    assert found.values["facility"]["queues"] == [{"name": "prod"}]
    assert found.values["queues"]["Q"]["resources"]["batchQueue"] == "prod"


def test_queues_of_two_batch_systems_cannot_be_in_one_instance(tmp_path: Path) -> None:
    modules = (f"pandaharvester.harvestersubmitter.{name}_submitter" for name in ("slurm", "pbs"))
    slurm, pbs = ({"submitter": {"module": module, "name": "X"}} for module in modules)
    found = imported(None, write(tmp_path, A=slurm, B=pbs), "", {})
    assert any(one.fate is Fate.IMPOSSIBLE and "one batch system" in one.words for one in found.notes)


def test_a_missing_section_and_an_unknown_plugin_are_named(tmp_path: Path) -> None:
    found = imported(None, write(tmp_path, Q={"stager": {"module": "pandaharvester.harvesterstager.odd_stager", "name": "Odd"}}), "", {})
    assert fates(found)["queues.json: Q.stager.name"] is Fate.IMPOSSIBLE
    assert fates(found)["queues.json: Q.preparator"] is Fate.IMPOSSIBLE
    assert "stager" not in found.values["queues"]["Q"]


def test_what_is_written_can_be_read_as_our_configuration(tmp_path: Path) -> None:
    values = imported(None, write(tmp_path, Q={
        "maxWorkers": 2, "nQueueLimitWorker": 2,
        "submitter": {"module": "pandaharvester.harvestersubmitter.slurm_submitter", "name": "S", "nCore": 4, "nCorePerNode": 4},
        "workerMaker": {"module": "pandaharvester.harvesterworkermaker.simple_worker_maker", "name": "W"},
        "messenger": {
            "module": "pandaharvester.harvestermessenger.shared_file_messenger", "name": "M",
            "accessPoint": f"{tmp_path}/work/${{workerID}}",
        },
        "preparator": {"module": "pandaharvester.harvesterpreparator.dummy_preparator", "name": "P"},
        "stager": {"module": "pandaharvester.harvesterstager.dummy_stager", "name": "D"},
    }), "", {}).values
    (tmp_path / "harvester.json").write_text(json.dumps(values))
    configuration = load(tmp_path, {})
    assert configuration.queues["Q"].queue.resources.cores_per_node == 4
    assert configuration.facility.node.cores == 4


def test_a_batch_template_is_taken_over_with_its_own_values(tmp_path: Path) -> None:
    submitter = {"module": "pandaharvester.harvestersubmitter.slurm_submitter", "templateFile": "/t.sh", "tokenDir": "/tokens", "nCore": 4}
    found = imported(None, write(tmp_path, Q={"submitter": submitter}), "", {})
    assert found.values["queues"]["Q"]["submitter"] == {"name": "psij", "templateFile": "/t.sh", "templateValues": {"tokenDir": "/tokens"}}


def test_a_jinja_template_is_not_taken_for_another_language(tmp_path: Path) -> None:
    submitter = {"module": "pandaharvester.harvestersubmitter.slurm_submitter_jinja", "templateFile": "/t.sh"}
    found = imported(None, write(tmp_path, Q={"submitter": submitter}), "", {})
    assert "submitter" not in found.values["queues"]["Q"]
    assert fates(found)["queues.json: Q.submitter.templateFile"] is Fate.IMPOSSIBLE


def test_the_messenger_is_taken_over_with_names_and_post_processing(tmp_path: Path) -> None:
    theirs = {
        "module": "pandaharvester.harvestermessenger.shared_file_messenger", "name": "SharedFileMessenger", "accessPoint": "/w/${workerID}",
        "scanInPostProcess": True, "outputSubDir": "outputs", "leftOverPatterns": ["%OUTPUT_FILE.x$"], "stripJobParams": True,
        "killWorkerFile": "kill_me", "maxWorkersForZip": 4, "subTarballName": None,
    }
    cfg = tmp_path / "x.cfg"
    cfg.write_text("[payload_interaction]\nheartbeatFile = beat.json\njobSpecFile = HPCJobs.json\ntaskWorkBaseDir = /tasks\n")
    found = imported(cfg, write(tmp_path, Q={"messenger": theirs}, P={"truePilot": True, "messenger": theirs}), "", {})
    expected = {
        "name": "shared_file", "accessPoint": "/w/${workerID}", "outputSubDir": "outputs", "leftOverPatterns": ["%OUTPUT_FILE.x$"],
        "stripJobParams": True, "killWorkerFile": "kill_me", "heartbeatFile": "beat.json", "taskWorkBaseDir": "/tasks",
    }
    assert found.values["queues"]["Q"]["messenger"] == {**expected, "scanInPostProcess": True, "postProcess": True}
    assert found.values["queues"]["P"]["messenger"] == expected
    assert fates(found)["queues.json: Q.messenger.maxWorkersForZip"] is Fate.IDLE
    assert not [one for one in found.notes if one.fate is Fate.IMPOSSIBLE and "messenger" in one.where]
