"""One run at a time: a host whose every batch holds the host's lock first."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future

from .errors import HostError, LockedError
from .requests import CHANGED, Answer, Group, Hold, Host, Ran

__all__ = ["Locked"]


class Locked(Host):
    """A host, and the lock on it: asked for by the first batch, and with each again as its line may be a new one.

    :param holder: who, from where, since when: told to whoever is refused.
    :param keep: whether the lock is never let go in between, as the one that all runs of a site take first.
    """

    def __init__(self, host: Host, holder: str, *, keep: bool = False) -> None:
        self.name = host.name
        self._host = host
        self._hold = Group(requests=(Hold(holder=holder, keep=keep),), gate=True)

    def exchange(self, groups: Sequence[Group]) -> list[list[Answer]]:
        """As :meth:`cephdeploy.requests.Host.exchange`.

        :raises LockedError: somebody else holds the lock, and nothing of the batch was done.
        :raises HostError: also where the lock can't be held for another reason; nothing of the batch was done either.
        """
        return self.ask(groups).result()

    def ask(self, groups: Sequence[Group], *, looks: bool = False) -> Future[list[list[Answer]]]:
        """As :meth:`cephdeploy.requests.Host.ask`; the future raises what :meth:`exchange` does."""
        held: Future[list[list[Answer]]] = Future()

        def came(asked: Future[list[list[Answer]]]) -> None:
            try:
                (lock,), *answers = asked.result()
                if isinstance(lock, Ran) and lock.status == CHANGED:
                    why = f"{self.name}: {lock.reason}; nothing was changed. Wait for it, or end it there"
                    raise LockedError(why)
                if isinstance(lock, Ran) and lock.status != 0:
                    raise HostError(self.name, f"can't hold its lock, and nothing was begun there: {lock.reason}")
                held.set_result(answers)
            except BaseException as error:
                held.set_exception(error)

        self._host.ask([self._hold, *groups], looks=looks).add_done_callback(came)
        return held

    def close(self) -> None:
        """Let the host go, and the lock with it."""
        self._host.close()
