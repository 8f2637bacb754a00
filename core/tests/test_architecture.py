"""Who may import what: the borders between what decides and what touches the world."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import cephdeploy

CORE = Path(cephdeploy.__file__).parent
ROOT = CORE.parents[2]
PURE = (
    *("values", "errors", "requests", "resource", "graph", "planner", "site", "hookspecs", "redaction"),
    *("kinds", "distros", "dialects"),
)
WORLD = {"asyncssh", "fabric", "paramiko", "subprocess", "socket", "os", "stevedore"}
ENGINE_ROOM = {f"cephdeploy.{name}" for name in ("engine", "session", "transports", "cli")}


def modules(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.py") if "egg-info" not in str(path))


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(CORE.parent).with_suffix("").parts).removesuffix(".__init__")


def imports(path: Path, *, types: bool = False) -> Iterator[str]:
    """The full names of all that a module imports, also late; ``from x import y`` gives ``x`` and ``x.y``.

    :param types: whether what is imported under ``TYPE_CHECKING`` counts.
    """
    tree = ast.parse(path.read_text())
    package = name_of(path) if path.is_relative_to(CORE) else ""
    if package and path.name != "__init__.py":
        package = package.rpartition(".")[0]
    skipped: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING" and not types:
            skipped.update(inner for statement in node.body for inner in ast.walk(statement))
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1] if package else []
                base = ".".join([*above, *([base] if base else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def within(names: Iterator[str], forbidden: set[str]) -> set[str]:
    return {name for name in names if any(name == one or name.startswith(f"{one}.") for one in forbidden)}


def named(*names: str) -> list[Path]:
    found = []
    for name in names:
        path = CORE / name
        found += modules(path) if path.is_dir() else [path.with_suffix(".py")]
    return found


def ids(path: Path) -> str:
    return str(path.relative_to(ROOT))


# a plugin's own command (cephdeploy image) works on the operator's machine, and is called by no hook
COMMANDS = {"image"}
PLUGINS = [
    path
    for folder in sorted((ROOT / "plugins").glob("*/src"))
    for path in modules(folder)
    if path.parent.name not in COMMANDS
]


@pytest.mark.parametrize("path", named(*PURE), ids=ids)
def test_what_decides_touches_nothing(path: Path) -> None:
    assert within(imports(path), WORLD | ENGINE_ROOM) == set()


@pytest.mark.parametrize("path", PLUGINS, ids=ids)
def test_a_plugin_opens_no_connection_and_starts_no_process(path: Path) -> None:
    assert within(imports(path), WORLD | ENGINE_ROOM) == set()


@pytest.mark.parametrize("path", modules(CORE), ids=ids)
def test_each_library_has_one_module_that_knows_it(path: Path) -> None:
    name = name_of(path)
    if name != "cephdeploy.plugins":
        assert within(imports(path), {"stevedore"}) == set()
        if name != "cephdeploy.hookspecs":
            assert within(imports(path), {"pluggy"}) == set()
    if not name.startswith("cephdeploy.transports"):
        assert within(imports(path), {"asyncssh", "fabric", "paramiko", "invoke"}) == set()
    if not name.startswith("cephdeploy.cli"):
        assert within(imports(path), {"cephdeploy.cli"}) == set()


@pytest.mark.parametrize("path", modules(CORE / "testing"), ids=ids)
def test_the_fake_opens_no_connection_and_starts_no_process(path: Path) -> None:
    assert within(imports(path), WORLD | {"cephdeploy.session", "cephdeploy.transports"}) == set()


def test_pytest_loads_the_fixtures_without_loading_core() -> None:
    tree = ast.parse((CORE / "pytest_plugin.py").read_text())
    top = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    assert {ast.unparse(node) for node in top} == {
        "from __future__ import annotations",
        "from collections.abc import Callable",
        "from typing import TYPE_CHECKING",
        "import pytest",
    }


#: Built in, or imported by every python3 that starts: what costs a host next to nothing. The rest is late, and
#: where it is needed only.
EARLY = {"_signal", "gc", "os", "sys", "time"}
LATE = {"_sha2", "_sha256", "hashlib", "pwd", "grp", "select", "json", "errno"}


@pytest.mark.parametrize("path", [CORE / "wire.py", *modules(CORE / "payload")], ids=ids)
def test_what_runs_on_a_host_is_plain_and_old(path: Path) -> None:
    early, late = ({"zlib"}, set()) if path.name == "wire.py" else (EARLY, LATE)
    tree = ast.parse(path.read_text(), feature_version=(3, 6))
    top = {alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names}
    assert top <= early
    others = {found for found in imports(path) if not found.startswith(("cephdeploy.payload.", "cephdeploy.wire"))}
    assert {found.partition(".")[0] for found in others} <= early | late
    newer = (ast.NamedExpr, ast.AnnAssign, ast.Match, ast.AsyncFunctionDef)
    assert not [node for node in ast.walk(tree) if isinstance(node, newer)]


def test_the_test_sees_relative_late_and_typing_imports(tmp_path: Path) -> None:
    assert "cephdeploy.values.Secret" in set(imports(CORE / "kinds" / "ceph.py"))
    assert "cephdeploy.sitefile" in set(imports(CORE / "deployment.py"))
    assert "cephdeploy.verify" not in set(imports(CORE / "hookspecs.py"))
    assert "cephdeploy.verify" in set(imports(CORE / "hookspecs.py", types=True))
