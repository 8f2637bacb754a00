"""To import before fabric and paramiko, which import invoke: invoke without what only tests of its tasks need.

Its ``MockContext`` takes ``unittest.mock`` with it, and that all of asyncio: 26 ms of each start, a twelfth. Whoever
makes one in this process all the same gets the real ``Mock``, imported then.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

__all__: list[str] = []

_MOCK = "unittest.mock"


def _mock(*arguments: Any, **options: Any) -> Any:
    from unittest.mock import Mock

    return Mock(*arguments, **options)


if _MOCK not in sys.modules:
    sys.modules[_MOCK] = ModuleType(_MOCK)
    sys.modules[_MOCK].Mock = _mock  # type: ignore[attr-defined]
    try:
        import invoke  # noqa: F401
    finally:
        del sys.modules[_MOCK]
