"""``harvester-hpc wms serve`` as a person starts it."""
from __future__ import annotations

import json
import socket
import subprocess
from pathlib import Path

import pytest

from tests.integration.instance import PATIENCE_S, PROGRAM, Instance, shell


def test_a_job_that_is_dropped_into_the_folder_that_it_names_runs_at_an_instance(tmp_path: Path) -> None:
    serving = subprocess.Popen([*PROGRAM, "wms", "serve", str(tmp_path / "wms"), "--port", "0"], stdout=subprocess.PIPE, text=True)
    try:
        assert serving.stdout is not None
        words = serving.stdout.readline().split()
        url, inbox = words[3], Path(words[-1].rstrip(")"))
        (inbox / "job.json").write_text(json.dumps([shell("true", queue="Q")]))
        with Instance(tmp_path / "home") as instance:
            communicator = {"name": "panda", "url": url}
            instance.make({"extends": "local", "instance": "tests", "communicator": communicator, "queues": {"Q": {"pollInterval": 0.5}}})
            instance.serve()
            assert instance.wait(1) == "finished", instance.why(1)
    finally:
        serving.terminate()  # SIGINT is ignored by what a shell has put into the background
        serving.wait(PATIENCE_S)
        if serving.stdout is not None:
            serving.stdout.close()


@pytest.mark.parametrize(("options", "words"), [
    (("--fault", "503:aquire_jobs"), "did you mean 'acquire_jobs'"),
    (("--port", "{taken}"), "cannot be served"),
    (("--port", "0", "--certificate", __file__, "--key", __file__), "cannot be served with its key"),
])
def test_what_cannot_be_served_is_said_in_words(tmp_path: Path, options: tuple[str, ...], words: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        argv = [one.format(taken=taken.getsockname()[1]) for one in options]
        done = subprocess.run(
            [*PROGRAM, "wms", "serve", str(tmp_path / "wms"), *argv], capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 1
    assert words in done.stderr
    assert "defect" not in done.stderr
