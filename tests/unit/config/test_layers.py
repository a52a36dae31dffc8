"""Values laid over each other."""

from __future__ import annotations

from typing import Any

from harvester_hpc.config.layers import Layer, stacked
from harvester_hpc.config.problems import Place


def layer(file: str, **values: Any) -> Layer:
    return Layer(place=Place(file=file, keys=("top",)), values=values)


def test_the_later_wins_and_objects_are_merged() -> None:
    low = layer("low", a={"x": 1, "y": {"z": 2}}, b=[1, 2], c="low", d={"gone": 1})
    high = layer("high", a={"y": {"w": 3}}, b=[3], c=None, d="text")
    assert stacked([low, high]).values == {"a": {"x": 1, "y": {"z": 2, "w": 3}}, "b": [3], "c": None, "d": "text"}


def test_layers_are_not_changed_by_being_stacked() -> None:
    low, high = layer("low", a={"x": {"y": 1}}), layer("high", a={"x": {"y": 2}})
    stacked([low, high])
    assert low.values == {"a": {"x": {"y": 1}}}


def test_each_value_knows_its_file() -> None:
    stack = stacked([layer("low", a={"x": 1, "y": 2}, l=[{"n": 1}]), layer("high", a={"y": 3}, b=1)])
    where = {way: str(stack.place(way)) for way in [("a", "x"), ("a", "y"), ("l", 0, "n"), ("b",), ("missing", "deep")]}
    assert where == {
        ("a", "x"): "low: top.a.x",
        ("a", "y"): "high: top.a.y",
        ("l", 0, "n"): "low: top.l[0].n",
        ("b",): "high: top.b",
        ("missing", "deep"): "high: top.missing.deep",
    }


def test_an_object_that_replaces_another_leaves_nothing_of_it() -> None:
    low, high = layer("low", s={"name": "a", "x": 1}), layer("high", s={"name": "b"})
    stack = stacked([low, high], lambda keys, below, above: keys == ("s",) and below["name"] != above["name"])
    assert stack.values == {"s": {"name": "b"}}
    assert str(stack.place(("s", "x"))) == "high: top.s.x"
