"""What is shown of a plan, a run and a graph: values in, lines or JSON out; nothing here prints or asks.

What comes from hosts or from the site file passes :func:`cephdeploy.report.words.plain` before it is shown.
"""

from __future__ import annotations

__all__: list[str] = []
