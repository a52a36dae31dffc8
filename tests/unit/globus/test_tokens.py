"""The file with the tokens."""
from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest
from globus_sdk.token_storage import TokenStorageData

from harvester_globus.tokens import TokenFile


def token(server: str, access: str = "secret") -> TokenStorageData:
    return TokenStorageData(
        resource_server=server, identity_id="me", scope="all", access_token=access, refresh_token="again",
        expires_at_seconds=1, token_type="Bearer",
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tokens.json"


def test_what_is_stored_is_found_by_others(path: Path) -> None:
    TokenFile(path).store_token_data_by_resource_server({"a": token("a")})
    TokenFile(path).store_token_data_by_resource_server({"b": token("b")})
    found = TokenFile(path).get_token_data_by_resource_server()
    assert {name: one.to_dict() for name, one in found.items()} == {name: token(name).to_dict() for name in "ab"}


def test_only_the_owner_may_read_it_whatever_the_umask(path: Path) -> None:
    before = os.umask(0)
    try:
        TokenFile(path).store_token_data_by_resource_server({"a": token("a")})
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_write_that_does_not_end_leaves_the_old_tokens(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    TokenFile(path).store_token_data_by_resource_server({"a": token("a")})

    def dies(self: Path, target: Path) -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "rename", dies)
    with pytest.raises(KeyboardInterrupt):
        TokenFile(path).store_token_data_by_resource_server({"a": token("a", "new")})
    monkeypatch.undo()
    assert TokenFile(path).get_token_data_by_resource_server()["a"].access_token == "secret"
    TokenFile(path).store_token_data_by_resource_server({"a": token("a", "new")})
    assert TokenFile(path).get_token_data_by_resource_server()["a"].access_token == "new"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"tokens": 1}', '{"tokens": {"a": {}}}', '{"tokens": {"a": 1}}'])
def test_a_file_that_cannot_be_understood_holds_no_tokens(path: Path, text: str) -> None:
    path.write_text(text)
    assert TokenFile(path).get_token_data_by_resource_server() == {}


def test_several_writers_lose_nothing(path: Path) -> None:
    def write(number: int) -> None:
        TokenFile(path).store_token_data_by_resource_server({str(number): token(str(number))})

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(TokenFile(path).get_token_data_by_resource_server()) == {str(number) for number in range(8)}


def test_when_the_last_token_goes_the_file_goes(path: Path) -> None:
    tokens = TokenFile(path)
    tokens.store_token_data_by_resource_server({"a": token("a"), "b": token("b")})
    assert tokens.remove_token_data("a")
    assert not tokens.remove_token_data("a")
    assert path.exists()
    assert tokens.remove_token_data("b")
    assert not path.exists()
