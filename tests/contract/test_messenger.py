"""The shared-file messenger keeps to the contract of messengers."""
from __future__ import annotations

import pytest

from harvester_hpc.messenger.shared_file import SharedFileMessenger
from harvester_hpc.ports.messenger import Messenger
from harvester_hpc.testing.contracts.messenger import MessengerContract


class TestSharedFileMessenger(MessengerContract):
    @pytest.fixture
    def messenger(self) -> Messenger:
        return SharedFileMessenger()
