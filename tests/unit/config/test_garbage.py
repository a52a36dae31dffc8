"""Whatever a file holds, the only error is ours."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harvester_hpc.config.load import load
from harvester_hpc.config.locate import state_dir
from harvester_hpc.config.show import show
from harvester_hpc.errors import ConfigurationError
from tests.unit.config.instance import ENVIRON, SITE, write

WHOLE: dict[str, Any] = {
    "extends": "here", "instance": "me", "stateDir": "state", "facility": {"node": {"cores": 8}, "attributes": {"a": None}},
    "communicator": {"name": "local"}, "agents": {"monitor": {"period": 3}, "leaseBeat": 5},
    "queues": {
        "Q": {
            "maxWorkers": 4, "getJobCriteria": {"a": "b"}, "mapType": "OneToOne", "resources": {"nodes": 2, "walltime": "1:00:00"},
            "messenger": {"name": "x", "accessPoint": "/nowhere/${queueName}/${workerID}"}, "common": {}, "zipPerMB": None,
        },
        "P": {},
    },
}  # fmt: skip
ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 10**30, -(10**30), 1e308, 5e-324, 0.5, "", " ", "$", "$$", "${", "${}", "$HOME", "${workerID}", "/",
    "..", "~",
    "~root", "x" * 300,
    "/" + "x" * 5000, "\0", "\n", "\ud800", "\U0001f600", [], [[]], [None], {}, {"": {}}, {"name": 1},
    {"name": "x", "module": 2},
    {"name": []}, "here", "local", "nul\0.json", "0:00:01", "99-99:99:99", [1, "a", {}], {"a": {"b": {"c": [1]}}},
)  # fmt: skip


def ways(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield way
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in inner:
        yield from ways(member, (*way, key))


def replaced(value: Any, way: tuple[Any, ...], odd: Any) -> Any:
    if not way:
        return odd
    changed = copy.deepcopy(value)
    inner = changed
    for key in way[:-1]:
        inner = inner[key]
    inner[way[-1]] = odd
    return changed


def read_all(home: Path) -> bool:
    """Tell whether the instance in ``home`` has a configuration; any error but ours goes through."""
    try:
        show(load(home, ENVIRON))
    except ConfigurationError as error:
        assert error.what
        assert "\n" not in "".join(error.problems)
        return False
    finally:
        try:
            state_dir(home, ENVIRON)
        except ConfigurationError as error:
            assert error.what
    return True


def test_any_value_in_any_place_of_both_files_gives_a_configuration_or_our_error(tmp_path: Path) -> None:
    assert read_all(write(tmp_path, WHOLE))
    refused = 0
    for odd in ODD:
        for way in ways(WHOLE):
            refused += not read_all(write(tmp_path, json.dumps(replaced(WHOLE, way, odd))))
        for way in ways(SITE):
            refused += not read_all(write(tmp_path, WHOLE, json.dumps(replaced(SITE, way, odd))))
    assert refused > 1000


def test_text_that_is_torn_or_typed_over_gives_a_configuration_or_our_error(tmp_path: Path) -> None:
    dice = random.Random(20261121)
    whole = json.dumps(WHOLE, indent=1)
    for _ in range(600):
        text = whole
        for _ in range(dice.randint(1, 4)):
            at, length = dice.randrange(len(text)), dice.choice((0, 1, 1, 5, 200))
            text = (
                text[:at]
                + dice.choice(('"', "{", "}", "[", "]", ",", ":", "//", "/*", "#", "\\", "$", "é", "1e9", "null", ""))
                + text[at + length :]
            )
        read_all(write(tmp_path, text))


def test_bytes_of_any_kind_give_our_error(tmp_path: Path) -> None:
    dice = random.Random(20261121)
    home = write(tmp_path, WHOLE)
    for length in (0, 1, 2, 10, 1000):
        for _ in range(20):
            (home / "harvester.json").write_bytes(dice.randbytes(length))
            assert not read_all(home)
