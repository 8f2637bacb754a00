"""The text that a host runs is the code of its two modules, and nothing of it is lost."""

from __future__ import annotations

import ast
from importlib import resources

from cephdeploy.program import packed, source


class _Bare(ast.NodeTransformer):
    """Without docstrings, as they are made ``pass``."""

    def visit(self, node: ast.AST) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node):
            node.body[0] = ast.Pass()
        return node


def test_each_function_and_class_is_there_as_it_was_written() -> None:
    text = "".join(resources.files("cephdeploy").joinpath(name).read_text() for name in ("wire.py", "payload.py"))
    written = {
        node.name: ast.dump(_Bare().visit(node))
        for node in ast.parse(text).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
    }
    parts = source()[2:]
    sent = {name: ast.dump(ast.parse(part).body[0]) for name, part in zip(parts[::2], parts[1::2], strict=True)}
    assert sent == written


def test_it_is_small_and_holds_no_words_for_people_who_read_code() -> None:
    text = "\n".join(source())
    assert len(packed()) < 12_000
    assert '"""' not in text and "\n# " not in text
