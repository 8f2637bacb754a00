"""Proof by use: the probes that plugins declare, run for real, each with what it found.

A :class:`Check` is a command on a host; a :class:`Proof` uses OpenStack by the operator's own
credentials. Whatever a proof makes is marked, and taken away again also when it fails; what a verify
left that was killed, the next one finds by the mark and takes away before it begins.

A plan declares probes and runs none: what runs them is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from .probes import Check, Probe, ProbeResult, Proof

if TYPE_CHECKING:
    from .evidence import Configuration as Configuration
    from .evidence import log_line as log_line
    from .evidence import why_not_cloned as why_not_cloned
    from .marks import PREFIX as PREFIX
    from .marks import Mark as Mark
    from .running import verify as verify
    from .workbench import Parent as Parent
    from .workbench import Workbench as Workbench

_HOMES = {
    "PREFIX": "marks",
    "Configuration": "evidence",
    "Mark": "marks",
    "Parent": "workbench",
    "Workbench": "workbench",
    "log_line": "evidence",
    "verify": "running",
    "why_not_cloned": "evidence",
}

__all__ = ["Check", "Probe", "ProbeResult", "Proof", *_HOMES]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
