"""Parts of the configuration that lie elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.config.address import Access, problem
from harvester_hpc.config.fetch import fetch
from harvester_hpc.config.load import load
from harvester_hpc.config.reading import Reading, read
from harvester_hpc.config.remote import addresses, keep
from harvester_hpc.config.values import Configuration
from harvester_hpc.errors import ConfigurationError, Unavailable
from tests.unit.config.instance import ENVIRON, write
from tests.web_files import WebFiles, web_files

QUEUES = {"Q": {"maxWorkers": 3}, "R": {"maxWorkers": 4, "nQueueLimitWorker": 9}}
NOW = 1000.0


@pytest.fixture
def web() -> Iterator[WebFiles]:
    with web_files() as served:
        served.text["/q"] = json.dumps(QUEUES)
        yield served


def home_of(path: Path, own: dict[str, Any]) -> Path:
    return write(path, {"extends": "here", **own})


def kept(home: Path, environ: dict[str, str]) -> Reading:
    found = read(home, environ, NOW)
    found.folder.parent.mkdir(exist_ok=True)
    keep(found.folder, found.fresh)
    return found


def limits(configuration: Configuration) -> dict[str, int]:
    return {name: queue.queue.max_workers for name, queue in configuration.queues.items()}


def test_what_the_users_own_file_says_wins_value_by_value(tmp_path: Path, web: WebFiles) -> None:
    home = home_of(tmp_path, {"queues": {"R": {"maxWorkers": 5}, "S": {}}, "remote": {"queues": f"{web.url}/q"}})
    found = read(home, ENVIRON, NOW)
    assert limits(found.configuration) == {"Q": 3, "R": 5, "S": 0}
    assert found.configuration.queues["R"].queue.limit_queued_workers == 9
    assert found.configuration.remote == (f"{web.url}/q",)
    assert found.configuration.origins["queues", "R", "nQueueLimitWorker"] == f"{web.url}/q: R.nQueueLimitWorker"
    assert found.configuration.origins["queues", "R", "maxWorkers"] == f"{home}/harvester.json: queues.R.maxWorkers"


def test_the_published_variables_name_the_files(tmp_path: Path, web: WebFiles) -> None:
    web.text["/i"] = json.dumps({"instance": "theirs", "agents": {"batch": 7}, "queueList": ["Q"]})
    home = home_of(tmp_path, {"agents": {"pool": 2}})
    environ = {**ENVIRON, "HARVESTER_QUEUE_CONFIG_URL": f"{web.url}/q", "HARVESTER_INSTANCE_CONFIG_URL": f"{web.url}/i"}
    found = read(home, environ, NOW).configuration
    assert (found.instance, found.agents.batch, found.agents.pool) == ("theirs", 7, 2)
    assert limits(found) == {"Q": 3}


def test_a_file_address_does_as_well(tmp_path: Path) -> None:
    (tmp_path / "pool.json").write_text(json.dumps({"queues": QUEUES, "queueList": ["R"]}))
    home = home_of(tmp_path / "home", {"remote": {"queues": f"file://{tmp_path}/pool.json"}})
    assert limits(read(home, ENVIRON, NOW).configuration) == {"R": 4}


def test_a_queue_file_of_the_existing_harvester_is_read(tmp_path: Path, web: WebFiles) -> None:
    web.text["/q"] = (Path(__file__).parent / "existing" / "panda_queueconfig.json").read_text()
    web.text["/i"] = "[master]\nharvester_id = theirs\n[qconf]\nqueueList =\n  MY_QUEUE\n[sweeper]\nkeepFinished = 5\n"
    home = home_of(tmp_path, {
        "remote": {"queues": f"{web.url}/q", "instance": f"{web.url}/i"}, "queues": {"MY_QUEUE": {"maxWorkers": 2, "common": {}}},
    })
    found = read(home, ENVIRON, NOW).configuration
    queue = found.queues["MY_QUEUE"]
    assert (found.instance, queue.queue.max_workers, queue.queue.access_point) == ("theirs", 2, "/scratch/${workerID}")
    assert queue.queue.keep_s is not None
    assert queue.queue.keep_s["finished"] == 5 * 3600
    assert queue.sections["messenger"]["name"] == "shared_file"


@pytest.mark.parametrize(("fault", "words"), [
    ("500", "the server says 500"), ("half", "came only in part"), ("away", "is not allowed"),
])
def test_a_server_that_fails_is_told_and_the_copy_from_before_counts(tmp_path: Path, web: WebFiles, fault: str, words: str) -> None:
    home = home_of(tmp_path, {"remote": {"queues": f"{web.url}/q"}})
    kept(home, dict(ENVIRON))
    web.fault, web.text["/q"] = fault, json.dumps({"Q": {"maxWorkers": 99}})
    found = read(home, ENVIRON, NOW)
    assert limits(found.configuration) == {"Q": 3, "R": 4}
    assert words in found.trouble
    assert found.fresh == ()


@pytest.mark.parametrize("text", [
    '{"Q": {"maxWorkers": 99}', "<html>moved</html>", "[]",
    '{"Q": {"maxWorker": 99}}', '{"Q": 7}', '{"Q": {"templateQueueName": "T"}}', "{}",
    '{"Q": {"templateQueueName": ["T"]}, "R": {"monitor": {"module": "pandaharvester.harvestermonitor.slurm_monitor", "name": "M"}}}',
])
def test_a_file_that_cannot_be_used_is_told_and_the_copy_from_before_counts(tmp_path: Path, web: WebFiles, text: str) -> None:
    home = home_of(tmp_path, {"remote": {"queues": f"{web.url}/q"}})
    kept(home, dict(ENVIRON))
    web.text["/q"] = text
    found = read(home, ENVIRON, NOW)
    assert limits(found.configuration) == {"Q": 3, "R": 4}
    assert "a remote file cannot be used" in found.trouble
    assert found.fresh == ()
    assert limits(load(home, ENVIRON)) == {"Q": 3, "R": 4}, "what others read is not touched"


def test_without_a_copy_it_is_an_error_that_names_the_address(tmp_path: Path, web: WebFiles) -> None:
    home = home_of(tmp_path, {"remote": {"queues": f"{web.url}/none"}})
    with pytest.raises(ConfigurationError, match=r"/none cannot be had.*404"):
        read(home, ENVIRON, NOW)


def test_a_copy_counts_for_its_own_address_only(tmp_path: Path, web: WebFiles) -> None:
    home = home_of(tmp_path, {"remote": {"queues": f"{web.url}/q"}})
    kept(home, dict(ENVIRON))
    home_of(tmp_path, {"remote": {"queues": f"{web.url}/other"}})
    with pytest.raises(ConfigurationError, match="/other"):
        read(home, ENVIRON, NOW)


@pytest.mark.parametrize("copy", ["", "{", "[]", '{"what": "queues"}', '{"what": "queues", "url": "x", "text": 5, "fetched": 1}'])
def test_a_damaged_copy_is_none(tmp_path: Path, web: WebFiles, copy: str) -> None:
    home = home_of(tmp_path, {"remote": {"queues": f"{web.url}/q"}})
    kept(home, dict(ENVIRON))
    (tmp_path / "state" / "remote" / "queues.json").write_text(copy)
    assert addresses(home, ENVIRON).kept("queues") is None
    assert limits(read(home, ENVIRON, NOW).configuration) == {"Q": 3, "R": 4}


def test_while_it_runs_the_instances_own_file_stays_as_it_was(tmp_path: Path, web: WebFiles) -> None:
    web.text["/i"] = json.dumps({"instance": "first"})
    home = home_of(tmp_path, {"remote": {"queues": f"{web.url}/q", "instance": f"{web.url}/i"}})
    kept(home, dict(ENVIRON))
    web.text["/i"] = json.dumps({"instance": "second"})
    assert read(home, ENVIRON, NOW, again=True).configuration.instance == "first"
    assert read(home, ENVIRON, NOW).configuration.instance == "second"


def test_a_token_goes_to_the_server_and_over_https_only(tmp_path: Path, web: WebFiles) -> None:
    web.token = "secret-word"
    secret = tmp_path / "token"
    secret.write_text("secret-word\n")
    secret.chmod(0o600)
    access = Access(token_file=str(secret))
    assert json.loads(fetch(f"{web.url}/q", access)) == QUEUES
    with pytest.raises(Unavailable, match="401"):
        fetch(f"{web.url}/q", Access())
    assert problem("http://far.example/q", access) == "a credential goes over https only"
    assert problem("http://far.example/q", Access()) == ""


@pytest.mark.parametrize("url", ["ftp://a/b", "x", "https://", "https://me:word@a/b", "file://far/x", "file:x", "data:,x"])
def test_an_address_that_cannot_be_is_refused(tmp_path: Path, url: str) -> None:
    assert problem(url, Access())
    with pytest.raises(ConfigurationError, match=r"remote\.queues"):
        read(home_of(tmp_path, {"remote": {"queues": url}}), ENVIRON, NOW)


def test_a_file_is_bounded_in_size_and_time(tmp_path: Path, web: WebFiles) -> None:
    with pytest.raises(Unavailable, match="too large"):
        fetch(f"{web.url}/q", Access(most=10))
    large = tmp_path / "large"
    large.write_text("x" * 11)
    with pytest.raises(Unavailable, match="too large"):
        fetch(f"file://{large}", Access(most=10))
    web.fault = "slow"
    with pytest.raises(Unavailable, match="takes too long"):
        fetch(f"{web.url}/q", Access(timeout_s=0.1))


def test_what_is_needed_to_find_the_files_stands_in_the_own_file_only(tmp_path: Path, web: WebFiles) -> None:
    web.text["/i"] = json.dumps({"stateDir": "/elsewhere"})
    home = home_of(tmp_path, {"queues": {"Q": {}}, "remote": {"instance": f"{web.url}/i"}})
    with pytest.raises(ConfigurationError, match="/i: stateDir: stands in the user's own file only"):
        read(home, ENVIRON, NOW)
