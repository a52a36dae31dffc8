"""``site``: every verb, with a batch system that says what the test wants."""
from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from harvester_hpc.cli.exits import Exit
from harvester_hpc.cli.frame import run
from harvester_hpc.cli.site import live
from harvester_hpc.config.load import load
from harvester_hpc.errors import ConfigurationError
from harvester_hpc.model.facility import JobLimits
from harvester_hpc.ports.survey import Account, Identity, NodeKind, Qos, Survey, SurveyedQueue
from harvester_hpc.testing.fake_surveyor import FakeSurveyor
from tests.unit.cli.rows_and_answers import Said

KIND = NodeKind(count=4, usable=4, cores=8, memory_mb=16000)
GPU = NodeKind(count=2, usable=2, cores=8, reserved_cores=1, threads_per_core=2, memory_mb=16000, gpus=4, gpu_type="a100")
SURVEY = Survey(
    identity=Identity(scheduler="slurm", version="22.05.8", cluster="Hill.one"), user="carol", mpi="pmix", accounts_known=True,
    account_required=True, accounts=(Account(name="m1", is_default=True, qos=("normal",)), Account(name="m2", qos=("gpu", "normal"))),
    qos=(Qos(name="normal"), Qos(name="gpu", max_walltime_s=600)),
    queues=(
        SurveyedQueue(name="batch", is_default=True, max_nodes=3, max_walltime_s=7200, nodes=(KIND,), limits=JobLimits(queued_per_user=9)),
        SurveyedQueue(name="gpu", qos=("gpu",), nodes=(GPU,), exclusive=True),
        SurveyedQueue(name="root", closed_to_me="for root only"),
    ),
)
Site = Callable[..., Said]


@pytest.fixture
def surveyor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeSurveyor:
    """A batch system that answers, and nothing else on this machine."""
    fake = FakeSurveyor(SURVEY)
    monkeypatch.setattr(live, "surveyors", lambda: {"slurm": fake})
    for name in ("HARVESTER_HPC_HOME", "NERSC_HOST", "LMOD_SYSTEM_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    (tmp_path / "user").mkdir()
    monkeypatch.chdir(tmp_path)
    return fake


@pytest.fixture
def site(surveyor: FakeSurveyor, capsys: pytest.CaptureFixture[str]) -> Site:
    def call(*words: object, home: Path | None = None) -> Said:
        capsys.readouterr()
        code = run([*(["--home", str(home)] if home else []), *map(str, words)])
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    return call


def test_every_shipped_site_is_listed_with_its_scheduler(site: Site) -> None:
    said = site("site", "list", "--json")
    rows = {row["name"]: row for row in json.loads(said.out)}
    assert {"local", "slurm-generic"} <= rows.keys()
    assert rows["slurm-generic"]["scheduler"] == "slurm" and rows["local"]["owner"] == "shipped"
    assert "slurm-generic" in site("site").out


def test_a_site_of_the_user_hides_a_shipped_one_and_a_broken_one_is_told(site: Site, tmp_path: Path) -> None:
    folder = tmp_path / "user" / ".harvester_hpc" / "site_configs"
    folder.mkdir(parents=True)
    (folder / "local.json").write_text('{"scheduler": "local", "queues": [{"name": "mine"}], "checked": "2026-01-02"}')
    (folder / "broken.json").write_text('{"scheduler": ')
    rows = {row["name"]: row for row in json.loads(site("site", "list", "--json").out)}
    assert rows["local"]["owner"] == "yours" and rows["local"]["checked"] == "2026-01-02" and rows["local"]["hides"]
    assert not rows["broken"]["usable"] and rows["broken"]["problems"]
    assert "cannot be used" in site("site", "list").out


def test_a_fact_is_shown_with_who_says_it_and_recalled_ones_are_marked(site: Site, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(json.dumps({
        "scheduler": "slurm", "queues": [{"name": "a", "maxNodes": 5}], "node": {"cores": 7}, "sources": {"doc": "The Guide"},
        "checked": "2026-11-21",
        "facts": {"queues.a.maxNodes": {"by": "facility", "source": "doc"}, "node": {"by": "recalled", "note": "ask"}},
    }))
    said = site("site", "show", "./x.json")
    lines = {line.split()[0]: line for line in said.out.splitlines() if line.strip()}
    assert lines["queues.a.maxNodes"].split() == ["queues.a.maxNodes", "5", "[1]"]
    assert lines["[1]"] == "[1] the facility's own documents: The Guide, checked 2026-11-21"
    assert lines["node.cores"].split() == ["node.cores", "7", "?", "recalled,", "not", "checked", "ask"]
    values = {value["path"]: value for value in json.loads(site("site", "show", "./x.json", "--json").out)["values"]}
    assert values["node.cores"]["fact"]["recalled"] and not values["queues.a.maxNodes"]["fact"]["recalled"]


def test_an_unknown_site_is_answered_with_what_there_is(site: Site) -> None:
    said = site("site", "show", "slurm-generc")
    assert said.code == Exit.ERROR and "slurm-generic" in said.err


def test_what_is_generated_can_be_used_and_has_no_difference(site: Site, tmp_path: Path) -> None:
    said = site("site", "generate")
    assert said.code == Exit.DONE, said.err
    file = tmp_path / "user" / ".harvester_hpc" / "site_configs" / "hill.json"
    assert str(file) in said.out
    assert site("init", tmp_path / "home", "--site", "hill").code == Exit.DONE
    facility = load(tmp_path / "home").facility
    assert [queue.name for queue in facility.queues] == ["batch", "gpu"]
    assert (facility.account, facility.node.cores, facility.queues[0].max_nodes, facility.queues[0].max_walltime_s) == ("m1", 8, 3, 7200)
    gpu = facility.queues[1]
    assert (gpu.qos, gpu.max_walltime_s, facility.attributes_of(gpu)["account"]) == ("gpu", 600, "m2")
    assert gpu.node is not None and (gpu.node.cores, gpu.node.reserved_cores, gpu.node.threads_per_core, gpu.node.gpus) == (8, 1, 2, 4)
    checked = site("site", "check", "hill", "--json")
    assert (checked.code, json.loads(checked.out)["differences"]) == (Exit.DONE, [])
    assert site("config", "check", home=tmp_path / "home").code == Exit.DONE


def test_a_file_that_is_there_is_overwritten_only_if_that_is_said(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    file.write_text("mine")
    said = site("site", "generate", "--output", file)
    assert said.code == Exit.ERROR and file.read_text() == "mine" and "--yes" in said.err
    assert json.loads(site("site", "generate", "--output", file, "--yes", "--json").out) == {"name": "x", "file": str(file), "gaps": []}
    assert json.loads(site("site", "show", file, "--json").out)["name"] == "x"
    assert [one.name for one in tmp_path.glob("*x.json*")] == ["x.json"]


def test_a_dash_prints_the_file_and_writes_nothing(site: Site, tmp_path: Path) -> None:
    said = site("site", "generate", "--output", "-")
    assert '"name": "hill"' in said.out
    assert not list(tmp_path.rglob("hill.json"))


@pytest.mark.parametrize("name", ["../x", "a b", ""])
def test_a_name_that_is_none_is_refused(site: Site, name: str) -> None:
    assert site("site", "generate", name).code == Exit.USAGE


def test_a_machine_that_was_generated_is_known_again(site: Site) -> None:
    site("site", "generate", "mine")
    said = site("site", "detect", "--json")
    assert [one["name"] for one in json.loads(said.out)["sites"]] == ["mine"]
    assert "slurm calls itself Hill.one" in site("site", "detect").out


def test_the_environment_tells_a_centre(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "user" / ".harvester_hpc" / "site_configs"
    folder.mkdir(parents=True)
    values = {"scheduler": "slurm", "queues": [{"name": "a"}], "detect": {"environment": {"CENTRE": "hill"}}}
    (folder / "told.json").write_text(json.dumps(values))
    assert json.loads(site("site", "detect", "--json").out)["sites"] == []
    monkeypatch.setenv("CENTRE", "hill")
    found = json.loads(site("site", "detect", "--json").out)
    assert found["sites"] == [{"name": "told", "reasons": ["CENTRE=hill"], "retired": False}]
    assert found["environment"]["CENTRE"] == "hill"


def test_without_a_site_that_fits_the_generic_one_is_named(site: Site) -> None:
    assert json.loads(site("site", "detect", "--json").out)["otherwise"] == {"name": "slurm-generic", "why": "slurm answers"}


def test_a_batch_system_that_is_down_is_told_and_nothing_else_is(site: Site, surveyor: FakeSurveyor, tmp_path: Path) -> None:
    surveyor.answer = "connection refused"
    assert "connection refused" in site("site", "detect").out
    for words in (["site", "generate"], ["site", "check", "slurm-generic"], ["init", tmp_path / "new"]):
        said = site(*words)
        assert (said.code, "connection refused" in said.err) == (Exit.BUSY, True), words
    assert not (tmp_path / "new").exists()


def test_what_would_fail_is_the_exit_code_of_check(site: Site, tmp_path: Path, surveyor: FakeSurveyor) -> None:
    site("site", "generate", "mine")
    surveyor.answer = dataclasses.replace(SURVEY, queues=SURVEY.queues[1:], gaps=("sinfo: slow",))
    said = site("site", "check", "mine")
    assert said.code == Exit.ERROR and "queues.batch" in said.out and "FAILS" in said.out
    assert "sinfo: slow" in said.err
    found = json.loads(site("site", "check", "mine", "--json").out)
    assert not found["usable"] and found["gaps"] == ["sinfo: slow"]
    surveyor.answer = dataclasses.replace(SURVEY, queues=(dataclasses.replace(SURVEY.queues[0], max_walltime_s=9000), *SURVEY.queues[1:]))
    assert site("site", "check", "mine").code == Exit.DONE


def test_by_default_the_instance_is_checked_with_what_its_user_wrote(site: Site, tmp_path: Path) -> None:
    assert site("init", tmp_path / "home").code == Exit.DONE
    assert site("site", "check", home=tmp_path / "home").out.rstrip().endswith("no difference")
    file = tmp_path / "home" / "harvester.json"
    file.write_text(file.read_text().replace('"facility": {', '"facility": {"account": "nosuch",'))
    said = site("site", "check", home=tmp_path / "home")
    assert said.code == Exit.ERROR and "nosuch" in said.out


def test_this_machine_has_no_batch_system_to_be_held_against(site: Site) -> None:
    assert site("site", "check", "local").code == Exit.DONE


def test_a_queue_is_matched_and_the_others_say_why_not(site: Site) -> None:
    site("site", "generate", "mine")
    said = site("site", "match", "--nodes", 2, "--hours", 1, "--site", "mine", "--json")
    found = json.loads(said.out)
    assert found["best"] == "batch"
    assert {row["queue"]: bool(row["why_not"]) for row in found["queues"]} == {"batch": False, "gpu": True}
    assert site("site", "match", "--nodes", 99, "--site", "mine").code == Exit.NOTHING
    assert json.loads(site("site", "match", "--nodes", 1, "--gpus", 4, "--site", "mine", "--json").out)["best"] == "gpu"
    assert "best" in site("site", "match", "--nodes", 1, "--site", "mine").out


def test_an_instance_is_made_for_the_batch_system_that_is_here(site: Site, tmp_path: Path) -> None:
    said = site("init", tmp_path / "home", "--partition", "gpu")
    assert said.code == Exit.DONE, said.err
    configuration = load(tmp_path / "home")
    assert configuration.facility.name == "hill"
    assert (tmp_path / "home" / "site_configs" / "hill.json").is_file()
    assert [queue.name for queue in configuration.facility.queues] == ["batch", "gpu"]
    assert next(iter(configuration.queues.values())).queue.resources.batch_queue == "gpu"


def test_an_instance_where_nothing_is_is_made_for_this_machine(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "surveyors", dict)
    assert site("init", tmp_path / "home").code == Exit.DONE
    assert load(tmp_path / "home").facility.scheduler == "local"


def test_without_an_instance_or_a_site_that_fits_one_must_be_named(site: Site) -> None:
    said = site("site", "match", "--nodes", 1)
    assert said.code == Exit.ERROR and "site list" in said.err


def test_a_batch_system_without_a_queue_for_the_user_makes_no_file(site: Site, surveyor: FakeSurveyor, tmp_path: Path) -> None:
    surveyor.answer = dataclasses.replace(SURVEY, queues=SURVEY.queues[2:])
    said = site("site", "generate")
    assert said.code == Exit.ERROR and "for root only" in said.err
    assert not list(tmp_path.rglob("*.json"))


def test_a_site_can_be_made_where_the_instance_is_to_be(site: Site, tmp_path: Path) -> None:
    home = tmp_path / "later"
    assert site("site", "generate", "mine", home=home).code == Exit.DONE
    assert (home / "site_configs" / "mine.json").is_file()
    assert site("init", "--site", "mine", home=home).code == Exit.DONE
    assert load(home).facility.name == "mine"


def test_an_instance_that_was_named_and_is_not_there_is_not_checked(site: Site, tmp_path: Path) -> None:
    assert site("site", "check", home=tmp_path / "nowhere").code == Exit.ERROR


def test_hostile_names_of_queues_stay_text(site: Site, surveyor: FakeSurveyor, tmp_path: Path) -> None:
    odd = SurveyedQueue(name="a", is_default=True, nodes=(KIND,)), SurveyedQueue(name='x", "y', closed_to_me='no\n  "scheduler": "pbs"')
    surveyor.answer = dataclasses.replace(SURVEY, queues=odd, accounts=(), identity=Identity(scheduler="slurm", cluster="../\n{x"))
    assert site("site", "generate", "odd").code == Exit.DONE
    assert [queue["name"] for queue in _values(tmp_path, "odd")["queues"]] == ["a"]


def _values(tmp_path: Path, name: str) -> dict[str, list[dict[str, object]]]:
    from harvester_hpc.config.source import read

    try:
        return dict(read(tmp_path / "user" / ".harvester_hpc" / "site_configs" / f"{name}.json").values)
    except ConfigurationError as error:
        raise AssertionError(str(error)) from error
