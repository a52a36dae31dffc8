"""The contract of credentials, over all that keep one."""
from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from harvester_creds.oidc import OidcCredential, OidcSettings
from harvester_creds.plain import PlainCredential, PlainSettings
from harvester_creds.voms import VomsCredential, VomsSettings
from harvester_hpc.ports.credential import CredentialManager
from harvester_hpc.testing.contracts.credential import CredentialContract
from harvester_hpc.testing.fake_credential import FakeCredential
from tests.unit.creds.made import context, proxy, put, token


class TestFake(CredentialContract):
    def credential(self) -> CredentialManager:
        one = FakeCredential(FakeCredential.Settings(), context(Path("/fake")))
        one.put()
        return one


class TestPlain(CredentialContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def credential(self) -> CredentialManager:
        path = put(self.folder / "password", "secret")
        return PlainCredential(PlainSettings(file=str(path), max_age_hours=1.0), context(self.folder))


class TestOidc(TestPlain):
    def credential(self) -> CredentialManager:
        path = put(self.folder / "token", token())
        program = put(self.folder / "refresh", f"#!/bin/sh\necho \"$(cat {path})$$\"\n", 0o755)
        return OidcCredential(OidcSettings(file=str(path), command=(str(program),)), context(self.folder))


class TestVoms(TestPlain):
    def credential(self) -> CredentialManager:
        path = put(self.folder / "proxy", proxy())
        (self.folder / "next").write_bytes(proxy())
        copies = f"import shutil, sys; shutil.copy({str(self.folder / 'next')!r}, sys.argv[sys.argv.index('-out') + 1])"
        program = put(self.folder / "voms-proxy-init", f"#!{sys.executable} -IS\n{copies}\n", 0o755)
        assert os.access(program, os.X_OK)
        return VomsCredential(VomsSettings(file=str(path), vo="atlas", program=str(program)), context(self.folder))
