"""The frame of the command line: help, statuses, plugins' commands, start-up."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import click
import pytest
from click.testing import CliRunner, Result

from cephdeploy import __version__, cli, errors, plugins
from cephdeploy.errors import ExitCode, PluginError
from cephdeploy.report.paper import Paper
from cephdeploy.report.tables import table


def run(*words: str, env: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(cli.cli, words, prog_name="cephdeploy", env=env)


def test_help_and_version_end_with_0() -> None:
    assert run("--version").stdout == f"cephdeploy {__version__}\n"
    for words in (("--help",), ("-h",), ("plan", "-h")):
        assert run(*words).exit_code == 0


def test_help_tells_every_exit_status_in_the_words_of_the_library() -> None:
    source = Path(errors.__file__).read_text().replace("``", "")
    said = {name: text for text, name in re.findall(r"#: (.*)\n    ([A-Z]+) = \d+", source)}
    assert {code.name: text for code, text in cli.EXIT_CODES.items()} == said
    text = " ".join(run("--help").stdout.split())
    for code, meaning in cli.EXIT_CODES.items():
        assert f"{int(code)} {meaning}" in text


@pytest.mark.parametrize(
    "words", [(), ("plam",), ("plan", "--nope"), ("plan", "-f", "yaml"), ("plan", "too-much"), ("--nope",)]
)
def test_wrong_use_ends_with_64(words: tuple[str, ...]) -> None:
    result = run(*words)
    assert result.exit_code == ExitCode.USAGE
    assert "Usage: cephdeploy" in result.stderr
    assert result.stdout == ""


def test_a_command_that_is_misspelt_gets_the_near_one() -> None:
    assert "no command 'plam'; did you mean 'plan'?" in run("plam").stderr


def test_help_imports_nothing_that_is_slow() -> None:
    heavy = (
        "pydantic",
        "rich",
        "fabric",
        "stevedore",
        "pluggy",
        "yaml",
        "jinja2",
        "openstack",
        "oslo_config",
    )
    code = (
        "import sys\nfrom cephdeploy.cli import main\nsys.argv = ['cephdeploy', '--help']\n"
        f"try: main()\nexcept SystemExit: pass\nprint(*(n for n in {heavy!r} if n in sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.strip()) == (0, "")


# commands of other distributions


class FakePoint:
    """An entry point that knows whether it was imported."""

    group = cli.GROUP
    value = "other:command"

    def __init__(self, name: str, found: object, distribution: str = "cephdeploy-other") -> None:
        self.name = name
        self.found = found
        self.loaded = 0
        self.dist = SimpleNamespace(name=distribution, version="1.2", metadata={"Summary": "Does other things"})

    def load(self) -> object:
        self.loaded += 1
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


@click.command()
@click.pass_obj
def trust(asked: cli.Asked) -> None:
    """Trust a host."""
    click.echo(f"trusting with {asked.site}")


def provide(monkeypatch: pytest.MonkeyPatch, *points: FakePoint) -> None:
    real = metadata.entry_points

    def found(**select: Any) -> Any:
        return list(points) if select.get("group") == cli.GROUP else real(**select)

    monkeypatch.setattr(metadata, "entry_points", found)


def test_a_plugins_command_is_listed_without_its_import(monkeypatch: pytest.MonkeyPatch) -> None:
    point = FakePoint("trust", trust)
    provide(monkeypatch, point)
    assert "trust  Does other things (cephdeploy-other)" in run("--help").stdout
    completed = run(env={"_CEPHDEPLOY_COMPLETE": "bash_complete", "COMP_WORDS": "cephdeploy tr", "COMP_CWORD": "1"})
    assert "plain,trust" in completed.stdout
    assert run("plugins", "--help").exit_code == 0
    assert point.loaded == 0


def test_a_plugins_command_runs_with_what_was_asked_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    provide(monkeypatch, FakePoint("trust", trust))
    assert run("-C", "x.yml", "trust").stdout == "trusting with x.yml\n"
    assert "Trust a host." in run("trust", "--help").stdout


def test_a_plugins_command_that_does_not_import_ends_with_4_and_names_its_distribution(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    provide(monkeypatch, FakePoint("trust", ImportError("no module named x")))
    result = run("trust")
    assert result.exit_code == ExitCode.INVALID
    assert result.stderr == "command 'trust' (cephdeploy-other) does not import: no module named x\n"
    assert run("--help").exit_code == 0


def test_a_plugins_command_must_be_a_click_command(monkeypatch: pytest.MonkeyPatch) -> None:
    provide(monkeypatch, FakePoint("trust", print))
    assert "is no click command" in run("trust").stderr


def test_two_distributions_with_one_command_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    provide(monkeypatch, FakePoint("trust", trust), FakePoint("trust", trust, "cephdeploy-more"))
    result = run("trust")
    assert result.exit_code == ExitCode.INVALID
    assert "cephdeploy-other and cephdeploy-more; uninstall one of them" in result.stderr


def test_no_plugin_can_take_a_command_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    point = FakePoint("plan", trust)
    provide(monkeypatch, point)
    assert "Does other things" not in run("--help").stdout
    run("plan", "--help")
    assert point.loaded == 0


# plugins


def installed(name: str) -> plugins.Installed:
    return plugins.Installed(name, cast("metadata.EntryPoint", FakePoint(name, None, f"cephdeploy-{name}")))


@pytest.fixture
def one_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    class Fake:
        def __init__(self, names: list[str]) -> None:
            if names == ["bad"]:
                raise PluginError("plugin 'bad' (cephdeploy-bad) does not import: no module named x")

        def hooks(self, name: str) -> tuple[str, ...]:
            return ("settings", "verify")

    monkeypatch.setattr(plugins, "installed", lambda: {name: installed(name) for name in ("bad", "good")})
    monkeypatch.setattr(plugins, "Plugins", Fake)


@pytest.mark.usefixtures("one_broken")
def test_a_broken_plugin_is_listed_with_its_error_beside_the_good_ones() -> None:
    result = run("plugins")
    assert result.exit_code == ExitCode.INVALID
    assert "good     1.2       cephdeploy-good   settings, verify" in result.stdout
    assert "does not import: no module named x" in result.stdout


def test_a_table_keeps_its_words_whole_on_a_narrow_terminal() -> None:
    rows = [["glance", "1.2", "cephdeploy-glance", "settings, prepare_ceph, distribute_keys, configure_service"]]
    made = [line.plain for line in table(["plugin", "version", "distribution", "hooks"], rows, Paper(60))]
    assert made == [
        "plugin   version   distribution",
        "    hooks",
        "glance   1.2       cephdeploy-glance",
        "    settings, prepare_ceph, distribute_keys,",
        "    configure_service",
    ]
    wide = [line.plain for line in table(["plugin", "version", "distribution", "hooks"], rows, Paper(80))]
    assert wide[1:] == [
        "glance   1.2       cephdeploy-glance   settings, prepare_ceph, distribute_keys,",
        "                                       configure_service",
    ]


@pytest.mark.usefixtures("one_broken")
def test_plugins_in_json_have_the_error_apart() -> None:
    import json

    bad, good = json.loads(run("plugins", "-f", "json").stdout)["plugins"]
    assert bad["error"] and bad["hooks"] == []
    assert good == {
        "name": "good", "version": "1.2", "distribution": "cephdeploy-good", "hooks": ["settings", "verify"],
        "error": None,
    }  # fmt: skip


def completed(*words: str) -> list[str]:
    """What bash is told after TAB at the end of a command line."""
    line = {"COMP_WORDS": " ".join(["cephdeploy", *words]), "COMP_CWORD": str(len(words))}
    said = run(env={"_CEPHDEPLOY_COMPLETE": "bash_complete", **line})
    assert said.exit_code == 0, said.output
    return [text.partition(",")[2] for text in said.stdout.splitlines() if text]


def test_names_of_plugins_are_completed_after_a_comma(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [SimpleNamespace(name=name) for name in ("glance", "nova", "cinder")]
    monkeypatch.setattr(metadata, "entry_points", lambda **select: points)
    assert completed("plan", "--plugins", "nova,gl") == ["nova,glance"]
    assert completed("plan", "--plugins", "nova,") == ["nova,cinder", "nova,glance"]


def test_hosts_are_completed_as_the_site_file_names_them(tmp_path: Path) -> None:
    site = tmp_path / "site file.yml"
    site.write_text("ceph: !unknown {admin: ceph1}\nhosts:\n  ceph1: {}\n  compute[1-20]: {}\n  control1:\n    ? [a]\n")
    environment = f"cephdeploy -C '{site}'"
    said = run(
        env={"_CEPHDEPLOY_COMPLETE": "bash_complete", "COMP_WORDS": f"{environment} plan --limit c", "COMP_CWORD": "5"}
    )
    assert said.stdout.splitlines() == ["plain,ceph1", "plain,compute[1-20]", "plain,control1"]
    said = run(
        env={
            "_CEPHDEPLOY_COMPLETE": "bash_complete",
            "COMP_WORDS": f"{environment} rollback x --host co",
            "COMP_CWORD": "6",
        }
    )
    assert said.stdout.splitlines() == ["plain,compute[1-20]", "plain,control1"]


@pytest.mark.parametrize("text", [None, "", "- a", "hosts: [a]", "hosts: {a: b", "hosts: \x00", b"\xff\xfe\x00"])
def test_a_site_file_that_is_none_completes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: Any) -> None:
    monkeypatch.chdir(tmp_path)
    if text is not None:
        Path("site.yml").write_bytes(text if isinstance(text, bytes) else text.encode())
    assert completed("plan", "--limit", "c") == []


def test_runs_are_completed_the_newest_first_with_what_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert completed("rollback", "") == []
    runs = tmp_path / "cephdeploy" / "runs"
    runs.mkdir(parents=True)
    (runs / "20260101-000000-aaaa.jsonl").write_text('{"event": "begin", "command": "run"}\n')
    (runs / "20260102-000000-bbbb.jsonl").write_text('{"event": "beg')
    (runs / "20250101-000000-cccc.jsonl").write_text("[]\n")
    assert completed("rollback", "2026") == ["20260102-000000-bbbb", "20260101-000000-aaaa"]
    assert completed("show", "") == ["20260102-000000-bbbb", "20260101-000000-aaaa", "20250101-000000-cccc"]
    told = run(
        env={"_CEPHDEPLOY_COMPLETE": "zsh_complete", "COMP_WORDS": "cephdeploy show 20260101", "COMP_CWORD": "2"}
    )
    assert told.stdout.splitlines() == ["plain", "20260101-000000-aaaa", "run"]
