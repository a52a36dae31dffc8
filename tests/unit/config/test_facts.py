"""Where a value comes from: said in the file, held against it, and not claimed for what the user has changed."""
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.config.load import load
from harvester_hpc.config.site_file import Site, site_named
from harvester_hpc.errors import ConfigurationError

SITE: dict[str, Any] = {
    "scheduler": "slurm", "node": {"cores": 4, "gpus": 1}, "checked": "2026-11-21", "sources": {"guide": "the guide", "wiki": "the wiki"},
    "queues": [{"name": "batch", "maxNodes": 4, "maxWalltime": 60}],
    "facts": {
        "queues.batch": {"by": "facility", "source": "guide, wiki", "checked": "2026-01-02", "note": "see there"},
        "queues.batch.maxWalltime": {"by": "recalled"},
        "node": {"by": "others", "source": "wiki"},
    },
}


def site(home: Path, *files: dict[str, Any]) -> Site:
    """Return the last of some files, each of which extends the one before."""
    (home / "site_configs").mkdir(exist_ok=True)
    for number, values in enumerate(files):
        extended = {"extends": f"s{number - 1}"} if number else {}
        (home / "site_configs" / f"s{number}.json").write_text(json.dumps({**extended, **values}))
    return site_named(f"s{len(files) - 1}", home, {})


def told(one: Site) -> dict[str, tuple[str, str]]:
    return {path: (fact.by, fact.checked) if fact else ("", "") for path, _, fact in one.facts.told()}


def test_the_nearest_path_counts(tmp_path: Path) -> None:
    found = told(site(tmp_path, SITE))
    assert found["queues.batch.maxNodes"] == ("facility", "2026-01-02")
    assert found["queues.batch.maxWalltime"] == ("recalled", "")
    assert found["node.cores"] == ("others", "2026-11-21")
    assert found["scheduler"] == ("", "")


def test_documents_and_notes_are_told(tmp_path: Path) -> None:
    one = site(tmp_path, SITE)
    fact = one.facts.of(("queues", 0, "maxNodes"))
    assert fact is not None
    assert (fact.documents, fact.note) == (("the guide", "the wiki"), "see there")


def test_what_a_file_above_has_changed_is_no_fact_of_the_one_below(tmp_path: Path) -> None:
    found = told(site(tmp_path, SITE, {"node": {"cores": 8}}))
    assert found["node.cores"] == ("", "")
    assert found["node.gpus"] == ("others", "2026-11-21")
    found = told(site(tmp_path, SITE, {"queues": [{"name": "other", "maxNodes": 1}]}))
    assert found["queues.other.maxNodes"] == ("", "")
    assert "queues.batch.maxNodes" not in found


def test_a_file_above_may_say_where_its_own_comes_from(tmp_path: Path) -> None:
    above = {"node": {"cores": 8}, "checked": "2027-01-01", "facts": {"node.cores": {"by": "facility", "source": "guide"}}}
    one = site(tmp_path, SITE, above)
    assert not one.problems
    assert told(one)["node.cores"] == ("facility", "2027-01-01")


@pytest.mark.parametrize(
    ("path", "said", "message"),
    [
        ("queues.batch.maxNode", {"by": "recalled"}, "is about nothing that stands in the file (did you mean 'queues.batch.maxNodes'?)"),
        ("queues.btch", {"by": "recalled"}, "is about nothing that stands in the file (did you mean 'queues.batch'?)"),
        ("nothing", {"by": "recalled"}, "is about nothing"),
        ("node", {"by": "facility"}, "names no source; or say that it is recalled"),
        ("node", {"by": "facility", "source": "gide"}, "no source 'gide'; there is: guide, wiki (did you mean 'guide'?)"),
        ("node", {"by": "hearsay", "source": "guide"}, "must be 'facility', 'others' or 'recalled'"),
        ("node", {"source": "guide"}, "by: is missing"),
        ("node", {"by": "facility", "source": "guide", "checked": "yesterday"}, "has characters that it must not have"),
        ("node", {"by": "facility", "source": "guide", "since": "2026"}, "unknown key"),
    ],
)
def test_a_fact_about_nothing_or_from_nowhere_is_a_problem(tmp_path: Path, path: str, said: dict[str, str], message: str) -> None:
    one = site(tmp_path, {**SITE, "facts": {path: said}})
    assert any(message in str(problem) for problem in one.problems), one.problems
    (tmp_path / "harvester.json").write_text(json.dumps({"extends": "s0", "queues": {"Q": {}}}))
    with pytest.raises(ConfigurationError) as raised:
        load(tmp_path, {})
    assert any(message in str(problem) for problem in raised.value.problems)


def test_a_user_who_replaces_the_queues_hears_nothing_of_their_facts(tmp_path: Path) -> None:
    site(tmp_path, SITE)
    (tmp_path / "harvester.json").write_text(json.dumps({
        "extends": "s0", "facility": {"queues": [{"name": "mine"}]},
        "queues": {"Q": {kind: {"name": "x"} for kind in (
            "preparator", "workerMaker", "submitter", "messenger", "monitor", "stager", "sweeper",
        )}},
    }))
    assert load(tmp_path, {}).facility.queues[0].name == "mine"


def test_a_site_that_is_not_there_is_answered_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'frontier'"):
        site_named("fronteer", tmp_path, {})


def test_variables_of_another_machine_are_no_problem_of_its_file(tmp_path: Path) -> None:
    one = site(tmp_path, {**SITE, "workDir": "$NOT_HERE/work", "fileSystems": [{"path": "$NOT_HERE"}]})
    assert not one.problems
