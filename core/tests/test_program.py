"""The text that a host runs is the code of its modules, and nothing of it is lost."""

from __future__ import annotations

import ast
from collections import Counter

import pytest

from cephdeploy import requests
from cephdeploy.payload import words
from cephdeploy.program import files, packed, source


class _Bare(ast.NodeTransformer):
    """Without docstrings, as they are made ``pass``."""

    def visit(self, node: ast.AST) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node):
            node.body[0] = ast.Pass()
        return node


def test_each_function_and_class_is_there_as_it_was_written() -> None:
    text = "".join(file.read_text() for file in files())
    written = {
        node.name: ast.dump(_Bare().visit(node))
        for node in ast.parse(text).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
    }
    parts = source()[2:]
    sent = {name: ast.dump(ast.parse(part).body[0]) for name, part in zip(parts[::2], parts[1::2], strict=True)}
    assert sent == written


def test_a_name_stands_for_one_thing_in_all_modules() -> None:
    names: Counter[str] = Counter()
    for node in [node for file in files() for node in ast.parse(file.read_text()).body]:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names[node.name] += 1
        elif isinstance(node, ast.Assign):
            names.update(name.id for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name))
    assert names["run"] == names["FOUND"] == names["CHANGED"] == 1
    assert [name for name, times in names.items() if times > 1] == []


def test_it_imports_no_module_of_ours() -> None:
    assert "from ." not in "".join(source())


@pytest.mark.parametrize("name", ["CHANGED", "KILLED", "MISSING", "NOTHING_KEPT", "SKIPPED"])
def test_both_ends_mean_the_same_by_a_status(name: str) -> None:
    assert getattr(words, name) == getattr(requests, name)


def test_it_is_small_and_holds_no_words_for_people_who_read_code() -> None:
    text = "\n".join(source())
    assert len(packed()) < 12_000
    assert '"""' not in text and "\n# " not in text
