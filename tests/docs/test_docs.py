"""The documentation says what the code does: what can be compared is compared."""

from __future__ import annotations

import dataclasses
import inspect
import re
import shlex
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import click
import pytest
import yaml

from cephdeploy import hookspecs, kinds, sitefile
from cephdeploy.cli import EXIT_CODES, cli
from cephdeploy.deployment import components
from cephdeploy.errors import ExitCode
from cephdeploy.settings import Component
from cephdeploy.site import Host, Site
from cephdeploy.sitefile import writing
from cephdeploy.testing import FakeSite, apply_twice

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.glob("*.md"), *ROOT.glob("*/README.md"), *ROOT.glob("plugins/*/README.md")])
PLUGINS = ("glance", "cinder", "cinder_backup", "nova", "libvirt")
BASE = """
ceph: {admin: ceph1}
hosts:
  ceph1: {address: 10.77.0.10}
  controller1: {address: 10.77.0.11, roles: [glance-api, cinder-volume, cinder-backup]}
  compute1: {address: 10.77.0.21, roles: [nova-compute]}
"""


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(page: str, *languages: str) -> list[str]:
    """The fenced blocks of these languages, in order."""
    found = re.findall(r"^```(\S+)\n(.*?)^```$", page, re.M | re.S)
    return [body for language, body in found if language in languages]


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


# hooks and kinds


def hooks() -> dict[str, list[str]]:
    """Each hook with the names of its arguments, in the order of a run."""
    found = {name: value for name, value in vars(hookspecs).items() if hasattr(value, "cephdeploy_spec")}
    return {name: list(inspect.signature(value).parameters) for name, value in found.items()}


def test_every_hook_has_a_heading_with_just_its_arguments_in_the_order_of_a_run() -> None:
    headings = re.findall(r"^### `(\w+)\(([^)]*)\)`$", text("docs/plugin-author.md"), re.M)
    assert {name: [a.strip() for a in arguments.split(",") if a.strip()] for name, arguments in headings} == hooks()
    assert [name for name, _ in headings] == list(hooks())


def test_every_hook_is_used_in_a_block_that_runs() -> None:
    shown = "\n".join(blocks(text("docs/plugin-author.md"), "python"))
    for hook, arguments in hooks().items():
        assert f"def {hook}({', '.join(['self', *arguments])}):" in shown


def test_the_version_of_the_hooks_is_the_one_in_the_code() -> None:
    page = text("docs/plugin-author.md")
    assert f"`cephdeploy.hookspecs.API` is {hookspecs.API}." in page
    assert f"CEPHDEPLOY_API = {hookspecs.API}" in page


def test_every_kind_is_listed_with_just_its_fields() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ((?:`\w+`(?:, )?)+) \|", text("docs/plugin-author.md"), re.M)
    written = {name: re.findall(r"`(\w+)`", fields) for name, fields in rows}
    assert written == {
        name: [f.name for f in dataclasses.fields(getattr(kinds, name)) if f.name not in ("host", "after")]
        for name in written
    }
    assert set(written) == set(kinds.__all__)


def test_the_constructors_that_are_shown_take_the_arguments_that_are_shown() -> None:
    for name, shown in re.findall(r"`(\w+)\.of\(([^`]*)\)`", text("docs/plugin-author.md")):
        if "…" in shown:
            continue
        signature = inspect.signature(getattr(kinds, name).of)
        assert [one.split("=")[0].strip("* ") for one in shown.split(",")] == list(signature.parameters), name


def test_what_the_page_says_of_the_site_and_of_a_host_is_there() -> None:
    part = text("docs/plugin-author.md").split("## What the site tells")[1].split("\n## ")[0]
    fields = {name: {f.name for f in dataclasses.fields(cls)} | set(vars(cls)) for name, cls in TOLD.items()}
    for thing, attribute in re.findall(r"`(site|host)\.(\w+)", part):
        assert attribute in fields[thing], f"{thing}.{attribute}"


TOLD = {"site": Site, "host": Host}


# what can be run


@pytest.fixture
def examples(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The example packages, importable as if they were installed."""
    for name in ("component", "distribution"):
        monkeypatch.syspath_prepend(str(ROOT / "examples" / name / "src"))
    yield
    for name in ("cephdeploy_usage", "cephdeploy_astra"):
        sys.modules.pop(name, None)


def test_every_python_block_of_the_plugin_authors_page_runs(examples: None) -> None:
    page = text("docs/plugin-author.md")
    names: dict[str, object] = {"__name__": "the_page"}
    for block in blocks(page, "python"):
        line = page[: page.index(block)].count("\n")
        exec(compile("\n" * line + block, "docs/plugin-author.md", "exec", dont_inherit=True), names)
    tests = [value for name, value in names.items() if name.startswith("test_")]
    assert tests
    for test in tests:
        test(FakeSite)  # type: ignore[operator]


def test_every_setting_of_the_plugin_authors_page_has_a_description(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "page_of_the_author.py").write_text("".join(blocks(text("docs/plugin-author.md"), "python")))
    monkeypatch.syspath_prepend(str(tmp_path))
    model = import_module("page_of_the_author").ArchiveSettings
    del sys.modules["page_of_the_author"]
    assert {name: field.description for name, field in model.model_fields.items()} == {
        "pool": "A key of ``pools``.",
        "user": "cephx user, without ``client.``.",
    }


def test_the_example_component_is_as_short_as_promised_and_converges(examples: None) -> None:
    source = text("examples/component/src/cephdeploy_usage/__init__.py")
    assert len(source.splitlines()) <= 60
    site = FakeSite({"ceph1": ["usage-exporter"]})
    site.hosts["ceph1"].accounts.setdefault("nobody", ("nogroup",))
    apply_twice(site.deployment([("usage", import_module("cephdeploy_usage"))]))
    assert site.restarts == [("ceph1", "usage-exporter.service")]


def test_the_files_that_pages_include_are_there() -> None:
    for page in DOCS.glob("*.md"):
        for target in re.findall(r"^```\{literalinclude\} (\S+)$", page.read_text(), re.M):
            assert (DOCS / target).is_file(), f"{page.name}: {target}"


# commands


def commands() -> list[tuple[str, str]]:
    """Every command line in a block or between backticks that begins with cephdeploy, with its page."""
    found = []
    for page in PAGES:
        content = page.read_text(encoding="utf-8")
        lines = [line for block in blocks(content, "console", "text") for line in block.splitlines()]
        lines += re.findall(r"^ {4}(cephdeploy .*)$", content, re.M)
        lines = [line.removeprefix("$ ") for line in lines if re.match(r"(\$ )?cephdeploy ", line)]
        lines += re.findall(r"`(cephdeploy [^`]*)`", content)
        found += [(name_of(page), line.split("  #")[0]) for line in lines]
    return found


def test_there_are_commands_in_the_pages_to_check() -> None:
    assert len(commands()) > 30


@pytest.mark.parametrize("page, line", commands())
def test_every_command_in_the_pages_exists_with_these_options(page: str, line: str) -> None:
    words = [word for word in shlex.split(line)[1:] if word not in ("…", "NAME")]
    command: click.Command = cli
    context = click.Context(cli, info_name="cephdeploy")
    while words:
        word = words.pop(0)
        if command.name == "openstack":
            return  # what follows is for the openstack client
        if word.startswith("-"):
            option = next((p for p in command.params if word.split("=")[0] in p.opts), None)
            assert isinstance(option, click.Option), f"{command.name} has no {word}"
            if option.is_flag or "=" in word:
                continue
            assert words, f"{word} needs a value"
            value = words.pop(0)
            if isinstance(option.type, click.Choice):
                assert value in option.type.choices
            if option.name == "plugins":
                assert set(value.split(",")) <= {*PLUGINS, "usage", "…"}
        elif isinstance(command, click.Group):
            found = command.get_command(context, word)
            assert found is not None, f"no command {word}"
            command = found


def test_every_command_is_told_in_the_readme() -> None:
    table = re.findall(r"^\| `cephdeploy (\w+)", text("README.md"), re.M)
    assert set(cli.commands) <= set(table)


def test_the_manual_page_has_every_command() -> None:
    (named,) = re.findall(r"^ +:commands: (.*)$", text("docs/man.md"), re.M)
    assert named.split(",") == list(cli.commands)


def test_the_make_targets_of_the_pages_are_in_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", text("Makefile"), re.M))
    for page in PAGES:
        content = page.read_text(encoding="utf-8")
        named = set(re.findall(r"^\$ make ([a-z-]+)", content, re.M)) | set(re.findall(r"`make ([a-z-]+)`", content))
        assert named <= targets, f"{name_of(page)}: {named - targets}"
    assert {"demo", "test"} <= set(re.findall(r"^\$ make ([a-z-]+)", text("README.md"), re.M))


# exit codes, errors, settings


def test_the_exit_codes_are_the_programs_own_words() -> None:
    rows = re.findall(r"^\| (\d+) \| ([A-Z]+) \| (.*) \|$", text("docs/operator.md"), re.M)
    assert {int(number): name for number, name, _ in rows} == {int(code): code.name for code in ExitCode}
    assert {int(number): words.replace("`", "") for number, _, words in rows} == {
        int(code): words for code, words in EXIT_CODES.items()
    }


def sources() -> str:
    """The text of all modules that may say an error, with the pieces of long sentences joined."""
    found = [*(ROOT / "core/src").rglob("*.py"), *(ROOT / "plugins").glob("*/src/*/*.py")]
    joined = "\n".join(path.read_text(encoding="utf-8") for path in found)
    return re.sub(r'"\s*\n\s*f?"', "", joined)


def test_every_error_with_a_remedy_is_one_that_the_program_says() -> None:
    said = re.sub(r"\{[^{}]*\}|%[sd]|%\(\w+\)s", "…", sources())
    page = text("docs/operator.md").split("## What to do when")[1].split("\n## ")[0]
    entries = re.findall(r"^(`.*)\n: ", page, re.M)
    assert len(entries) > 30
    for entry in entries:
        for quoted in re.findall(r"`([^`]+)`", entry):
            pieces = [piece.strip(" .:'") for piece in re.split("…|/etc/nova/nova.conf(?::1)?|site.yml:12:14", quoted)]
            for piece in filter(lambda piece: len(piece) > 8, pieces):
                candidates = (piece, piece.replace("cinder", "…"), piece.replace("[libvirt] images_type in", ""))
                assert any(one.strip() in said for one in candidates), f"nobody says: {piece}"


def site_blocks() -> list[tuple[str, str]]:
    known = {*writing.schema(components(PLUGINS))["properties"], "usage"}
    found = []
    for page in PAGES:
        for block in blocks(page.read_text(encoding="utf-8"), "yaml"):
            if set(yaml.safe_load(block)) & known:
                found.append((name_of(page), block))
    return found


@pytest.mark.parametrize("page, block", site_blocks())
def test_every_site_file_in_the_pages_loads(page: str, block: str, examples: None) -> None:
    usage: Component = import_module("cephdeploy_usage").settings()
    given = yaml.safe_load(block)
    if "hosts" not in given:  # a part of one: the rest around it
        rest = {key: value for key, value in yaml.safe_load(BASE).items() if key not in given}
        block = yaml.safe_dump(rest) + block
    sitefile.load(block, [*components(PLUGINS), usage])


def test_the_readmes_site_file_has_six_lines() -> None:
    (block,) = blocks(text("README.md"), "yaml")
    assert len(block.splitlines()) == 6


def test_each_plugins_readme_names_just_its_settings() -> None:
    for component in components(PLUGINS):
        page = " ".join(text(f"plugins/{component.name}/README.md").split())
        said = page.split(f"Settings under `{component.name}:`")[1]
        for key in component.settings.model_fields:
            assert f"`{key}`" in said, f"{component.name}: {key}"


def test_the_roles_of_the_operators_page_are_the_plugins_roles() -> None:
    table = text("docs/operator.md").split("| role | plugins that use it |")[1].split("\n\n")[0]
    roles = {role for component in components(PLUGINS) for role in component.roles}
    assert set(re.findall(r"^\| `([\w-]+)`", table, re.M)) == roles


def test_every_table_of_the_reference_can_be_made_and_has_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sphinx", reason="the tables are made by a Sphinx extension")
    monkeypatch.syspath_prepend(str(DOCS / "_ext"))
    tables = import_module("from_code").TABLES
    pages = text("docs/reference.md") + text("docs/man.md")
    named = re.findall(r"^```\{from-code\} ([\w-]+)$", pages, re.M)
    assert sorted(named) == sorted(tables)
    for name in named:
        assert len(tables[name]()) > 2, name


# links


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as both the page builder and a code host make them."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_between_pages_resolve() -> None:
    for page in PAGES:
        content = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
        for target in re.findall(r"\]\(([^)\s]+)\)", content):
            if re.match(r"[a-z]+://", target):
                continue
            path, _, anchor = target.partition("#")
            other = (page.parent / path).resolve() if path else page
            assert other.exists(), f"{name_of(page)}: {target}"
            if anchor:
                assert anchor in anchors(other), f"{name_of(page)}: {target}"
        for target in re.findall(r"\{doc\}`(?:[^<`]*<)?([\w-]+)>?`", content):
            assert (DOCS / f"{target}.md").is_file(), f"{name_of(page)}: {target}"


def test_every_page_is_in_the_table_of_contents() -> None:
    listed = set(blocks(text("docs/index.md"), "{toctree}")[0].split()) - {":maxdepth:", "1"}
    assert listed == {page.stem for page in DOCS.glob("*.md")} - {"index"}


def test_changelog_fragments_are_named_as_the_readme_says() -> None:
    for path in (ROOT / "changelog").iterdir():
        assert path.name == "README.md" or re.fullmatch(r"\d+\.(feature|fix|removal|doc)\.md", path.name), path.name


def test_no_page_has_a_placeholder_left() -> None:
    for page in PAGES:
        assert not re.search(r"\b(TODO|FIXME|XXX|TBD|PLAN$|RUN$|AGAIN$)", page.read_text(), re.M), name_of(page)
