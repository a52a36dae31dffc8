"""What every manager of a credential keeps to. Derive a test class and give it a credential."""
from __future__ import annotations

import threading
from abc import ABC, abstractmethod

from harvester_hpc.ports.credential import CredentialManager, NotRenewed, Renewal, Renewed


class CredentialContract(ABC):
    """The rules of ``ports.credential.CredentialManager``."""

    @abstractmethod
    def credential(self) -> CredentialManager:
        """Return one that is there and good; ``renews`` if it can be renewed at once."""

    def test_what_is_there_has_a_mark_and_no_complaint(self) -> None:
        """A look changes nothing."""
        one = self.credential()
        first, second = one.check_credential(), one.check_credential()
        assert first == second
        assert first.mark
        assert first.why == ""

    def test_a_renewal_brings_another_content_or_says_why_not(self) -> None:
        """Without a word nothing stays as it was."""
        one = self.credential()
        before = one.check_credential()
        answer = one.renew_credential(before.mark)
        after = one.check_credential()
        if one.renews:
            assert answer == Renewed()
            assert after.mark not in ("", before.mark)
            return
        assert isinstance(answer, NotRenewed)
        assert answer.why
        assert after == before

    def test_what_somebody_else_has_replaced_is_not_replaced_again(self) -> None:
        """The mark says which content is meant."""
        one = self.credential()
        if not one.renews:
            return
        old = one.check_credential().mark
        assert one.renew_credential(old) == Renewed()
        new = one.check_credential().mark
        assert one.renew_credential(old) == Renewed()
        assert one.check_credential().mark == new

    def test_threads_that_ask_together_get_one_renewal(self) -> None:
        """A refresh token is worth nothing the second time."""
        one = self.credential()
        if not one.renews:
            return
        old = one.check_credential().mark
        answers: list[Renewal] = []
        marks: list[str] = []

        def ask() -> None:
            answers.append(one.renew_credential(old))
            marks.append(one.check_credential().mark)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers == [Renewed()] * 4
        assert set(marks) == {one.check_credential().mark}
