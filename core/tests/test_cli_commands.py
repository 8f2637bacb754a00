"""The commands against fake hosts: what is said, what is asked, and how each ends."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from click.testing import CliRunner, Result

from cephdeploy import cli as command_line
from cephdeploy import deployment, plugins, requests
from cephdeploy.cli import _changing
from cephdeploy.distros.debian import debian
from cephdeploy.errors import ExitCode, HostError, SiteFileError
from cephdeploy.graph import Declaration, Phase, build
from cephdeploy.journal import Past
from cephdeploy.lock import Locked
from cephdeploy.requests import Answer, Group, Hold, Ran, Request, Run
from cephdeploy.resource import Resource, State, Upstream
from cephdeploy.settings import Component, SiteSettings
from cephdeploy.site import CephCluster, Host, Site
from cephdeploy.values import Address
from cephdeploy.verify import ProbeResult


@dataclass(frozen=True, kw_only=True)
class Thing(Resource):
    """The simplest thing: there or not there."""

    kind: ClassVar[str] = "thing"
    title: str

    @property
    def name(self) -> str:
        return self.title

    def probe(self) -> Sequence[Request]:
        return (Run(argv=("look", self.title)),)

    def read(self, answers: Sequence[Answer]) -> State | None:
        (ran,) = answers
        assert isinstance(ran, Ran)
        return State({"size": "1"}) if ran.status == 0 else None

    def want(self, have: State | None, upstream: Upstream) -> State:
        return State({"size": "1"})

    def change(self, have: State | None, want: State) -> Sequence[Request]:
        return (Run(argv=("make", self.title)),)


@dataclass
class FakeHost(requests.Host):
    """A host that has things, and makes them."""

    name: str
    things: set[str] = field(default_factory=set)
    refuses: set[str] = field(default_factory=set)
    before: Callable[[str], None] = lambda verb: None
    locked: bytes = b""

    def exchange(self, groups: Sequence[Group]) -> list[list[Answer]]:
        return [[self._answer(request) for request in group.requests] for group in groups]

    def _answer(self, request: Request) -> Answer:
        if isinstance(request, Hold):
            return Ran(status=75 if self.locked else 0, err=self.locked)
        assert isinstance(request, Run)
        verb, title = request.argv
        self.before(verb)
        if verb == "look":
            return Ran(status=0 if title in self.things else 1)
        if title in self.refuses:
            return Ran(status=1, err=b"no space left on device")
        self.things.add(title)
        return Ran(status=0)

    def close(self) -> None:
        pass


SETTINGS = SiteSettings.model_validate(
    {
        "ceph": {"admin": "ceph1"},
        "hosts": {
            "ceph1": {"address": "10.0.0.1"},
            "c1": {"address": "10.0.0.2", "roles": ["nova-compute"]},
        },
    }
)


class World:
    """What the commands find: hosts, plugins' names, proofs."""

    def __init__(self) -> None:
        self.hosts = {name: FakeHost(name) for name in ("ceph1", "c1")}
        self.results = [ProbeResult("nova", "a guest boots", True, "in 3 s", 3.0)]
        self.error: Exception | None = None
        self.opened: list[tuple[str, ...]] = []

    def open(
        self,
        settings: SiteSettings,
        names: Sequence[str],
        undo: Past | None = None,
        only: Collection[str] = (),
        off: bool = False,
        holder: str = "",
    ) -> deployment.Deployment:
        self.opened.append(tuple(names))
        if self.error is not None:
            raise self.error
        user = Thing(host="ceph1", title="user")
        key = Thing(host="c1", title="key", after=(user.address,))
        site = Site(
            settings=settings,
            hosts={
                name: Host(
                    name=name, address="10.0.0.1", roles=tuple(settings.hosts[name].roles), distro=debian, versions={}
                )
                for name in self.hosts
            },
            ceph=CephCluster(
                admin="ceph1", cluster="ceph", conf="/etc/ceph/ceph.conf", prefix=(), fsid="f", mon_host="m",
                version="16.2.15",
            ),
        )  # fmt: skip
        graph = build(
            [Declaration("nova", Phase.PREPARE_CEPH, user), Declaration("nova", Phase.CONFIGURE_SERVICE, key)]
        )
        chosen: Any = SimpleNamespace(names=tuple(names))
        hosts = {name: Locked(host, holder) if holder else host for name, host in self.hosts.items()}
        return FakeDeployment(site, graph, hosts, chosen, results=self.results)


@dataclass(frozen=True)
class FakeDeployment(deployment.Deployment):
    """The real one, but for the proofs."""

    results: list[ProbeResult] = field(default_factory=list)

    def verify(
        self,
        *,
        limit: Sequence[str] = (),
        listener: Callable[[ProbeResult], None] = lambda result: None,
        doing: Callable[[str], None] = lambda what: None,
    ) -> list[ProbeResult]:
        for result in self.results:
            listener(result)
        return self.results


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    made = World()
    monkeypatch.setattr(deployment, "load", lambda path, plugins=(): SETTINGS)
    monkeypatch.setattr(deployment.Deployment, "open", made.open)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("CEPHDEPLOY_SITE", raising=False)
    return made


@pytest.fixture
def on_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_changing, "_on_terminal", lambda: True)


def run(*words: str, answer: str | None = None) -> Result:
    return CliRunner().invoke(command_line.cli, words, input=answer, prog_name="cephdeploy")


def journal(tmp_path: Path) -> list[dict[str, Any]]:
    (path,) = (tmp_path / "state/cephdeploy/runs").glob("*.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]


# plan


def test_a_plan_ends_with_0_and_names_the_command_that_carries_it_out(world: World) -> None:
    result = run("plan", "--plugins", "nova", "-C", "other.yml")
    assert result.exit_code == 0
    assert "Plan: 2 to add." in result.stdout
    assert result.stdout.endswith("run it: cephdeploy -C other.yml run --plugins nova\n")
    assert world.hosts["c1"].things == set()


def test_a_plan_with_changes_ends_with_2_when_asked(world: World) -> None:
    assert run("plan", "--plugins", "nova", "--detailed-exitcode").exit_code == ExitCode.CHANGES
    for host in world.hosts.values():
        host.things = {"user", "key"}
    result = run("plan", "--plugins", "nova", "--detailed-exitcode")
    assert result.exit_code == 0
    assert "Nothing to do: 2 resources on 2 hosts are as they should be." in result.stdout


def test_a_plan_in_json_is_nothing_but_json(world: World) -> None:
    result = run("plan", "--plugins", "nova", "-f", "json")
    assert json.loads(result.stdout)["counts"]["create"] == 2
    assert result.stderr == ""


def test_plugins_may_be_named_with_commas_and_again(world: World) -> None:
    run("plan", "--plugins", "a,b", "-p", "b , c")
    assert world.opened == [("a", "b", "c")]


def test_without_plugins_all_that_the_site_has_roles_for_take_part(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {
        "glance": Component("glance", roles={"glance-api": "images"}),
        "nova": Component("nova", roles={"nova-compute": "guests"}),
    }
    monkeypatch.setattr(plugins, "installed", lambda: known)
    monkeypatch.setattr(plugins, "Plugins", lambda names: SimpleNamespace(components=lambda: known))
    result = run("plan")
    assert world.opened == [("nova",)]
    assert "plugins nova  (all that site.yml has roles for; --plugins chooses)" in result.stdout
    assert result.stdout.endswith("run it: cephdeploy run\n")
    known.pop("nova")
    result = run("plan")
    assert result.exit_code == ExitCode.INVALID
    assert result.stderr == "no host in site.yml has a role that an installed plugin knows; there are: glance-api\n"


def test_without_any_plugin_installed_some_are_named(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "installed", dict)
    result = run("verify")
    assert result.exit_code == ExitCode.USAGE
    assert "no plugin is installed; cephdeploy-glance" in result.stderr


def test_a_limit_that_is_no_host_ends_with_64_and_a_near_name(world: World) -> None:
    result = run("plan", "--plugins", "nova", "--limit", "ceph2")
    assert result.exit_code == ExitCode.USAGE
    assert result.stderr == "--limit ceph2: site.yml has no such host; did you mean 'ceph1'?\n"
    assert world.opened == []


@pytest.mark.parametrize("value", ["", " ", ",", " , "])
@pytest.mark.parametrize(
    ("words", "option", "what"),
    [
        (("run", "--yes", "--limit"), "--limit", "host"),
        (("run", "--yes", "--limit=c1", "--limit"), "--limit", "host"),
        (("plan", "-p"), "--plugins", "plugin"),
        (("run", "--yes", "--plugins"), "--plugins", "plugin"),
        (("rollback", "20261122-141007-3fa2", "--yes", "--host"), "--host", "host"),
    ],
)
def test_an_option_that_names_nothing_never_means_all(
    world: World, words: tuple[str, ...], option: str, what: str, value: str
) -> None:
    result = run(*words, value)
    assert result.exit_code == ExitCode.USAGE
    assert result.stderr == f"{option} is empty: name a {what}, or leave it out\n"
    assert world.opened == []


def test_a_limit_may_be_a_range_as_it_stands_in_the_site_file(world: World) -> None:
    result = run("plan", "--plugins", "nova", "--limit", "c[1-1],ceph[1-1]")
    assert "limited to c1, ceph1; the other hosts are looked at" in result.stdout
    result = run("plan", "--plugins", "nova", "--limit", "c[1-2]")
    assert (result.exit_code, result.stderr) == (
        ExitCode.USAGE,
        "--limit c2: site.yml has no such host\n",
    )


def test_a_limit_that_is_no_range_ends_with_64_and_says_why(world: World) -> None:
    result = run("plan", "--plugins", "nova", "--limit", "c[2-1]")
    assert (result.exit_code, result.stderr) == (
        ExitCode.USAGE,
        "--limit c[2-1]: the range [2-1] ends before it begins\n",
    )


def test_a_limit_changes_its_hosts_only_and_says_so(world: World) -> None:
    result = run("plan", "--plugins", "nova", "--limit", "ceph1")
    assert "limited to ceph1; the other hosts are looked at and left alone" in result.stdout
    assert "Plan: 1 to add." in result.stdout
    assert result.stdout.endswith("run --plugins nova --limit=ceph1\n")


# errors


def test_each_unreachable_host_is_a_line_and_the_status_is_6(world: World) -> None:
    world.error = HostError("c1", "no answer\nceph1: another host key")
    result = run("plan", "--plugins", "nova")
    assert result.exit_code == ExitCode.UNREACHABLE
    assert result.stderr == "c1: no answer\nceph1: another host key\n"
    assert result.stdout == ""


def test_our_own_fault_is_a_sentence_and_a_traceback_only_with_debug(world: World) -> None:
    world.error = TypeError("it is odd")
    result = run("plan", "--plugins", "nova")
    assert result.exit_code == ExitCode.FAILED
    assert result.stderr == "cephdeploy has a fault: TypeError: it is odd; run again with --debug and report it\n"
    world.error = TypeError("password = hunter2 is odd")
    assert run("plan", "--plugins", "nova").stderr == (
        "cephdeploy has a fault: TypeError: password = <secret>; run again with --debug and report it\n"
    )
    for words in (("--debug", "plan"), ("plan", "--debug")):
        result = run(*words, "--plugins", "nova")
        assert "Traceback" in result.stderr
        assert "hunter2" not in result.stderr
        assert "again with --debug" not in result.stderr


def test_a_hosts_error_can_not_write_to_the_terminal_as_it_likes(world: World) -> None:
    world.error = HostError("c1", "\x1b]0;owned\x07no answer\x1b[2J")
    assert run("plan", "--plugins", "nova").stderr == "c1: no answer\n"


@pytest.mark.fault("F41")
def test_ctrl_c_while_planning_says_that_nothing_was_changed(world: World) -> None:
    def interrupt(verb: str) -> None:
        raise KeyboardInterrupt

    world.hosts["c1"].before = interrupt
    result = run("plan", "--plugins", "nova")
    assert result.exit_code == ExitCode.INTERRUPTED
    assert result.stderr == "interrupted: nothing was changed\n"


# run


def test_a_run_without_a_terminal_and_without_yes_is_refused_before_any_host_is_asked(world: World) -> None:
    result = run("run", "--plugins", "nova")
    assert result.exit_code == ExitCode.USAGE
    assert "add --yes" in result.stderr
    assert world.opened == []


@pytest.mark.parametrize("command", ["rollback", "unwire"])
def test_without_a_terminal_and_without_yes_its_plan_is_shown_and_nothing_changed(
    world: World, tmp_path: Path, command: str
) -> None:
    assert run("run", "--plugins", "nova", "--yes").exit_code == 0
    (path,) = tmp_path.rglob("*.jsonl")
    world.hosts = {name: FakeHost(name) for name in world.hosts}
    result = run(command, "nova" if command == "unwire" else path.stem)
    assert result.exit_code == ExitCode.USAGE
    assert "thing user" in result.stdout
    assert result.stderr == (
        "nothing was changed: there is no terminal to ask on; add --yes to have these changes made\n"
    )
    assert not any(host.things for host in world.hosts.values())


def test_a_run_shows_its_plan_converges_and_proves(world: World, tmp_path: Path) -> None:
    result = run("run", "--plugins", "nova", "--yes")
    assert result.exit_code == 0
    assert world.hosts["c1"].things == {"key"}
    said = result.stdout
    places = [
        said.index(text)
        for text in (
            "Plan: 2 to add.", "✓ ceph1", "✓ c1", "c1      ok        1 changed", "converged in", "✓ a guest boots",
            "proven. 1 probe. run 2",
        )
    ]  # fmt: skip
    assert places == sorted(places)
    events = journal(tmp_path)
    assert [event["event"] for event in events] == [
        "begin", "plan", "send", "end", "send", "end", "verify", "finish"
    ]  # fmt: skip
    assert events[0]["plugins"] == ["nova"]
    assert events[0]["hosts"] == ["c1", "ceph1"]
    assert [(step["host"], step["name"], step["action"]) for step in events[1]["steps"]] == [
        ("ceph1", "user", "create"),
        ("c1", "key", "create"),
    ]
    assert events[-1]["exit_code"] == 0


@pytest.mark.usefixtures("on_terminal")
def test_no_is_taken_for_no(world: World) -> None:
    result = run("run", "--plugins", "nova", answer="n\n")
    assert "Make these changes on 2 hosts? [y/N]" in result.stdout
    assert result.exit_code == ExitCode.INTERRUPTED
    assert result.stderr == "nothing was changed\n"
    assert world.hosts["ceph1"].things == set()


@pytest.mark.usefixtures("on_terminal")
def test_yes_is_taken_for_yes_and_nothing_else_is(world: World) -> None:
    assert run("run", "--plugins", "nova", answer="\n").exit_code == ExitCode.INTERRUPTED
    assert run("run", "--plugins", "nova", answer="").exit_code == ExitCode.INTERRUPTED
    assert run("run", "--plugins", "nova", answer="y\n").exit_code == 0
    assert world.hosts["ceph1"].things == {"user"}


@pytest.mark.usefixtures("on_terminal")
def test_a_run_with_nothing_to_do_does_not_ask_and_proves(world: World) -> None:
    for host in world.hosts.values():
        host.things = {"user", "key"}
    result = run("run", "--plugins", "nova", "--detailed-exitcode")
    assert result.exit_code == 0
    assert "Nothing to do" in result.stdout
    assert "[y/N]" not in result.stdout
    assert "proven." in result.stdout


def test_a_good_run_with_changes_ends_with_2_when_asked(world: World) -> None:
    assert run("run", "--plugins", "nova", "-y", "--detailed-exitcode").exit_code == ExitCode.CHANGES


def test_a_run_that_is_partly_done_ends_with_3_and_proves_nothing(world: World, tmp_path: Path) -> None:
    world.hosts["c1"].refuses = {"key"}
    result = run("run", "--plugins", "nova", "-y", "--detailed-exitcode")
    assert result.exit_code == ExitCode.PARTLY
    assert "failed    c1: thing key: make key: no space left on device" in result.stdout
    assert "a guest boots" not in result.stdout
    assert journal(tmp_path)[-1]["exit_code"] == 3


def test_what_waits_for_a_failed_step_is_counted_and_not_listed(world: World) -> None:
    world.hosts["ceph1"].refuses = {"user"}
    result = run("run", "--plugins", "nova", "-y")
    assert result.exit_code == ExitCode.FAILED
    assert "1 step that needs it was skipped: thing key on c1" in result.stdout
    assert result.stdout.count("✗") == 1


def test_a_proof_that_fails_ends_with_1(world: World, tmp_path: Path) -> None:
    world.results = [ProbeResult("nova", "a guest boots", False, "it does not", 3.0)]
    result = run("run", "--plugins", "nova", "-y")
    assert result.exit_code == ExitCode.FAILED
    assert "not proven: 1 of 1 probe failed." in result.stdout
    assert journal(tmp_path)[-1]["exit_code"] == 1


def test_the_proof_may_be_left_out(world: World) -> None:
    result = run("run", "--plugins", "nova", "-y", "--no-verify")
    assert result.exit_code == 0
    assert "a guest boots" not in result.stdout
    assert "not proved (--no-verify)" in result.stdout


@pytest.mark.fault("F41")
@pytest.mark.usefixtures("hears_interrupts")
def test_ctrl_c_in_a_run_says_that_the_same_command_goes_on(world: World, tmp_path: Path) -> None:
    def interrupt(verb: str) -> None:
        if verb == "make":
            os.kill(os.getpid(), signal.SIGINT)

    world.hosts["ceph1"].before = interrupt
    result = run("run", "--plugins", "nova", "-y")
    assert result.exit_code == ExitCode.INTERRUPTED
    assert "Run the same command again: it looks at every host and goes on from there." in result.stderr
    assert journal(tmp_path)[-1] == {**journal(tmp_path)[-1], "event": "finish", "exit_code": 130}
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.fault("F06")
def test_a_journal_that_can_not_be_kept_stops_the_run_before_any_change(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    result = run("run", "--plugins", "nova", "-y")
    assert result.exit_code == ExitCode.FAILED
    assert "can't keep a journal" in result.stderr
    assert world.hosts["ceph1"].things == set()


@pytest.mark.parametrize("error", [KeyError("getpwuid(): uid not found: 1001"), OSError("No username set")])
def test_a_user_without_a_name_as_in_a_container_holds_the_lock_by_its_number(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def getuser() -> str:
        raise error

    monkeypatch.setattr("getpass.getuser", getuser)
    assert run("run", "--plugins", "nova", "-y").exit_code == 0
    assert journal(tmp_path)[0]["who"].startswith(f"uid {os.getuid()} on ")


@pytest.mark.fault("F16")
def test_a_second_run_meanwhile_is_refused_and_told_who_holds_the_lock(world: World) -> None:
    world.hosts["c1"].locked = b"another run holds it: ann on bastion, since 10:11"
    result = run("run", "--plugins", "nova", "-y")
    assert result.exit_code == ExitCode.LOCKED
    assert result.stderr.startswith("c1: another run holds it: ann on bastion, since 10:11; nothing was changed")
    assert world.hosts["c1"].things == set()


# saved plans


@pytest.mark.parametrize(
    ("place", "why"),
    [("no/x.json", "there is no folder {}/no; make it first"), (".", "it is a folder; name a file in it")],
)
def test_a_plan_that_could_not_be_saved_is_refused_before_any_host_is_asked(
    world: World, tmp_path: Path, place: str, why: str
) -> None:
    file = tmp_path / place
    result = run("plan", "--plugins", "nova", "-o", str(file))
    assert result.exit_code == ExitCode.USAGE
    assert result.stderr == f"can't save the plan in {file}: {why.format(tmp_path)}\n"
    assert world.opened == [] and result.stdout == ""


def test_a_saved_plan_is_run_by_the_words_that_are_shown(world: World, tmp_path: Path) -> None:
    file = tmp_path / "my plan.json"
    result = run("plan", "--plugins", "nova", "-o", str(file))
    assert result.stdout.endswith(f"run it: cephdeploy run '{file}'\n")


@pytest.mark.fault("F15")
def test_a_saved_plan_is_made_true_and_a_stale_one_is_refused(world: World, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    assert run("plan", "--plugins", "nova", "-o", str(file)).exit_code == 0
    assert file.stat().st_mode & 0o777 == 0o600
    world.hosts["c1"].things.add("key")
    stale = run("run", str(file), "-y")
    assert stale.exit_code == ExitCode.STALE
    assert "c1/thing:key is not as it saw it; nothing was changed" in stale.stderr
    world.hosts["c1"].things.clear()
    assert run("run", str(file), "-y").exit_code == 0
    assert world.hosts["c1"].things == {"key"}


@pytest.mark.fault("F42")
def test_a_file_that_is_no_plan_and_a_plan_of_another_version_are_refused(world: World, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    file.write_text("{}")
    assert run("run", str(file), "-y").exit_code == ExitCode.USAGE
    run("plan", "--plugins", "nova", "-o", str(file))
    file.write_text(file.read_text().replace('"cephdeploy": "0.', '"cephdeploy": "9.'))
    result = run("run", str(file), "-y")
    assert result.exit_code == ExitCode.STALE
    assert "another version" in result.stderr


# history


def test_past_runs_are_listed_and_shown(world: World, tmp_path: Path) -> None:
    assert "no run has been made" in run("history").stdout
    assert run("run", "--plugins", "nova", "-y").exit_code == 0
    (path,) = tmp_path.rglob("*.jsonl")
    listed = run("history").stdout
    assert path.stem in listed and "2 changed" in listed and "done" in listed
    shown = run("show", path.stem[:15]).stdout
    assert "thing user" in shown and f"cephdeploy rollback {path.stem}" in shown
    assert json.loads(run("show", path.stem, "-f", "json").stdout)["steps"][0]["status"] == "changed"
    assert run("show", "1999").exit_code == ExitCode.USAGE


# verify and graph


def test_verify_alone_tells_each_proof(world: World) -> None:
    result = run("verify", "--plugins", "nova")
    assert result.exit_code == 0
    assert re.search(r"✓ a guest boots +3.0 s   in 3 s\nproven. 1 probe.\n$", result.stdout)


def test_verify_in_json_ends_with_1_when_a_proof_fails(world: World) -> None:
    world.results = [ProbeResult("nova", "a guest boots", False, "password: hunter2", 3.0)]
    result = run("verify", "--plugins", "nova", "-f", "json")
    assert result.exit_code == ExitCode.FAILED
    document = json.loads(result.stdout)
    assert document["ok"] is False
    assert document["probes"][0]["detail"] == "password: <secret>"


def test_nothing_to_prove_is_said(world: World) -> None:
    world.results = []
    result = run("verify", "--plugins", "nova")
    assert result.exit_code == 0
    assert "nothing to prove" in result.stdout


@pytest.mark.parametrize("form", ["text", "mermaid", "dot", "json"])
def test_the_graph_is_drawn_in_each_form(world: World, form: str) -> None:
    result = run("graph", "--plugins", "nova", "-f", form)
    assert result.exit_code == 0
    assert "thing user" in result.stdout or "ceph1/thing:user" in result.stdout


# the site file


def test_every_fault_of_the_site_file_is_a_line_on_standard_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(path: Path) -> SiteSettings:
        raise SiteFileError([f"{path}:1:1: a: wrong", f"{path}:2:1: b: wrong"])

    monkeypatch.setattr(deployment, "load", load)
    result = run("validate", "-C", "x.yml")
    assert result.exit_code == ExitCode.INVALID
    assert result.stderr == "x.yml:1:1: a: wrong\nx.yml:2:1: b: wrong\n"
    assert result.stdout == ""


def test_a_good_site_file_is_fine(world: World) -> None:
    assert run("validate").stdout == "site.yml: fine, 2 hosts\n"


def test_the_site_file_may_be_named_before_or_after_or_by_a_variable(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("-C", "a.yml", "validate").stdout.startswith("a.yml:")
    assert run("validate", "--site", "b.yml").stdout.startswith("b.yml:")
    assert run("-C", "a.yml", "validate", "-C", "b.yml").stdout.startswith("b.yml:")
    monkeypatch.setenv("CEPHDEPLOY_SITE", "c.yml")
    assert run("validate").stdout.startswith("c.yml:")
    assert run("validate", "-C", "b.yml").stdout.startswith("b.yml:")


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A folder to write to, and one component."""
    nova = Component("nova", roles={"nova-compute": "guests"})
    monkeypatch.setattr(deployment, "components", lambda plugins=(): [nova])
    monkeypatch.chdir(tmp_path)
    yield tmp_path


def test_init_writes_a_site_file_that_is_valid_and_its_schema(bare: Path) -> None:
    result = run("init")
    assert result.exit_code == 0
    assert "next: " in result.stdout
    schema = json.loads((bare / "site.schema.json").read_text())
    assert "nova" in schema["properties"]
    assert run("validate").exit_code == 0


def test_init_overwrites_nothing_unless_forced(bare: Path) -> None:
    (bare / "site.yml").write_text("mine")
    result = run("init")
    assert result.exit_code == ExitCode.USAGE
    assert result.stderr == "site.yml is there already and was left alone; --force overwrites it\n"
    assert (bare / "site.yml").read_text() == "mine"
    assert not (bare / "site.schema.json").exists()
    assert run("init", "--force").exit_code == 0
    assert (bare / "site.yml").read_text() != "mine"


def test_init_into_a_folder_that_is_not_there_is_a_sentence(bare: Path) -> None:
    result = run("init", "no/site.yml")
    assert result.exit_code == ExitCode.USAGE
    assert result.stderr == "can't write no/site.yml: there is no folder no; make it first\n"


def test_settings_lists_every_key_with_its_default(bare: Path) -> None:
    result = run("settings")
    assert result.exit_code == 0
    assert "ceph.admin  (required)" in result.stdout
    assert "ssh.connect_timeout  10" in result.stdout
    assert "hosts.*.roles" in result.stdout
    assert any(key["key"] == "pools.*.bulk" for key in json.loads(run("settings", "-f", "json").stdout))


def test_addresses_are_told_from_hosts_by_their_parts() -> None:
    assert str(Address("h", "k", "n")) == "h/k:n"
