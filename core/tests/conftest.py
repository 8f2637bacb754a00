"""What the tests of core need where they stand alone, as in an unpacked sdist.

Marks are registered here and not in core's pyproject.toml: pytest would take that for the checkout's own settings
whenever only tests of core are named, and leave the root's out.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

MARKS = (
    "ssh: needs a real sshd in namespaces of its own (root)",
    "lab: needs the real lab (root, minutes)",
    "fault(id): the row of the fault matrix that the test is for",
)

# as in the checkout's own conftest.py: the machine may be busy
settings.register_profile("usual", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("usual")


@pytest.fixture
def hears_interrupts() -> Iterator[None]:
    """A program that is started in the background ignores them, and hands that on to the tests."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def pytest_configure(config: pytest.Config) -> None:
    for mark in MARKS:
        config.addinivalue_line("markers", mark)
