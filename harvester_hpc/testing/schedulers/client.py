"""What stands on PATH as ``qsub``, ``squeue``, ...: hands its command line to the server, and prints what comes back.

    python -I -S client.py FOLDER SECONDS PROGRAM ARGUMENT...

Alone, with as few imports as can be: it is started for every command. Without an answer it says what the folder's
``silence/PROGRAM.refused`` (nobody serves) or ``.timeout`` (no answer within SECONDS) says: exit code, then the words.
"""
from __future__ import annotations

import marshal
import os
import socket
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def main() -> int:
    """Ask, print, and return the exit code."""
    folder, seconds, program, arguments = sys.argv[1], float(sys.argv[2]), sys.argv[3], sys.argv[4:]
    call: dict[str, object] = {
        "program": program, "argv": arguments, "cwd": os.getcwd(), "environment": dict(os.environ), "passed": False,  # noqa: PTH109
    }
    os.chdir(folder)  # the path of a socket may be 107 bytes long
    while True:
        try:
            said = ask(call, seconds)
        except TimeoutError:
            return silent(folder, program, "timeout")
        except OSError:
            return silent(folder, program, "refused")
        time.sleep(said["seconds"])
        if not said["again"]:
            break
        call["passed"] = True
        if said["wants_stdin"]:
            call["stdin"] = sys.stdin.read()
    os.write(1, said["out"].encode(errors="surrogateescape"))
    os.write(2, said["err"].encode(errors="surrogateescape"))
    return int(said["exit_code"])


def ask(call: dict[str, object], seconds: float, path: str = "server.socket") -> dict[str, Any]:
    """Return the server's answer.

    Raises:
        OSError: nobody serves; TimeoutError: nobody answers.
    """
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(seconds)
        line.connect(path)
        line.sendall(marshal.dumps(call))
        line.shutdown(socket.SHUT_WR)
        parts = []
        while part := line.recv(1 << 16):
            parts.append(part)
    if not parts:
        raise ConnectionResetError
    said: dict[str, Any] = marshal.loads(b"".join(parts))
    return said


def silent(folder: str, program: str, how: str) -> int:
    """Print what the real command says when it gets no answer, and return its exit code."""
    with open(f"silence/{program}.{how}") as file:  # noqa: PTH123 - pathlib would double the time to start
        code, _, words = file.read().partition("\n")
    sys.stderr.write(words)
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
