"""The values that travel between resources: addresses, references, secrets and the not yet known.

Pure: nothing here touches a host, a file or the clock.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, Final, NamedTuple, NoReturn, TypeVar

from .errors import PluginError

__all__ = [
    "UNKNOWN",
    "Address",
    "Default",
    "Fingerprint",
    "Items",
    "Ref",
    "Same",
    "Secret",
    "Text",
    "Unknown",
    "references",
    "resolved",
]


class Address(NamedTuple):
    """The unique and stable name of a resource: ``host/kind:name``.

    A tuple, as graph and plan of a large site are dictionaries of hundreds of thousands of them.
    """

    host: str
    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.host}/{self.kind}:{self.name}"


@dataclass(frozen=True)
class Ref:
    """A value that another resource will have once it is there, such as a cephx user's key.

    A ``Ref`` inside a resource is an edge of the graph: the producer comes first.
    """

    address: Address
    attribute: str

    @property
    def named(self) -> str:
        """What it refers to, for a message: ``ceph1/user:client.cinder[key]``."""
        return f"{self.address}[{self.attribute}]"

    def __str__(self) -> NoReturn:
        raise self._no_text()

    def __format__(self, spec: str) -> NoReturn:
        raise self._no_text()

    def _no_text(self) -> TypeError:
        return TypeError(
            f"the value of {self.named} is not there yet and can't become text; "
            f'use Text("… {{{self.attribute}}}", {{"{self.attribute}": ref}}) from cephdeploy.values'
        )


class Unknown:
    """The one value of a reference whose producer does not exist yet: known after apply."""

    _one: Unknown | None = None

    def __new__(cls) -> Unknown:
        if cls._one is None:
            cls._one = super().__new__(cls)
        return cls._one

    def __repr__(self) -> str:
        return "(known after apply)"


UNKNOWN: Final = Unknown()


@dataclass(frozen=True)
class Fingerprint:
    """What may be shown, compared and stored of a secret: the SHA-256 of its bytes, in hex."""

    digest: str

    def __str__(self) -> str:
        return f"<secret {self.digest[:8]}>"

    __repr__ = __str__

    @classmethod
    def of(cls, value: bytes) -> Fingerprint:
        """The fingerprint of ``value`` as it stands, without any stripping."""
        return cls(hashlib.sha256(value).hexdigest())


class Secret:
    """Bytes that must not be shown: they leave this type by :meth:`reveal` only.

    A secret can't be formatted into text, put into an argument list, compared with anything but
    secrets and fingerprints, pickled or encoded as JSON.
    """

    __slots__ = ("_value", "fingerprint")

    def __init__(self, value: bytes | str) -> None:
        self._value = value.encode() if isinstance(value, str) else bytes(value)
        self.fingerprint = Fingerprint.of(self._value)

    def reveal(self) -> bytes:
        """The bytes themselves: only for what a transport writes to a standard input or a file."""
        return self._value

    def __repr__(self) -> str:
        return repr(self.fingerprint)

    def __str__(self) -> NoReturn:
        raise TypeError("a secret can't become text; show its fingerprint instead")

    def __format__(self, spec: str) -> NoReturn:
        raise TypeError("a secret can't become text; show its fingerprint instead")

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret can't be pickled")

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Secret):
            return self.fingerprint == other.fingerprint
        if isinstance(other, Fingerprint):
            return self.fingerprint == other
        return NotImplemented

    def __hash__(self) -> int:
        return hash(self.fingerprint)


@dataclass(frozen=True)
class Items:
    """Items that a list option must contain; what else stands in the list stays there.

    Several plugins add to one list (``enabled_backends`` of cinder.conf), and so does the operator.

    :param otherwise: what the list holds besides where nobody has set it yet.
    """

    items: tuple[str, ...]
    otherwise: tuple[str, ...] = ()

    def __init__(self, *items: str, otherwise: tuple[str, ...] = ()) -> None:
        object.__setattr__(self, "items", tuple(dict.fromkeys(items)))
        object.__setattr__(self, "otherwise", otherwise)

    def merged(self, other: Items) -> Items:
        """Both lists' items, each once, ours first."""
        return Items(*self.items, *other.items, otherwise=tuple(dict.fromkeys((*self.otherwise, *other.otherwise))))

    def within(self, current: str | None) -> str:
        """The comma-separated list ``current`` with what it lacks of ours at its end.

        ``name:type`` pairs count as present by their whole text (glance's ``enabled_backends``).
        """
        have = [item.strip() for item in (current or "").split(",") if item.strip()]
        return ",".join(dict.fromkeys((*have, *self.items, *(() if have else self.otherwise))))


@dataclass(frozen=True)
class Default:
    """The value of an option that nobody has set yet; what an operator has set stays."""

    value: str


@dataclass(frozen=True)
class Same:
    """The value of another option of the same file, for an option that is not set yet.

    A service's own credentials (``[keystone_authtoken]``) serve it in a further section; what an operator
    has set there stays.

    :param secret: whether it is shown as a fingerprint.
    """

    section: str
    option: str
    secret: bool = False


@dataclass(frozen=True)
class Text:
    """A text with references in it; it becomes a :class:`Secret` as soon as one of them is one.

    ``Text("key = {key}", {"key": user["key"]})``.
    """

    template: str
    values: Mapping[str, object]

    def render(self) -> str | Secret | Unknown:
        """The text itself, once no reference is left in it.

        :raises PluginError: a reference is still there, or the template names a missing value.
        """
        plain: dict[str, str] = {}
        secret = False
        for name, value in self.values.items():
            if isinstance(value, Unknown):
                return UNKNOWN
            if isinstance(value, Ref):
                raise PluginError(f"text still refers to {value.named}")
            if isinstance(value, Secret):
                secret = True
                plain[name] = value.reveal().decode()
            else:
                plain[name] = str(value)
        try:
            text = self.template.format_map(plain)
        except (KeyError, IndexError, ValueError) as error:
            raise PluginError(f"template names {error}, which has no value") from None
        return Secret(text) if secret else text

    def __hash__(self) -> int:
        return hash((self.template, tuple(self.values)))


def references(value: object) -> Iterator[Ref]:
    """Every :class:`Ref` inside ``value``, however deep."""
    if isinstance(value, Ref):
        yield value
        return
    for part in _parts(value):
        if type(part) not in _LEAVES:
            yield from references(part)


def _parts(value: object) -> Iterable[object]:
    if isinstance(value, Mapping):
        return value.values()
    if isinstance(value, tuple | list | frozenset):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return [getattr(value, name) for name in value.__dataclass_fields__]
    return ()


#: What has no reference inside, and is met most.
_LEAVES = frozenset((str, int, float, bytes, bool, type(None), Address))

T = TypeVar("T")


def resolved(value: T, lookup: Callable[[Ref], object]) -> T:
    """``value`` with each reference replaced by what ``lookup`` says, texts rendered where complete."""
    return _resolved(value, lookup)  # type: ignore[return-value]


def _resolved(value: Any, lookup: Callable[[Ref], object]) -> object:
    if type(value) in _LEAVES:
        return value
    if isinstance(value, Ref):
        return lookup(value)
    if isinstance(value, Text):
        return Text(value.template, _resolved(value.values, lookup)).render()  # type: ignore[arg-type]
    if isinstance(value, Mapping):
        return {key: _resolved(item, lookup) for key, item in value.items()}
    if isinstance(value, tuple | list | frozenset):
        return type(value)(_resolved(item, lookup) for item in value)
    if is_dataclass(value) and not isinstance(value, type) and any(references(value)):
        changed = {f.name: _resolved(getattr(value, f.name), lookup) for f in fields(value) if f.init}
        return replace(value, **changed)
    return value
