"""The modules stand where docs/architecture.md says, and import in the direction of its arrows."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CORE = ROOT / "core/src/cephdeploy"


def layers() -> dict[str, int]:
    """Each top-level module of core and its layer's number, as the page has them."""
    page = (ROOT / "docs/architecture.md").read_text()
    block = re.search(r"```text\n(values errors.*?)```", page, re.DOTALL)
    assert block is not None
    lines = [re.split(r"\s{2,}", line)[0].split() for line in block.group(1).strip().splitlines()]
    return {module: number for number, line in enumerate(lines) for module in line}


def modules() -> set[str]:
    """Core's top-level modules and packages."""
    found = {path.stem for path in CORE.glob("*.py")} | {path.parent.name for path in CORE.glob("*/__init__.py")}
    return found - {"__init__"}


def imported(path: Path) -> set[str]:
    """The top-level modules of core that a file imports when it runs; imports for types alone don't count."""
    tree = ast.parse(path.read_text())
    typing = [node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)]
    skipped = {id(node) for branch in typing for node in ast.walk(branch)}
    home = list(path.relative_to(CORE).parent.parts)
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level and id(node) not in skipped:
            base = home[: len(home) - (node.level - 1)]
            names = [node.module.split(".")[0]] if node.module else [alias.name for alias in node.names]
            found |= {(base or [name])[0] for name in names}
    return found & modules()


def test_the_page_lists_every_module_and_no_other() -> None:
    assert set(layers()) == modules()


@pytest.mark.parametrize("path", sorted(CORE.rglob("*.py")), ids=lambda path: str(path.relative_to(CORE)))
def test_a_module_imports_nothing_from_the_layers_after_its_own(path: Path) -> None:
    level = layers()
    own = path.relative_to(CORE).parts[0].removesuffix(".py")
    if own == "__init__":
        return
    assert {name for name in imported(path) if level[name] > level[own]} == set()
