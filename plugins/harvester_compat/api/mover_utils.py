"""Where a file lies below the root of a Rucio storage element."""
from __future__ import annotations

from hashlib import md5


def construct_file_path(base_path: str, scope: str, lfn: str) -> str:
    """Return the path that Rucio gives a file: two folders of its MD5 below the scope."""
    digest = md5(f"{scope}:{lfn}".encode(), usedforsecurity=False).hexdigest()
    return f"{base_path}/{scope.replace('.', '/')}/{digest[:2]}/{digest[2:4]}/{lfn}"
