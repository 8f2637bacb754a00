"""Whether what a plugin hands over has in its fields what their annotations say, told with the field's name.

A site has a hundred thousand resources of a few dozen shapes: each shape, the types of all values, is judged once.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from functools import cache
from operator import attrgetter
from types import MappingProxyType, NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from .values import Ref, Text, Unknown

__all__ = ["fault"]

#: What becomes text later.
_LATER = (Ref, Text, Unknown)
#: What holds further values, in what plugins write.
_HOLD = frozenset((tuple, list, dict, MappingProxyType))
_good: set[tuple[object, ...]] = set()


def fault(declared: Any) -> str:
    """What is wrong with the first field of a dataclass that does not fit: ``host must be str, and is Host``.

    Empty if nothing is. No value is shown, as it may be a secret.
    """
    cls = type(declared)
    names, pick, deep = _plan(cls)  # type: ignore[arg-type]  # a class is hashable
    values = pick(declared)
    shape = (cls, *map(type, values), *[_shape(values[at]) for at in deep])
    if shape in _good:
        return ""
    hints = _hints(cls)  # type: ignore[arg-type]
    for name, value in zip(names, values, strict=True):
        if found := _wrong(name, value, hints[name]):
            return found
    _good.add(shape)
    return ""


@cache
def _plan(cls: type) -> tuple[tuple[str, ...], Callable[[object], tuple[object, ...]], tuple[int, ...]]:
    """The fields' names, what takes their values, and which of them may hold further values."""
    names = tuple(field.name for field in fields(cls))
    get = attrgetter(*names)
    hints = _hints(cls)
    deep = tuple(at for at, name in enumerate(names) if any(get_args(one) for one in (*_either(hints[name]),)))
    return names, get if len(names) > 1 else lambda declared: (get(declared),), deep


@cache
def _hints(cls: type) -> Mapping[str, Any]:
    """The fields' types; ``Any`` where a name is known to a type checker alone."""
    found: dict[str, Any] = dict.fromkeys((field.name for field in fields(cls)), Any)
    for base in reversed(cls.__mro__):
        for name, hint in inspect.get_annotations(base).items():
            if name in found:
                try:
                    found[name] = eval(hint, vars(sys.modules[base.__module__])) if isinstance(hint, str) else hint
                except Exception:  # whatever a plugin's own annotation raises
                    found[name] = Any
    return found


def _shape(value: Any) -> object:
    kind = type(value)
    if not value:
        return kind
    if kind is tuple or kind is list:
        inner = frozenset(map(type, value))
        return kind, inner if inner.isdisjoint(_HOLD) else frozenset(map(_shape, value))
    if kind is dict or isinstance(value, Mapping):
        inner = frozenset(map(type, value.values()))
        inside = inner if inner.isdisjoint(_HOLD) else frozenset(map(_shape, value.values()))
        return kind, frozenset(map(type, value)), inside
    return kind


def _either(hint: Any) -> Iterable[Any]:
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


def _wrong(place: str, value: Any, hint: Any) -> str:
    """What is wrong at a place; empty if nothing is, or if it can't be told."""
    if get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    choices = list(_either(hint))
    faults = [_one(place, value, one) for one in choices]
    if "" in faults:
        return ""
    inside = [found for found in faults if found is not None and not found.startswith(f"{place} must")]
    if inside:
        return inside[0]
    names = [_named(one) for one in choices if one is not Unknown]
    wanted = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
    return f"{place} must be {wanted}, and is {type(value).__name__}{_advice(place, value, choices)}"


def _one(place: str, value: Any, hint: Any) -> str:
    """As :func:`_wrong`, of one of several types."""
    no = f"{place} must"
    outer = get_origin(hint) or hint
    if hint is None or hint is NoneType:
        return "" if value is None else no
    if outer is Any or not isinstance(outer, type) or getattr(outer, "_is_protocol", False):
        return ""
    if outer is tuple:
        inner = get_args(hint)
        if not isinstance(value, tuple | list):
            return no
        one = inner[0] if len(inner) == 2 and inner[1] is Ellipsis else Any
        return next(filter(None, (_inside(f"{place}[{at}]", item, one) for at, item in enumerate(value))), "")
    if issubclass(outer, Mapping):
        if not isinstance(value, Mapping):
            return no
        of, to = get_args(hint) or (Any, Any)
        keys = (_wrong(f"a key of {place}", key, of) for key in value)
        items = (_inside(f"{place}[{key!r}]", item, to) for key, item in value.items())
        return next(filter(None, (*keys, *items)), "")
    if outer is int or outer is float:
        return "" if isinstance(value, int if outer is int else int | float) and not isinstance(value, bool) else no
    return "" if isinstance(value, outer) else no


def _inside(place: str, value: Any, hint: Any) -> str:
    return "" if isinstance(value, _LATER) and str in _either(hint) else _wrong(place, value, hint)


def _named(hint: Any) -> str:
    outer = get_origin(hint) or hint
    if outer is tuple:
        return f"a tuple of {_named(get_args(hint)[0])}" if get_args(hint) else "a tuple"
    if isinstance(outer, type) and issubclass(outer, Mapping):
        return "a mapping"
    return "None" if hint is None or hint is NoneType else str(getattr(outer, "__name__", outer))


def _advice(place: str, value: Any, choices: Iterable[Any]) -> str:
    """What to write instead, where that is plain; of a value only if it is a number."""
    if str in choices and type(value).__name__ == "Host":
        return f"; write {place}=host.name"
    if str in choices and isinstance(value, int | float) and not isinstance(value, bool):
        return f'; write "{value}"'
    if int in choices and isinstance(value, str) and value.isdigit():
        return f"; write 0o{value.lstrip('0') or 0}" if place == "mode" else f"; write {int(value)}"
    if isinstance(value, str):
        return "; put it into a tuple" if any(get_origin(one) is tuple for one in choices) else ""
    return ""
