"""What can be told of the transports without a host."""

from __future__ import annotations

import contextlib
import shlex
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest

from cephdeploy.errors import HostError
from cephdeploy.plugins import driver
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


def nameless() -> str:
    raise KeyError("getpwuid(): uid not found: 1234")


def test_a_uid_without_a_name_is_told_to_name_a_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cephdeploy.transports.hops.getuser", nameless)
    monkeypatch.setattr("os.getuid", lambda: 1234)
    config = tmp_path / "config"
    config.write_text("Host *\n  Compression no\n")
    target = Target(name="compute1", address="127.0.0.1", config=config)
    with pytest.raises(HostError, match=r"^compute1: .*your own id 1234 has no name here; add ssh: \{user: "):
        way(target)
    assert way(replace(target, user="root"))[0].user == "root"


def test_this_machine_as_a_host_needs_no_name_for_a_uid(monkeypatch: pytest.MonkeyPatch) -> None:
    local = driver("cephdeploy.transports", "local")(Target(name="here", address="localhost"))
    monkeypatch.setattr("getpass.getuser", nameless)
    monkeypatch.setattr("os.geteuid", lambda: 1234)
    assert local.user == "uid 1234"
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert local.user == "root"


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


def test_fabric_comes_without_what_only_tests_of_invoke_need() -> None:
    code = (
        "import sys, cephdeploy.transports.fabric\n"
        "print(*(name for name in ('unittest.mock', 'asyncio') if name in sys.modules))\n"
        "import invoke\n"
        "context = invoke.MockContext(run=True)\n"
        "context.run('true')\n"
        "print(context.run.called, type(context.run).__module__)"
    )
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert said.splitlines() == ["", "True unittest.mock"]


# a port that takes connections and is no sshd


@contextlib.contextmanager
def listening(words: bytes | None) -> Iterator[int]:
    """A port that answers each connection with ``words`` and hangs up, or says nothing for ever."""
    held = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            with contextlib.suppress(OSError):
                while True:
                    line, _ = listener.accept()
                    held.append(line)
                    if words is not None:
                        line.sendall(words)
                        line.shutdown(socket.SHUT_WR)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    for line in held:
        line.close()


@pytest.fixture(params=["fabric", "asyncssh", "openssh"])
def transport(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each transport, without anything of the person who runs the tests, and with no second try."""
    name: str = request.param
    if name == "asyncssh":
        pytest.importorskip("asyncssh")
    if name == "openssh" and shutil.which("ssh") is None:
        pytest.skip("there is no ssh here")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.setattr(import_module(f"cephdeploy.transports.{name}"), "PAUSES", ())
    return name


def refusal(transport: str, port: int, timeout: float) -> str:
    target = Target(name="c1", address="127.0.0.1", port=port, user="root", timeout=timeout)
    with pytest.raises(HostError) as raised:
        driver("cephdeploy.transports", transport)(target).start("true")
    return str(raised.value)


@pytest.mark.parametrize(
    "words", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0" * 9000], ids=["nothing", "http", "no text"]
)
def test_who_takes_the_connection_and_hangs_up_without_a_banner_is_told_alike_by_each_transport(
    transport: str, words: bytes
) -> None:
    with listening(words) as port:
        assert refusal(transport, port, timeout=5) == (
            f"c1: not reachable at 127.0.0.1 port {port}: it takes the connection and does not speak ssh; check the "
            "port, and whether the sshd there turns this machine away (MaxStartups, PerSourcePenalties)"
        )


def test_who_takes_the_connection_and_says_nothing_is_given_up_after_the_time_for_connecting(transport: str) -> None:
    begun = time.monotonic()
    with listening(None) as port:
        assert refusal(transport, port, timeout=1) == (
            f"c1: not reachable at 127.0.0.1 port {port}: no answer in 1 s; check its address and that sshd runs"
        )
    assert time.monotonic() - begun < 4


def test_a_proxy_command_that_ends_is_told_as_such(transport: str, tmp_path: Path) -> None:
    (tmp_path / "config").write_text("Host *\n  ProxyCommand exit 1\n")
    target = Target(name="c1", address="host.example", user="root", config=tmp_path / "config", timeout=5)
    with pytest.raises(HostError, match=r"host\.example port 22: its ProxyCommand brings no answer of an sshd; see"):
        driver("cephdeploy.transports", transport)(target).start("true")
