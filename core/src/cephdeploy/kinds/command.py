"""The way out for work that no state describes: a command, and another that tells whether it is done."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ..requests import Answer, Ran, Request, Run
from ..resource import Resource, State, Upstream

__all__ = ["Command"]


@dataclass(frozen=True, kw_only=True)
class Command(Resource):
    """A command that is run unless ``unless`` succeeds; the plan shows what will run.

    :param unless: succeeds once the work is done; it is run again after the command, to see.
    :param unless_user: the account that ``unless`` runs as; empty for root.
    """

    kind: ClassVar[str] = "command"
    slow: ClassVar[bool] = True
    slow_look: ClassVar[bool] = True

    title: str
    argv: tuple[str, ...]
    unless: tuple[str, ...]
    unless_user: str = ""
    timeout: float = 300

    @property
    def name(self) -> str:
        return self.title

    def probe(self) -> Sequence[Request]:
        return (Run(argv=self.unless, user=self.unless_user, keep="nothing"),)

    def read(self, answers: Sequence[Answer]) -> State | None:
        (ran,) = answers
        assert isinstance(ran, Ran)
        # an account that a package brings is not there yet in the first plan: not done, no error
        return self._done if ran.status == 0 else None

    def want(self, have: State | None, upstream: Upstream) -> State:
        return self._done

    @property
    def _done(self) -> State:
        return State({"run": shlex.join(self.argv)})

    def change(self, have: State | None, want: State) -> Sequence[Request]:
        return (Run(argv=self.argv, timeout=self.timeout),)
