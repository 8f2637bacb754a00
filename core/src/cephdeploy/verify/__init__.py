"""Proof by use: the probes that plugins declare, run for real, each with what it found.

A :class:`Check` is a command on a host; a :class:`Proof` uses OpenStack by the operator's own
credentials. Whatever a proof makes is marked, and taken away again also when it fails; what a verify
left that was killed, the next one finds by the mark and takes away before it begins.
"""

from __future__ import annotations

from .evidence import Configuration, log_line, why_not_cloned
from .marks import PREFIX, Mark
from .probes import Check, Probe, ProbeResult, Proof
from .running import verify
from .workbench import Parent, Workbench

__all__ = [
    "PREFIX",
    "Check",
    "Configuration",
    "Mark",
    "Parent",
    "Probe",
    "ProbeResult",
    "Proof",
    "Workbench",
    "log_line",
    "verify",
    "why_not_cloned",
]
