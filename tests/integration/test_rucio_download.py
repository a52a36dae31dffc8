"""Inputs from a real Rucio server: from the first replica that gives them whole."""
from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from harvester_hpc.errors import Unavailable
from harvester_hpc.model.transfer import Direction, Item, Parcel
from harvester_hpc.ports.carrier import ItemEnd
from harvester_hpc.ports.outcome import Failed
from harvester_hpc.testing.rucio import RucioServer
from harvester_rucio.download import RucioDownload
from harvester_rucio.placing import part_of
from tests.rucio_site import AWAY, MOUNTS, SITE, SOURCE, View, context, copied, parcel, routed, section

#: One server for all of them, and one process that asks it.
pytestmark = pytest.mark.xdist_group("rucio")


@pytest.fixture
def mark() -> str:
    """A word that no other test's names have."""
    return f"d{uuid4().hex[:10]}"


@pytest.fixture
def view(rucio: RucioServer) -> View:
    return View(rucio)


@pytest.fixture(params=[MOUNTS, {}], ids=["mounted", "by protocol"])
def mounts(request: pytest.FixtureRequest) -> dict[str, str]:
    return dict(request.param)


def downloader(rucio: RucioServer, folder: Path, **more: Any) -> RucioDownload:
    settings = RucioDownload.Settings(**{**section(rucio), "mounts": MOUNTS, **more})
    assert settings.problems() == ()
    return RucioDownload(settings, context(folder))


def wanted(number: int, lfn: str, folder: Path, **more: Any) -> Parcel:
    return parcel(number, lfn, Direction.IN, **{"target": str(folder / "cache" / f"{number}" / lfn), **more})


def content(item: Item) -> bytes | None:
    path = Path(item.parcel.target)
    return path.read_bytes() if path.exists() else None


def test_inputs_are_whole_at_their_targets_with_nothing_beside_them(
    rucio: RucioServer, view: View, tmp_path: Path, mark: str, mounts: dict[str, str]
) -> None:
    plugin = downloader(rucio, tmp_path, mounts=mounts)
    view.put(SOURCE, f"{mark}.one", b"one" * 1000)
    view.put(AWAY, f"{mark}.two", b"")
    items = routed(plugin, [wanted(1, f"{mark}.one", tmp_path), wanted(2, f"{mark}.two", tmp_path)])
    done = copied(plugin, items)
    assert done.parked is None
    assert [content(item) for item in items] == [b"one" * 1000, b""]
    assert {(news.end, news.verified) for news in done.news.values()} == {(ItemEnd.MOVED, True)}
    assert done.news[f"{mark}.one"].checksum.removeprefix("ad:") == view.known(f"{mark}.one")[1]
    assert [len(list(Path(item.parcel.target).parent.iterdir())) for item in items] == [1, 1]


def test_a_corrupt_or_missing_replica_is_passed_over_for_a_good_one(
    rucio: RucioServer, view: View, tmp_path: Path, mark: str, mounts: dict[str, str]
) -> None:
    plugin = downloader(rucio, tmp_path, mounts=mounts)
    for rse in (AWAY, SITE, SOURCE):
        view.put(rse, mark, b"the true content")
    view.path(AWAY, mark).write_bytes(b"the lies content")
    view.path(SITE, mark).unlink()
    items = routed(plugin, [wanted(1, mark, tmp_path)])
    assert copied(plugin, items).news[mark].end is ItemEnd.MOVED
    assert content(items[0]) == b"the true content"


def test_a_file_with_no_good_replica_is_tried_again_alone_and_leaves_nothing(
    rucio: RucioServer, view: View, tmp_path: Path, mark: str, mounts: dict[str, str]
) -> None:
    plugin = downloader(rucio, tmp_path, mounts=mounts)
    for name in ("corrupt", "missing", "good"):
        view.put(SOURCE, f"{mark}.{name}", b"the true content")
    view.path(SOURCE, f"{mark}.corrupt").write_bytes(b"the lies content")
    view.path(SOURCE, f"{mark}.missing").unlink()
    items = routed(plugin, [wanted(n, f"{mark}.{name}", tmp_path) for n, name in enumerate(("corrupt", "missing", "good"))])
    done = copied(plugin, items)
    assert {name.partition(".")[2]: news.end for name, news in done.news.items()} == {
        "corrupt": ItemEnd.AGAIN, "missing": ItemEnd.AGAIN, "good": ItemEnd.MOVED,
    }
    assert "adler32" in done.news[f"{mark}.corrupt"].why and SOURCE in done.news[f"{mark}.missing"].why
    assert [path for item in items[:2] for path in Path(item.parcel.target).parent.glob("*")] == []


def test_a_file_that_rucio_does_not_know_or_knows_otherwise_fails_alone(
    rucio: RucioServer, view: View, tmp_path: Path, mark: str
) -> None:
    plugin = downloader(rucio, tmp_path)
    view.put(SOURCE, f"{mark}.good", b"good")
    view.put(SOURCE, f"{mark}.other", b"other")
    items = routed(plugin, [
        wanted(1, f"{mark}.good", tmp_path, size=4), wanted(2, f"{mark}.unknown", tmp_path),
        wanted(3, f"{mark}.other", tmp_path, checksum="ad:01020304"), wanted(4, f"{mark} no name", tmp_path),
    ])
    done = copied(plugin, items)
    assert [done.news[item.parcel.lfn].end for item in items] == [ItemEnd.MOVED, *[ItemEnd.FAILED] * 3]
    assert [content(item) for item in items[1:]] == [None, None, None]


def test_what_is_there_already_is_not_brought_again(rucio: RucioServer, view: View, tmp_path: Path, mark: str) -> None:
    plugin = downloader(rucio, tmp_path)
    view.put(SOURCE, mark, b"content")
    items = routed(plugin, [wanted(1, mark, tmp_path)])
    copied(plugin, items)
    before = Path(items[0].parcel.target).stat()
    view.path(SOURCE, mark).unlink()
    assert copied(plugin, items).news[mark].end is ItemEnd.MOVED
    after = Path(items[0].parcel.target).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_what_a_crash_has_left_is_replaced(rucio: RucioServer, view: View, tmp_path: Path, mark: str, mounts: dict[str, str]) -> None:
    plugin = downloader(rucio, tmp_path, mounts=mounts)
    view.put(SOURCE, mark, b"content")
    items = routed(plugin, [wanted(1, mark, tmp_path)])
    target = Path(items[0].parcel.target)
    target.parent.mkdir(parents=True)
    target.write_bytes(b"cont")
    part_of(target).write_bytes(b"co")
    assert copied(plugin, items).news[mark].end is ItemEnd.MOVED
    assert target.read_bytes() == b"content" and list(target.parent.iterdir()) == [target]


def test_a_folder_at_the_target_is_never_removed(rucio: RucioServer, view: View, tmp_path: Path, mark: str, mounts: dict[str, str]) -> None:
    plugin = downloader(rucio, tmp_path, mounts=mounts)
    view.put(SOURCE, mark, b"content")
    items = routed(plugin, [wanted(1, mark, tmp_path)])
    (Path(items[0].parcel.target) / "precious").mkdir(parents=True)
    assert copied(plugin, items).news[mark].end is ItemEnd.FAILED
    assert (Path(items[0].parcel.target) / "precious").is_dir()


def test_inputs_come_from_the_rse_that_is_named(rucio: RucioServer, view: View, tmp_path: Path, mark: str) -> None:
    plugin = downloader(rucio, tmp_path, rse=SITE)
    view.put(SOURCE, f"{mark}.away", b"away")
    view.put(SITE, f"{mark}.here", b"here")
    items = routed(plugin, [wanted(1, f"{mark}.away", tmp_path), wanted(2, f"{mark}.here", tmp_path)])
    done = copied(plugin, items)
    assert [done.news[item.parcel.lfn].end for item in items] == [ItemEnd.AGAIN, ItemEnd.MOVED]
    assert SITE in done.news[f"{mark}.away"].why


def test_the_server_going_away_changes_nothing_and_the_batch_goes_on_after(
    rucio: RucioServer, view: View, tmp_path: Path, mark: str
) -> None:
    plugin = downloader(rucio, tmp_path)
    view.put(SOURCE, mark, b"content")
    items = routed(plugin, [wanted(1, mark, tmp_path)])
    rucio.stop()
    with pytest.raises(Unavailable):
        copied(plugin, items)
    assert content(items[0]) is None
    rucio.start()
    assert copied(plugin, items).news[mark].end is ItemEnd.MOVED


def test_a_wrong_password_waits_for_a_person_and_goes_on_when_it_is_right(
    rucio: RucioServer, view: View, tmp_path: Path, mark: str
) -> None:
    password = tmp_path / "password"
    password.touch(0o600)
    password.write_text("wrong")
    plugin = downloader(rucio, tmp_path, password_file=str(password))
    view.put(SOURCE, mark, b"content")
    items = routed(plugin, [wanted(1, mark, tmp_path)])
    parked = copied(plugin, items).parked
    assert parked is not None and "CannotAuthenticate" in parked.why and "wrong" not in parked.why
    password.write_text(rucio.account("harvester").password_file.read_text())
    assert copied(plugin, items).news[mark].end is ItemEnd.MOVED


def test_a_password_that_became_wrong_is_not_hidden_by_the_old_token(rucio: RucioServer, view: View, tmp_path: Path, mark: str) -> None:
    password = tmp_path / "password"
    password.touch(0o600)
    password.write_text(rucio.account("harvester").password_file.read_text())
    view.put(SOURCE, mark, b"content")

    def fresh() -> RucioDownload:
        return downloader(rucio, tmp_path, password_file=str(password))

    items = routed(fresh(), [wanted(1, mark, tmp_path)])
    assert copied(fresh(), items).parked is None
    [token] = (tmp_path / "state/preparator-rucio_download").glob("token_*")
    assert token.stat().st_mode & 0o777 == 0o600 and token.parent.stat().st_mode & 0o777 == 0o700
    password.write_text("wrong")
    parked = copied(fresh(), items).parked
    assert parked is not None and "CannotAuthenticate" in parked.why


def test_a_stale_token_is_renewed(rucio: RucioServer, view: View, tmp_path: Path, mark: str) -> None:
    view.put(SOURCE, mark, b"content")
    items = routed(downloader(rucio, tmp_path), [wanted(1, mark, tmp_path)])
    assert copied(downloader(rucio, tmp_path), items).news[mark].end is ItemEnd.MOVED
    [token] = (tmp_path / "state/preparator-rucio_download").glob("token_*")
    token.write_text("harvester-nonsense-0000")
    assert copied(downloader(rucio, tmp_path), items).news[mark].end is ItemEnd.MOVED
    assert token.read_text() != "harvester-nonsense-0000"


def test_a_file_without_a_scope_has_no_way(rucio: RucioServer, view: View, tmp_path: Path, mark: str) -> None:
    [answer] = downloader(rucio, tmp_path).route([wanted(1, mark, tmp_path, scope="")])
    assert isinstance(answer, Failed)
    view.put(SOURCE, mark, b"content")
    plugin = downloader(rucio, tmp_path, scope="tests")
    assert copied(plugin, routed(plugin, [wanted(1, mark, tmp_path, scope="")])).news[mark].end is ItemEnd.MOVED


def test_a_batch_that_is_stopped_begins_no_more_files(rucio: RucioServer, view: View, tmp_path: Path, mark: str) -> None:
    plugin = downloader(rucio, tmp_path)
    view.put(SOURCE, mark, b"content")
    items = routed(plugin, [wanted(1, mark, tmp_path)])
    done = copied(plugin, items, lambda: True)
    assert done.news == {} and done.parked is None and content(items[0]) is None
