"""Which instance a command is about."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harvester_hpc.config.locate import find_home, state_dir
from harvester_hpc.errors import ConfigurationError


def instance(folder: Path, text: str = "{}") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "harvester.json").write_text(text)
    return folder


def test_the_nearest_way_to_name_an_instance_wins(tmp_path: Path) -> None:
    option, variable, above, fallback = (instance(tmp_path / name) for name in ("option", "variable", "above", "me/.harvester_hpc"))
    start = above / "a" / "b"
    start.mkdir(parents=True)
    alone = tmp_path / "alone"
    alone.mkdir()
    environ = {"HOME": str(tmp_path / "me"), "HARVESTER_HPC_HOME": str(variable)}
    assert find_home(str(option), environ, start=start) == option
    assert find_home(None, environ, start=start) == variable
    del environ["HARVESTER_HPC_HOME"]
    assert find_home(None, environ, start=start) == above
    assert find_home(None, environ, start=above) == above
    assert find_home(None, environ, start=alone) == fallback


def test_an_option_may_be_relative(tmp_path: Path) -> None:
    assert find_home("x/../y", {}, start=instance(tmp_path / "y").parent) == tmp_path / "y"


@pytest.mark.parametrize(
    ("option", "environ", "by"), [("nowhere", {}, "--home"), (None, {"HARVESTER_HPC_HOME": "nowhere"}, "$HARVESTER_HPC_HOME")]
)
def test_an_instance_that_is_named_and_not_there_is_not_passed_over(
    tmp_path: Path, option: str | None, environ: dict[str, str], by: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        find_home(option, environ, start=instance(tmp_path))
    assert caught.value.what == f"there is no harvester.json in {tmp_path}/nowhere, which {by} names"
    assert caught.value.remedy == "make one with: harvester-hpc init DIR"


def test_without_an_instance_the_remedy_is_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="harvester-hpc init DIR"):
        find_home(None, {"HOME": str(tmp_path)}, start=tmp_path)


@pytest.mark.parametrize(
    ("text", "folder"),
    [
        ("{}", "{home}/state"),
        ('{"stateDir": "here"} // relative', "{home}/here"),
        ('{"stateDir": "$LOCAL/${NAME}", "queues": {"wrong": 1}}', "/local/h1"),
        ('{"stateDir": "~/s"}', "/people/me/s"),
    ],
)
def test_the_state_folder_is_found_without_checking_the_rest(tmp_path: Path, text: str, folder: str) -> None:
    environ = {"LOCAL": "/local", "NAME": "h1", "HOME": "/people/me"}
    assert str(state_dir(instance(tmp_path, text), environ)) == folder.format(home=tmp_path)


@pytest.mark.parametrize("text", ['{"stateDir": 1}', '{"stateDir": ""}', '{"stateDir": "$NO"}', '{"stateDir": }', "[]"])
def test_a_state_folder_that_cannot_be_known_is_an_error_that_names_the_file(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"harvester\.json"):
        state_dir(instance(tmp_path, text), {})


def test_finding_an_instance_loads_no_heavy_library(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from harvester_hpc.config.locate import find_home, state_dir;"
        "state_dir(find_home(sys.argv[1], {}));"
        "print(sorted({'pydantic', 'importlib.metadata', 'asyncio', 'difflib'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"sys_path = {sys.path!r}; import sys; sys.path[:] = sys_path; {program}", str(instance(tmp_path))],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.strip() == "[]"
