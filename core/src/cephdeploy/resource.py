"""A resource: what should be true of one thing on one host, and how its kind is looked at and changed.

Pure. A kind says what to run and reads what came back; it runs nothing itself. So the engine decides
how much travels in one round trip, equal probes run once, and a kind is tested without a host.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, Protocol, Self

from .requests import Answer, Ran, Request
from .values import Address, Fingerprint, Ref, Secret, Unknown, references, resolved

__all__ = ["Clash", "Resource", "State", "Unfit", "Upstream", "Value", "failed"]

#: What an attribute of a state may be. None: not set. A secret shows as its fingerprint.
Value = str | None | Secret | Fingerprint | Unknown


class Clash(Exception):
    """Two declarations of one resource can't both be true; the text says of what."""


class Unfit(Exception):
    """The host is not fit for the resource; the text says why and what would fix it."""


@dataclass(frozen=True)
class State:
    """What is, or should be, true of a resource.

    :param values: compared and shown, attribute by attribute.
    :param outputs: what references may take from it (a user's key).
    :param raw: what the change needs besides, such as a file's bytes; neither compared nor shown.
    """

    values: Mapping[str, Value]
    outputs: Mapping[str, object] = field(default_factory=dict, repr=False)
    raw: Mapping[str, object] = field(default_factory=dict, repr=False, compare=False)


class Upstream(Protocol):
    """What is planned for the resources that come before one."""

    def changing(self, address: Address) -> bool:
        """Whether the resource there is to be created or changed."""
        ...

    def digest(self, address: Address) -> str | Unknown:
        """A digest of what the resource there should be; secrets count by their fingerprints."""
        ...


@dataclass(frozen=True, kw_only=True)
class Resource(ABC):
    """The base of every kind.

    :param host: the name of a host of the site.
    :param after: resources that must be in place first although no value of theirs is used.
    """

    #: In the journal and in an address. What takes another kind's thing away or back is ``no-`` or ``former-`` and that
    #: kind: at the terminal it goes by the kind alone.
    kind: ClassVar[str]
    #: Whether changes of this kind take long enough to run beside others.
    slow: ClassVar[bool] = False
    #: Whether looking does: each ``ceph`` is a second, where a fork costs a host some milliseconds.
    slow_look: ClassVar[bool] = False
    #: Whether changes of this kind take so long that they travel only when nothing else is ready there.
    patient: ClassVar[bool] = False

    host: str
    after: tuple[Address, ...] = ()

    @property
    @abstractmethod
    def name(self) -> str:
        """Unique among the kind's resources on one host."""

    @cached_property
    def address(self) -> Address:
        """Unique in the site, and the same in every run."""
        return Address(self.host, self.kind, self.name)

    @cached_property
    def takes(self) -> tuple[Ref, ...]:
        """The values of other resources that stand in it."""
        return tuple(references(self))

    def resolved(self, lookup: Callable[[Ref], object]) -> Self:
        """This resource with each of those values in its place."""
        return resolved(self, lookup) if self.takes else self

    def __getitem__(self, attribute: str) -> Ref:
        """A reference to a value that this resource will have: ``user["key"]``."""
        return Ref(self.address, attribute)

    def merged(self, other: Self) -> Self:
        """One resource for two plugins' declarations of it.

        :raises Clash: they can't both be true.
        """
        if self != other:
            raise Clash("they differ")
        return self

    def needs(self) -> Iterable[Address]:
        """Further resources that must be in place first."""
        return ()

    @abstractmethod
    def probe(self) -> Sequence[Request]:
        """What to ask in order to look; no reference may be needed for it."""

    @abstractmethod
    def read(self, answers: Sequence[Answer]) -> State | None:
        """The state that the answers to :meth:`probe` tell; None when the thing does not exist.

        :raises Unfit: the answers say that nothing can be done here.
        """

    def foreseen(self, have: State | None, upstream: Upstream) -> State | None:
        """What will be there once all that comes before is changed: ``have``, unless that changes it too."""
        return have

    @abstractmethod
    def want(self, have: State | None, upstream: Upstream) -> State:
        """What should be, given what is there: foreign parts of ``have`` stay.

        With None it tells what is declared alone; services are restarted by a digest of that.

        References are resolved already; a value may be ``UNKNOWN``.

        :raises Unfit: it can't be, with what would fix it.
        """

    @abstractmethod
    def change(self, have: State | None, want: State) -> Sequence[Request]:
        """What to send in order to get from ``have`` to ``want``; nothing in ``want`` is unknown."""

    def removed(self, want: State) -> bool:
        """Whether what should be is that the thing is not there."""
        return False

    def notes(self, have: State | None, want: State) -> Iterable[str]:
        """Consequences of the change that an operator would regret not knowing."""
        return ()

    def text(self, have: State | None, want: State) -> tuple[bytes, bytes] | None:
        """The thing's text before and after, for a unified diff; None when it has none or is secret."""
        return None


def failed(answer: Answer) -> bool:
    """Whether a request ended otherwise than well."""
    return isinstance(answer, Ran) and answer.status != 0
