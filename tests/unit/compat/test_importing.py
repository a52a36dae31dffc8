"""Imports of published plugins find our modules, and never hide the real ones."""
from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from harvester_compat.names import MODULES

#: Runs in a process of its own: what is imported stays imported.
SCRIPT = """
import importlib, json, sys
from harvester_compat import importing
importing.install(); importing.install()
{body}
"""


def run(body: str, *, path: str = "") -> str:
    environment = {"PYTHONPATH": path, "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-W", "error", "-c", SCRIPT.format(body=body)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_every_module_can_be_imported_alone_in_any_order() -> None:
    for names in (sorted(MODULES), sorted(MODULES, reverse=True)):
        body = f"for name in {names!r}: importlib.import_module(name)\nprint(len(set(sys.modules) & set({names!r})))"
        assert run(body) == str(len(MODULES))


def test_a_class_is_the_same_under_each_name() -> None:
    body = (
        "from pandaharvester.harvestercore.work_spec import WorkSpec\nimport harvester_compat.api.work_spec as ours\n"
        "import pandaharvester.harvestercore.work_spec as theirs\n"
        "print(WorkSpec is ours.WorkSpec is theirs.WorkSpec, theirs.__name__, theirs.__spec__.name)"
    )
    assert run(body) == "True pandaharvester.harvestercore.work_spec pandaharvester.harvestercore.work_spec"


def test_an_unknown_module_is_missing_by_its_name() -> None:
    body = "try:\n    import pandaharvester.harvestercore.no_such\nexcept ModuleNotFoundError as error:\n    print(error.name)"
    assert run(body) == "pandaharvester.harvestercore.no_such"


def test_an_installed_package_is_left_alone(tmp_path: Path) -> None:
    core = tmp_path / "pandaharvester" / "harvestercore"
    core.mkdir(parents=True)
    (tmp_path / "pandaharvester" / "__init__.py").write_text("")
    (core / "__init__.py").write_text("")
    (core / "work_spec.py").write_text("class WorkSpec:\n    real = True\n")
    body = (
        "from pandaharvester.harvestercore.work_spec import WorkSpec\nfound = [WorkSpec.real]\n"
        "try:\n    import pandaharvester.harvestercore.core_utils\nexcept ModuleNotFoundError:\n    found.append('not mixed')\n"
        "import pandalogger.PandaLogger\nprint(json.dumps(found))"
    )
    assert json.loads(run(body, path=str(tmp_path))) == [True, "not mixed"]


def test_nothing_is_changed_before_a_plugin_wants_it() -> None:
    body = (
        "import sys; import harvester_hpc.registry, harvester_compat.adapter\n"
        "print([type(one).__name__ for one in sys.meta_path].count('Finder'))"
    )
    done = subprocess.run([sys.executable, "-c", body], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "0"
