"""Zips of many small files and of one large one: ours beside plain ``zipfile`` and a copy of the files, all brought to disk, in one run."""
from __future__ import annotations

import os
import shutil
import time
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from harvester_hpc.zip_file import write_zip
from tests.bench.measure import Figure

SMALL, SMALL_SIZE = 10_000, 10_000
LARGE_SIZE = 2 << 30
ROUNDS = 3


def run(folder: Path) -> list[Figure]:
    """Zip 10,000 files of 10 kB, and one of 2 GB: MB/s and files/s, and what share of the time is disk, kernel and Python."""
    folder.mkdir(parents=True)
    small = folder / "small"
    small.mkdir()
    block = os.urandom(1 << 20)
    for number in range(SMALL):
        (small / f"{number:05d}").write_bytes(block[:SMALL_SIZE])
    large = folder / "large"
    with large.open("wb") as stream:
        for _ in range(LARGE_SIZE >> 20):
            stream.write(block)
    os.sync()
    figures = [
        *_figures(f"{SMALL:,} files of {SMALL_SIZE // 1000} kB", folder, sorted(small.iterdir())),
        *_figures(f"one file of {LARGE_SIZE >> 30} GB", folder, [large]),
    ]
    shutil.rmtree(folder)
    return figures


def _figures(what: str, folder: Path, files: Sequence[Path]) -> list[Figure]:
    acts = {"ours": _ours, "zipfile": _plain, "copy": _copied}
    # By turns, so that a slow minute of the machine hits all three.
    rounds = [{name: _timed(act, folder, files) for name, act in acts.items()} for _ in range(ROUNDS)]
    best = {name: min(one[name] for one in rounds) for name in acts}
    wall, user, system = best["ours"]
    megabytes = sum(file.stat().st_size for file in files) / 1e6
    yardsticks = (("zipfile", "plain zipfile, the same run"), ("copy", "a copy of the files, each brought to disk, the same run"))
    found = [
        Figure(name=f"zip of {what}", value=amount / wall, unit=unit, yardstick=amount / best[name][0], source=source, smaller=False)
        for amount, unit in ((megabytes, "MB/s"), (len(files), "files/s")) if amount > 1
        for name, source in yardsticks
    ]
    source = f"wall time; Python {user:.2f} s, kernel {system:.2f} s, the rest waits for the disk"
    return [*found, Figure(name="  CPU of it", value=user + system, unit="s", yardstick=wall, source=source)]


def _timed(act: Callable[[Path, Sequence[Path]], Path], folder: Path, files: Sequence[Path]) -> tuple[float, float, float]:
    """Return seconds on the wall, in Python and in the kernel; what was made is removed outside of them."""
    begin, before = time.perf_counter(), os.times()
    made = act(folder, files)
    after, end = os.times(), time.perf_counter()
    shutil.rmtree(made) if made.is_dir() else made.unlink()
    os.sync()
    return end - begin, after.user - before.user, after.system - before.system


def _ours(folder: Path, files: Sequence[Path]) -> Path:
    write_zip(folder / "ours.zip", [(file.name, file) for file in files])
    return folder / "ours.zip"


def _plain(folder: Path, files: Sequence[Path]) -> Path:
    with (folder / "plain.zip").open("wb") as stream:
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
            for file in files:
                archive.write(file, file.name)
        stream.flush()
        os.fsync(stream.fileno())
    return folder / "plain.zip"


def _copied(folder: Path, files: Sequence[Path]) -> Path:
    target = folder / "copied"
    target.mkdir()
    for file in files:
        shutil.copyfile(file, target / file.name)
    for file in target.iterdir():
        descriptor = os.open(file, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
    return target
