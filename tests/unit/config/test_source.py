"""What a file that people write may look like."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from harvester_hpc.config.source import read
from harvester_hpc.errors import ConfigurationError


def content(folder: Path, text: str | bytes) -> dict[str, object]:
    document = read(written(folder, text))
    assert document.problems == ()
    return document.values


def written(folder: Path, text: str | bytes) -> Path:
    file = folder / "a.json"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return file


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1} // end',
        '// start\n{"a": 1}',
        '# start\n{"a": 1} # end',
        '{/* in */"a"/* the */:/* middle\nof */1}',
        '{"a": 1,}',
        '{"a": 1 , /* last */ // one\n }',
        '\ufeff{"a": 1}',
        '{"a": 1}\r\n',
    ],
)
def test_comments_and_trailing_commas_are_welcome(tmp_path: Path, text: str) -> None:
    assert content(tmp_path, text) == {"a": 1}


@pytest.mark.parametrize("text", ["https://a/b", "a # b", "/* no */", 'quote \\" // still', "back\\\\", "comma ,] ,}", "é 漢 😀"])
def test_what_stands_in_a_string_is_no_comment(tmp_path: Path, text: str) -> None:
    assert content(tmp_path, f'{{"a": "{text}", "b": ["{text}",],}}') == {"a": json.loads(f'"{text}"'), "b": [json.loads(f'"{text}"')]}


@pytest.mark.parametrize("text", ['{"a": [,]}', "{,}", '{"a": 1,,}', '{"a": [1,,2]}', '{"a": ,}', "[1,],"])
def test_a_comma_that_follows_nothing_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigurationError):
        read(written(tmp_path, text))


def test_an_error_names_file_line_and_column_of_the_file_as_it_is_written(tmp_path: Path) -> None:
    text = '{\n  // a remark\n  /* and\n one more */ "a": 1\n  "b": 2\n}'
    with pytest.raises(ConfigurationError) as caught:
        read(written(tmp_path, text))
    assert caught.value.what == f"{tmp_path}/a.json: line 5, column 3: is not JSON"
    assert "',' delimiter" in caught.value.why
    assert caught.value.remedy


def test_a_comment_that_never_ends_is_named_where_it_starts(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="line 2, column 4: is not JSON; a comment starts here"):
        read(written(tmp_path, '{"a": 1,\n   /* "b": 2}'))


def test_every_position_stays_when_comments_are_taken_out(tmp_path: Path) -> None:
    remark = "/* é\n\t, } */ # x\n // ,\n"
    for pieces in range(4):
        text = "{" + remark * pieces + '"a" 1}'
        line, column = text.count("\n") + 1, len(text) - text.rfind("\n") - 2
        with pytest.raises(ConfigurationError, match=re.escape(f"line {line}, column {column}:")):
            read(written(tmp_path, text))


def test_keys_that_stand_twice_are_problems_with_the_way_to_them(tmp_path: Path) -> None:
    document = read(written(tmp_path, '{"a": {"b": 1, "b": 2}, "c": [{"d": 1}, {"d": 1, "e": 0, "d": 3}], "a2": 1, "a2": 1}'))
    assert [problem.path for problem in document.problems] == ["a2", "a.b", "c[1].d"]
    assert all("twice" in problem.message and problem.file == f"{tmp_path}/a.json" for problem in document.problems)


def test_remarks_are_ignored_at_every_depth_even_twice(tmp_path: Path) -> None:
    text = '{"//": 1, "//": 2, "____comment_____useJobLateBinding": true, "a": [{"____comment": 1, "____comment": 2, "b": 1}]}'
    assert content(tmp_path, text) == {"a": [{"b": 1}]}


@pytest.mark.parametrize("text", ["[]", "1", '"text"', "null"])
def test_the_outermost_value_is_an_object(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigurationError, match="outermost value must be an object"):
        read(written(tmp_path, text))


def test_another_encoding_than_utf8_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="line 2: is not UTF-8; byte 9 is 0xe9; save it as UTF-8"):
        read(written(tmp_path, '{"a": \n"\xe9"}'.encode("latin-1").replace(b"{", b"{ ")))


@pytest.mark.parametrize(
    "text", ['{"a": NaN}', '{"a": -Infinity}', '{"a": ' + "9" * 5000 + "}", '{"a": ' * 100_000, '{"a": ' + "[" * 100_000], ids=range(5)
)
def test_what_python_would_take_and_json_does_not_know_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigurationError):
        read(written(tmp_path, text))


def test_text_that_no_file_system_could_hold_is_a_problem(tmp_path: Path) -> None:
    document = read(written(tmp_path, r'{"a": ["x", "nul\u0000"], "b": "\ud800", "c\udfff": 1}'))
    assert sorted(problem.path for problem in document.problems) == ["", "a[1]", "b"]


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no such file; make one with: harvester-hpc init DIR"):
        read(tmp_path / "none.json")
    with pytest.raises(ConfigurationError, match="cannot be read; Is a directory"):
        read(tmp_path)
