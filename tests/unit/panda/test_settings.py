"""A section that cannot work is refused before the daemon starts."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.errors import ConfigurationError
from harvester_hpc.model.facility import Facility
from harvester_hpc.ports.context import Context
from harvester_hpc.registry import Registry
from harvester_panda.communicator import PandaCommunicator

GOOD: dict[str, Any] = {
    "name": "panda", "url": "https://pandaserver.cern.ch:25443/server/panda", "tokenFile": "/t", "origin": "atlas.production",
}


def _load(folder: Path, section: dict[str, Any]) -> Any:
    context = Context(instance="i", tag="abcde", state_dir=folder, facility=Facility(name="here", scheduler="local"))
    return Registry().load("communicator", section, context, where="harvester.json: communicator")


def test_a_good_section_makes_a_communicator_without_asking_anybody(tmp_path: Path) -> None:
    made = _load(tmp_path, GOOD)
    assert isinstance(made, PandaCommunicator)
    address = made.settings.address()
    assert (address.host, address.port, address.secure) == ("pandaserver.cern.ch", 25443, True)


@pytest.mark.parametrize(("change", "said"), [
    ({"url": "http://pandaserver.cern.ch"}, "must be https"), ({"url": "pandaserver.cern.ch"}, "must look like"),
    ({"url": "https://x/other"}, "more than scheme"), ({"url": "https://x:port"}, "url"), ({"dialect": "v2"}, "one of ask, v1, old"),
    ({"tokenFile": "token"}, "absolute"), ({"origin": ""}, "origin"), ({"origin": "a b"}, "origin"), ({"tokenFile": ""}, "who we are"),
    ({"proxyFile": "/p"}, "only one"), ({"certificateFile": "/c"}, "go together"), ({"caFile": "/nowhere"}, "no file"),
    ({"jobsPerCall": 0}, "jobsPerCall"), ({"readS": 0.0}, "readS"), ({"objectStore": -1}, "objectStore"),
    ({"objectStores": {"RSE": 0}}, "objectStores"), ({"pathConvention": -1}, "pathConvention"), ({"proxy": "socks5://p:1"}, "proxy"),
    ({"tokenfile": "/t"}, "tokenFile"), ({"itemsPerCall": "100"}, "whole number"),
])
def test_a_bad_one_says_which_key_and_why(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        _load(tmp_path, {**GOOD, **change})
    assert any(said in line for line in caught.value.problems), caught.value.problems
    assert all(line.startswith("harvester.json: communicator") for line in caught.value.problems)
