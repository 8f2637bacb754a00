"""What can be told of the transports without a host."""

from __future__ import annotations

import shlex
import subprocess
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest

from cephdeploy.errors import HostError
from cephdeploy.transports import Target
from cephdeploy.transports.hops import Hop
from cephdeploy.transports.ssh_config import way
from cephdeploy.transports.ssh_program import Way


def hop(name: str, **changes: object) -> Hop:
    usual: dict[str, object] = {
        "name": name,
        "host": f"{name}.example.com",
        "port": 22,
        "user": "root",
        "known_as": name,
        "known_hosts": (),
    }
    return Hop(**(usual | changes))  # type: ignore[arg-type]


def unfolded(argv: list[str]) -> list[list[str]]:
    """Each ssh of a command line, the one that connects to the host first."""
    for word in argv:
        if word.startswith("-oProxyCommand="):
            return [argv, *unfolded(shlex.split(word.partition("=")[2].replace("%%", "%")))]
    return [argv]


def test_every_ssh_on_the_way_checks_host_keys_and_asks_nobody() -> None:
    known = Path("/etc/cephdeploy/100% known hosts")
    target = Target(name="compute1", address="compute1", known_hosts=known, key=Path("/k"), timeout=2.5, keepalive=4)
    way = Way(target, [hop("one", port=2222), hop("two", user="jumper"), hop("compute1")], shared=False)
    commands = unfolded(way.argv("echo '100%'"))
    assert [words[-2] if words[-1].startswith("echo") else words[-1] for words in commands] == [
        "compute1",
        "two",
        "one",
    ]
    for words in commands:
        for option in ("StrictHostKeyChecking=yes", "BatchMode=yes", "ForwardAgent=no", "ControlPath=none"):
            assert f"-o{option}" in words
        assert '-oUserKnownHostsFile="/etc/cephdeploy/100%% known hosts"' in words
        assert "-oGlobalKnownHostsFile=none" in words
        assert "-oIdentitiesOnly=yes" in words
        assert "-oConnectTimeout=3" in words
        assert "-oServerAliveInterval=4" in words
    assert commands[1][commands[1].index("-W") + 1] == "[compute1.example.com]:22"
    assert commands[2][commands[2].index("-W") + 1] == "[two.example.com]:22"
    assert commands[0][-1] == "echo '100%'"


def test_a_name_that_looks_like_an_option_is_a_name() -> None:
    way = Way(Target(name="bad", address="-oProxyCommand=reboot"), [hop("-oProxyCommand=reboot")], shared=False)
    words = way.argv("true")
    assert words[-3:] == ["--", "-oProxyCommand=reboot", "true"]


def test_a_connection_that_is_held_open_is_not_logged_in_to_again() -> None:
    way = Way(Target(name="h", address="h"), [hop("held"), hop("h")], shared=True)
    assert [one.name for one in way.logins] == ["h"]
    last, first = unfolded(way.argv("true"))
    assert "-oControlPath=none" in last
    assert "-oControlPath=none" not in first


def test_a_transport_whose_library_is_missing_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "asyncssh", None)
    monkeypatch.delitem(sys.modules, "cephdeploy.transports.asyncssh", raising=False)
    with pytest.raises(ImportError, match=r"install cephdeploy-core\[asyncssh\]"):
        import_module("cephdeploy.transports.asyncssh")


QUIET = """# as Debian brings it
Host *
    SendEnv LANG LC_*
    HashKnownHosts=yes

"""


@pytest.mark.parametrize(("user", "port"), [(None, None), ("stack", 2222)])
@pytest.mark.parametrize("text", ["", QUIET])
def test_a_configuration_that_says_nothing_of_the_way_is_followed_as_paramiko_would(
    text: str, user: str | None, port: int | None, tmp_path: Path
) -> None:
    quiet, said = tmp_path / "quiet", tmp_path / "said"
    quiet.write_text(text)
    said.write_text(f"{text}Host elsewhere\n  Port 1\n")
    target = Target(name="a", address="a.example", user=user, port=port, config=quiet)
    assert way(target) == way(replace(target, config=said))


@pytest.mark.parametrize("line", ["hostname = 10.0.0.1", "Match all", "\tProxyJump b", "USER\tother", "Include more"])
def test_what_is_said_of_the_way_is_heard(line: str, tmp_path: Path) -> None:
    (tmp_path / "config").write_text(f"{QUIET}{line}\nPort 77\n")
    assert way(Target(name="a", address="a", config=tmp_path / "config"))[-1].port == 77


def test_a_line_that_is_none_is_a_fault_also_where_nothing_else_is_said(tmp_path: Path) -> None:
    (tmp_path / "config").write_text(f"{QUIET}HashKnownHosts\n")
    with pytest.raises(HostError, match="Unparsable line HashKnownHosts"):
        way(Target(name="a", address="a", config=tmp_path / "config"))


def test_asyncssh_needs_no_paramiko(tmp_path: Path) -> None:
    pytest.importorskip("asyncssh")
    (tmp_path / "config").write_text(QUIET)
    code = (
        "import sys\nfrom pathlib import Path\nfrom cephdeploy.transports import Target\n"
        "from cephdeploy.transports.asyncssh import AsyncsshTransport\n"
        "AsyncsshTransport(Target(name='a', address='a', config=Path(sys.argv[1])))\n"
        "print('paramiko' in sys.modules)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "config")]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "False\n"
