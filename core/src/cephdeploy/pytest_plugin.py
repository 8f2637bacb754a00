"""Fixtures for the tests of plugins; loaded by pytest wherever core is installed, so it imports nothing early."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .testing import FakeSite

__all__ = ["fake_site"]


@pytest.fixture
def fake_site() -> Callable[..., FakeSite]:
    """Makes a :class:`cephdeploy.testing.FakeSite`: ``fake_site({"ceph1": [], "controller1": ["glance-api"]})``."""
    from .testing import FakeSite

    return FakeSite
