"""Variables of the environment in values."""

from __future__ import annotations

from pathlib import Path

import pytest

from harvester_hpc.config.expand import PLACEHOLDERS, absolute, expanded, expanded_values

ENVIRON = {"A": "one", "LONG_1": "$A", "HOME": "/people/me", "workerID": "wrong"}


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("$A", "one"),
        ("${A}", "one"),
        ("x${A}y$A/$A", "xoney" + "one/one"),
        ("$LONG_1", "$A"),  # what a variable holds is not expanded again
        ("$$A", "$A"),
        ("$${A}", "${A}"),
        ("$$$A", "$one"),
        ("ends with $", "ends with $"),
        (r"-\d+$", r"-\d+$"),
        ("$5 $( $)", "$5 $( $)"),
        ("${_workerID_3.2}/${common.x}", "${_workerID_3.2}/${common.x}"),
    ],
)
def test_variables_are_replaced_once(text: str, result: str) -> None:
    assert expanded(text, ENVIRON) == (result, ())


@pytest.mark.parametrize("name", sorted(PLACEHOLDERS))
def test_our_placeholders_stay_even_if_the_environment_has_the_name(name: str) -> None:
    assert expanded(f"a/${{{name}}}", {**ENVIRON, name: "wrong"}) == (f"a/${{{name}}}", ())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("$HOMES", "no variable HOMES (did you mean 'HOME'?)"),
        ("${B}", "no variable B;"),
        ("${A:-x}", "${A:-x} is neither"),
        ("${}", "${} is neither"),
        ("$queueName", "$queueName is written ${queueName} with braces"),
        ("${workerId}", "no variable workerId (did you mean 'workerID'?)"),
    ],
)
def test_a_variable_that_is_not_there_is_a_trouble_and_stays(text: str, said: str) -> None:
    result, troubles = expanded(text, ENVIRON)
    assert result == text
    assert len(troubles) == 1
    assert said in troubles[0]


def test_every_string_is_expanded_at_every_depth_and_nothing_else() -> None:
    value = {"$A": ["$A", {"b": "$A"}], "n": 1, "t": True, "z": None}
    assert expanded_values(value, ENVIRON) == ({"$A": ["one", {"b": "one"}], "n": 1, "t": True, "z": None}, [])


def test_troubles_know_the_way() -> None:
    _, findings = expanded_values({"a": [{"b": "$NO $NOPE"}]}, ENVIRON)
    assert [finding.keys for finding in findings] == [("a", 0, "b"), ("a", 0, "b")]


def test_members_that_are_left_alone_stay_as_they_are() -> None:
    value = {"prologue": ["export X=$NODE_VARIABLE"], "a": {"prologue": "$A"}}
    assert expanded_values(value, ENVIRON, but={"prologue"}) == ({"prologue": ["export X=$NODE_VARIABLE"], "a": {"prologue": "one"}}, [])


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("x", "/base/x"),
        ("/x/../y", "/y"),
        ("~", "/people/me"),
        ("~/x", "/people/me/x"),
        ("../x", "/x"),
        ("//x//y/", "/x/y"),
        ("~x", "/base/~x"),
    ],
)
def test_a_path_becomes_absolute(text: str, result: str) -> None:
    assert absolute(text, Path("/base"), ENVIRON) == Path(result)
