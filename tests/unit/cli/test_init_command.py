"""``init`` makes what the program reads, and overwrites nothing."""
from __future__ import annotations

from pathlib import Path

import pytest

from harvester_hpc.cli.exits import Exit
from harvester_hpc.cli.frame import run
from harvester_hpc.config.extends import facilities
from harvester_hpc.config.load import load
from harvester_hpc.errors import ConfigurationError


@pytest.mark.parametrize("site", facilities(Path("/nowhere")))
def test_what_it_makes_can_be_read_or_says_what_the_site_wants_to_know(tmp_path: Path, site: str) -> None:
    assert run(["init", str(tmp_path / "new" / "home"), "--site", site]) == Exit.DONE
    try:
        configuration = load(tmp_path / "new" / "home")
    except ConfigurationError as error:
        assert site not in ("local", "slurm-generic")
        assert all("takes no batch job without" in problem or "not yet supported" in problem for problem in error.problems)
        return
    assert configuration.facility.name == site
    assert list(configuration.queues) == [site.upper().replace("-", "_")]
    assert (configuration.state_dir.stat().st_mode & 0o777) == 0o700


def test_what_is_said_of_the_facility_stands_in_it(tmp_path: Path) -> None:
    options = ["--site", "slurm-generic", "--account", "m1", "--partition", "fast", "--work-dir", str(tmp_path / "w"), "--queue", "MINE"]
    run(["init", str(tmp_path / "home"), *options])
    configuration = load(tmp_path / "home")
    facility = configuration.facility
    assert (facility.account, facility.queues[0].name, facility.work_dir) == ("m1", "fast", str(tmp_path / "w"))
    assert list(configuration.queues) == ["MINE"]


def test_nothing_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "harvester.json"
    file.write_text("mine")
    assert run(["init", str(tmp_path)]) == Exit.ERROR
    assert file.read_text() == "mine"
    assert "there is an instance" in capsys.readouterr().err


def test_a_facility_that_there_is_not_is_answered_with_the_nearest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["init", str(tmp_path / "home"), "--site", "locl"]) == Exit.ERROR
    assert "did you mean 'local'?" in capsys.readouterr().err
    assert not (tmp_path / "home").exists()


def test_the_folder_may_come_from_the_global_option(tmp_path: Path) -> None:
    assert run(["--home", str(tmp_path / "home"), "init"]) == Exit.DONE
    assert (tmp_path / "home" / "harvester.json").is_file()


def test_a_partition_of_the_site_keeps_its_limits_and_another_one_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = ["--site", "frontier", "--account", "abc", "--work-dir", str(tmp_path / "w")]
    run(["init", str(tmp_path / "known"), *common, "--partition", "extended"])
    facility = load(tmp_path / "known").facility
    assert len(facility.queues) > 1
    assert "knows no batch queue" not in capsys.readouterr().out
    run(["init", str(tmp_path / "typo"), *common, "--partition", "extendd"])
    assert "knows no batch queue 'extendd' (did you mean 'extended'?)" in capsys.readouterr().out
