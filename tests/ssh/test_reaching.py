"""How a host is reached by each transport: host keys, keys, ssh_config, jump hosts, and what fails."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cephdeploy.errors import HostError
from cephdeploy.requests import Group, Ran, Run
from cephdeploy.session import Session

if TYPE_CHECKING:
    from .conftest import Sshd

pytestmark = pytest.mark.ssh


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home of our own that holds no keys, and no agent."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)


def works(session: Session) -> None:
    try:
        answer = session.exchange([Group(requests=(Run(argv=("echo", "well")),))])[0][0]
        assert isinstance(answer, Ran)
        assert answer.out == b"well\n"
    finally:
        session.close()


def refusal(server: Sshd, **changes: object) -> str:
    with pytest.raises(HostError) as raised:
        server.connect(**changes).close()
    text = str(raised.value)
    assert text.startswith("compute1: ")
    assert "\n" not in text
    return text


def fingerprint(server: Sshd) -> str:
    said = subprocess.run(["ssh-keygen", "-lf", str(server.files / "host_ed25519.pub")], capture_output=True, text=True)
    return said.stdout.split()[1]


def new_key(path: Path, *options: str) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", *options, "-f", str(path)], check=True)
    return path


@pytest.mark.fault("F01")
def test_an_unknown_host_key_is_refused_with_its_fingerprint_and_what_adds_it(server: Sshd, tmp_path: Path) -> None:
    logins = server.log().count("Accepted")
    text = refusal(server, known_hosts=tmp_path / "empty")
    assert fingerprint(server) in text
    assert f"ssh-keyscan -p {server.port} {server.addresses[0]} >> {tmp_path}/empty" in text
    assert "nothing was sent" in text
    assert server.log().count("Accepted") == logins


@pytest.mark.fault("F02")
def test_a_changed_host_key_is_refused_with_both_fingerprints(server: Sshd, tmp_path: Path) -> None:
    other = new_key(tmp_path / "other").with_suffix(".pub").read_text()
    known = tmp_path / "known"
    known.write_text(f"[{server.addresses[0]}]:{server.port} {other}")
    logins = server.log().count("Accepted")
    text = refusal(server, known_hosts=known)
    assert fingerprint(server) in text
    assert text.count("SHA256:") == 2
    assert f"ssh-keygen -R '[{server.addresses[0]}]:{server.port}'" in text
    assert server.log().count("Accepted") == logins


@pytest.mark.parametrize("fault", ["unknown", "changed", "revoked"])
def test_the_host_key_of_a_jump_host_is_checked_too(server: Sshd, tmp_path: Path, fault: str) -> None:
    first, second = (f"[{name}]:{server.port}" for name in server.addresses[:2])
    other = new_key(tmp_path / "other").with_suffix(".pub").read_text()
    lines = {
        "unknown": "",
        "changed": f"{first} {other}",
        "revoked": f"{first} {server.host_key}\n@revoked * {server.host_key}\n",
    }
    known = tmp_path / "known"
    known.write_text(lines[fault] + f"{second} {server.host_key}\n")
    jump = f"root@{server.addresses[0]}:{server.port}"
    text = refusal(server, address=server.addresses[1], jump=jump, known_hosts=known)
    assert f"on the way through {server.addresses[0]}: " in text
    assert {"unknown": "is not known", "changed": "is not the one", "revoked": "is revoked"}[fault] in text


@pytest.mark.parametrize(
    "line",
    [
        "[{host}]:{port} {key}",
        "{host} {key}",
        "other,{host} {key} a comment",
        "[127.77.*]:* {key}",
        "!127.0.0.1,127.77.* {key}",
        "[{host}]:{port} {ecdsa}",
        "[{host}]:{port} ssh-rsa {rsa}\n[{host}]:{port} {ecdsa}",
    ],
)
def test_every_form_of_a_known_key_counts(server: Sshd, tmp_path: Path, line: str) -> None:
    ecdsa = " ".join((server.files / "host_ecdsa.pub").read_text().split()[:2])
    subprocess.run(["ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", str(tmp_path / "rsa")], check=True)
    rsa = (tmp_path / "rsa.pub").read_text().split()[1]
    known = tmp_path / "known"
    known.write_text(
        "# keys\n\n|1|broken\n"
        + line.format(host=server.addresses[0], port=server.port, key=server.host_key, ecdsa=ecdsa, rsa=rsa)
    )
    works(server.connect(known_hosts=known))


def test_hashed_names_count(server: Sshd, tmp_path: Path) -> None:
    known = tmp_path / "known"
    known.write_text(server.known_hosts.read_text())
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(known)], check=True, capture_output=True)
    assert server.addresses[0] not in known.read_text()
    works(server.connect(known_hosts=known))


def test_a_key_of_the_port_wins_over_one_without_a_port(server: Sshd, tmp_path: Path) -> None:
    other = new_key(tmp_path / "other").with_suffix(".pub").read_text()
    known = tmp_path / "known"
    known.write_text(f"[{server.addresses[0]}]:{server.port} {other}{server.addresses[0]} {server.host_key}\n")
    assert "is not the one in known_hosts" in refusal(server, known_hosts=known)


def test_ssh_config_is_followed(server: Sshd, tmp_path: Path) -> None:
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/more").write_text(f"Host compute1\n  Port {server.port}\n  User alice\n")
    config = tmp_path / "config"
    config.write_text(
        f"Host compute*\n  HostName {server.addresses[0]}\n  Include more\n  IdentityFile {server.key}\n"
        f'  UserKnownHostsFile "{server.known_hosts}" /dev/null\n'
    )
    plain = {"user": None, "port": None, "key": None, "known_hosts": None}
    works(server.connect(address="compute1", config=config, **plain))
    assert "Accepted publickey for alice" in server.log()


def test_what_the_site_file_says_wins_over_ssh_config(server: Sshd, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("Host *\n  User nobody\n  Port 1\n  IdentityFile /no/such/key\n  UserKnownHostsFile /dev/null\n")
    works(server.connect(config=config))


def test_an_ssh_config_that_does_not_parse_is_named(server: Sshd, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("Host *\n  ???\n")
    assert f"ssh configuration {config} can't be followed" in refusal(server, config=config)


def test_two_jump_hosts_are_passed_in_their_order(server: Sshd) -> None:
    # each address lets through to the next one only
    hops = ",".join(f"root@{name}:{server.port}" for name in server.addresses[:2])
    works(server.connect(address=server.addresses[2], jump=hops))


def test_proxy_jump_of_ssh_config_is_followed_for_the_jump_host_too(server: Sshd, tmp_path: Path) -> None:
    config = tmp_path / "config"
    first, second, third = server.addresses
    config.write_text(
        f"Host last\n  HostName {third}\n  ProxyJump middle\n"
        f"Host middle\n  HostName {second}\n  Port {server.port}\n  ProxyJump root@{first}:{server.port}\n"
        "Host *\n  User root\n  ProxyJump none\n"
    )
    works(server.connect(address="last", config=config))


def test_a_proxy_jump_for_all_hosts_does_not_go_through_itself(server: Sshd, tmp_path: Path) -> None:
    config = tmp_path / "config"
    first, second, _ = server.addresses
    config.write_text(
        f"Host bastion\n  HostName {first}\nHost *\n  User root\n  Port {server.port}\n  ProxyJump bastion\n"
    )
    works(server.connect(address=second, config=config))


def test_a_proxy_command_is_followed(server: Sshd, tmp_path: Path) -> None:
    code = (
        "import os,socket,sys,threading;s=socket.create_connection((sys.argv[1],int(sys.argv[2])));"
        "threading.Thread(target=lambda:[s.sendall(d) for d in iter(lambda:os.read(0,65536),b'')],daemon=True).start();"
        "[os.write(1,d) for d in iter(lambda:s.recv(65536),b'')]"
    )
    (tmp_path / "dial.py").write_text(code)
    config = tmp_path / "config"
    config.write_text(f"Host *\n  ProxyCommand /usr/bin/python3 {tmp_path}/dial.py %h %p\n")
    works(server.connect(config=config))


def test_a_jump_host_that_forbids_forwarding_is_named(server: Sshd) -> None:
    text = refusal(server, address=server.addresses[0], jump=f"root@{server.addresses[2]}:{server.port}")
    assert f"{server.addresses[2]} does not let connections through" in text
    assert "AllowTcpForwarding" in text


def test_a_host_that_only_its_jump_host_can_not_reach_says_so(server: Sshd) -> None:
    jump = f"root@{server.addresses[1]}:{server.port}"
    text = refusal(server, address=server.addresses[0], port=1, jump=jump)
    assert f"not reachable at {server.addresses[0]} port 1 from {server.addresses[1]}" in text


@pytest.mark.parametrize("jump", ["user@", "[::1", "one,two:x"])
def test_a_jump_host_that_is_none_is_refused(server: Sshd, jump: str) -> None:
    assert "is no jump host; write user@host:port" in refusal(server, jump=jump)


def test_a_login_that_is_refused_says_which(server: Sshd, tmp_path: Path) -> None:
    text = refusal(server, key=new_key(tmp_path / "wrong"))
    assert "login as root refused: the key that was offered is not accepted; set ssh.key" in text


def test_a_key_that_is_not_there_is_named(server: Sshd, tmp_path: Path) -> None:
    assert f"there is no key {tmp_path}/nothing" in refusal(server, key=tmp_path / "nothing")


def test_a_file_that_is_no_key_is_named(server: Sshd, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello")
    assert f"the key {tmp_path}/text can't be read" in refusal(server, key=tmp_path / "text")


def test_an_encrypted_key_without_an_agent_says_what_to_do(server: Sshd, tmp_path: Path) -> None:
    key = new_key(tmp_path / "locked", "-N", "secret")
    text = refusal(server, key=key)
    assert f"the key {key} is encrypted, and ssh-agent does not hold it (ssh-add {key})" in text


def test_an_encrypted_key_that_the_agent_holds_is_used(
    server: Sshd, tmp_path: Path, agent: Callable[[Path], None]
) -> None:
    agent(server.key)
    locked = tmp_path / "locked"
    locked.write_bytes(server.key.read_bytes())
    locked.chmod(0o600)
    subprocess.run(["ssh-keygen", "-q", "-p", "-N", "secret", "-P", "", "-f", str(locked)], check=True, stdout=-3)
    (tmp_path / "locked.pub").write_text((server.files / "id_ed25519.pub").read_text())
    works(server.connect(key=locked))


def test_an_agent_with_many_keys_does_not_burn_the_attempts_of_a_named_key(
    server: Sshd, tmp_path: Path, agent: Callable[[Path], None]
) -> None:
    for number in range(8):
        agent(new_key(tmp_path / f"other{number}"))
    works(server.connect())


def test_an_agent_with_too_many_keys_says_to_name_one(
    server: Sshd, tmp_path: Path, agent: Callable[[Path], None]
) -> None:
    for number in range(8):
        agent(new_key(tmp_path / f"other{number}"))
    text = refusal(server, key=None)
    # the ssh program does not say how many it has offered
    assert re.search(r"the host hung up after (6|too many) keys \(MaxAuthTries\); name the right one by ssh\.key", text)


def test_the_agent_and_the_usual_files_serve_without_a_named_key(
    server: Sshd, tmp_path: Path, agent: Callable[[Path], None]
) -> None:
    if server.transport != "openssh":  # which goes by the account's home, whatever HOME says
        (tmp_path / ".ssh").mkdir()
        (tmp_path / ".ssh/id_ed25519").write_bytes(server.key.read_bytes())
        works(server.connect(key=None))
        (tmp_path / ".ssh/id_ed25519").unlink()
    agent(server.key)
    works(server.connect(key=None))


@pytest.mark.parametrize("address", ["127.0.0.1", "localhost"])
def test_a_port_where_nothing_listens_is_said_at_once(server: Sshd, address: str) -> None:
    text = refusal(server, address=address, port=1)
    assert f"not reachable at {address} port 1: nothing listens" in text


def test_a_name_that_does_not_resolve_is_said(server: Sshd) -> None:
    assert "the name no..such does not resolve" in refusal(server, address="no..such")


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_host_that_says_nothing_is_given_up(server: Sshd, silent: int) -> None:
    begun = time.monotonic()
    text = refusal(server, address="127.0.0.1", port=silent, timeout=0.5)
    assert f"not reachable at 127.0.0.1 port {silent}: no answer in 0.5 s" in text
    assert time.monotonic() - begun < 3


def test_a_busy_sshd_that_hangs_up_before_its_banner_is_tried_again(server: Sshd) -> None:
    taken = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up() -> None:
            with contextlib.suppress(OSError):
                while True:
                    line, _ = listener.accept()
                    taken.append(1)
                    line.close()

        threading.Thread(target=hang_up, daemon=True).start()
        refusal(server, address="127.0.0.1", port=listener.getsockname()[1])
        assert len(taken) == 3
        listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    "words", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-nonsense\r\n" + bytes(range(256)) * 20, b"\0" * 9000]
)
def test_a_port_where_something_else_listens_is_told(server: Sshd, words: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            with contextlib.suppress(OSError):
                while True:
                    line, _ = listener.accept()
                    with line, contextlib.suppress(ConnectionError):
                        line.settimeout(2)
                        line.sendall(words)
                        line.shutdown(socket.SHUT_WR)
                        while line.recv(1 << 16):
                            pass

        threading.Thread(target=answer, daemon=True).start()
        port = listener.getsockname()[1]
        assert f"not reachable at 127.0.0.1 port {port}: " in refusal(server, address="127.0.0.1", port=port, timeout=2)
        listener.shutdown(socket.SHUT_RDWR)


def test_a_connection_that_is_never_answered_is_given_up(server: Sshd) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(3)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        text = refusal(server, address="127.0.0.1", port=port, timeout=0.5)
        for one in waiting:
            one.close()
    assert "no answer in 0.5 s" in text


def test_nothing_is_left_open_of_a_refused_or_ended_connection(server: Sshd, tmp_path: Path) -> None:
    hops = ",".join(f"root@{name}:{server.port}" for name in server.addresses[:2])
    works(server.connect(address=server.addresses[2], jump=hops))
    refusal(server, known_hosts=tmp_path / "empty")
    time.sleep(0.3)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for _ in range(3):
        works(server.connect(address=server.addresses[2], jump=hops))
        refusal(server, known_hosts=tmp_path / "empty")
        refusal(server, user="asked")
    time.sleep(0.3)
    assert len(os.listdir("/proc/self/fd")) <= before  # noqa: PTH208


def test_one_connection_and_one_session_serve_a_whole_conversation(server: Sshd) -> None:
    before = server.log()
    session = server.connect()
    for _ in range(5):
        session.exchange([Group(requests=(Run(argv=("true",)),))])
    session.close()
    after = server.log()[len(before) :]
    assert after.count("Accepted publickey") == 1
    assert after.count("Starting session") == 1


@pytest.fixture
def by_ssh(sshd: Sshd) -> Sshd:
    """The sshd by the ssh program."""
    return replace(sshd, transport="openssh")


@pytest.fixture
def master(sshd: Sshd, tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Opens a connection for others to use; call it with what the configuration says of host keys."""
    config = tmp_path / "shared"
    place = ["-F", str(config), "-p", str(sshd.port), "-l", "root", "-i", str(sshd.key)]

    def opened(checking: str) -> Path:
        config.write_text(
            f"Host *\n  ControlPath {tmp_path}/%h\n  StrictHostKeyChecking {checking}\n"
            f"  UserKnownHostsFile {sshd.known_hosts}\n"
        )
        subprocess.run(["ssh", *place, "-fNM", "-oBatchMode=yes", sshd.addresses[0]], check=True, stderr=-3)
        return config

    yield opened
    subprocess.run(["ssh", *place, "-Oexit", sshd.addresses[0]], check=True, stderr=-3)


def test_a_connection_that_the_operator_holds_open_is_used(by_ssh: Sshd, master: Callable[[str], Path]) -> None:
    config = master("yes")
    logins = by_ssh.log().count("Accepted publickey")
    works(by_ssh.connect(config=config))
    assert by_ssh.log().count("Accepted publickey") == logins


def test_a_jump_host_that_the_operator_holds_open_is_gone_through(by_ssh: Sshd, master: Callable[[str], Path]) -> None:
    config = master("ask")
    logins = by_ssh.log().count("Accepted publickey")
    jump = f"root@{by_ssh.addresses[0]}:{by_ssh.port}"
    works(by_ssh.connect(address=by_ssh.addresses[1], jump=jump, config=config))
    assert by_ssh.log().count("Accepted publickey") == logins + 1


@pytest.mark.parametrize("checking", ["no", "accept-new"])
def test_a_connection_that_was_opened_without_a_check_of_the_host_key_is_not_used(
    by_ssh: Sshd, master: Callable[[str], Path], checking: str
) -> None:
    config = master(checking)
    logins = by_ssh.log().count("Accepted publickey")
    works(by_ssh.connect(config=config))
    assert by_ssh.log().count("Accepted publickey") == logins + 1


def test_an_ssh_config_that_trusts_anyone_is_not_believed(server: Sshd, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(
        "Host *\n  StrictHostKeyChecking no\n  NoHostAuthenticationForLocalhost yes\n  VerifyHostKeyDNS yes\n"
        "  UserKnownHostsFile /dev/null\n  ForwardAgent yes\n  RequestTTY force\n  RemoteCommand false\n"
    )
    works(server.connect(config=config))
    text = refusal(server, config=config, known_hosts=tmp_path / "empty")
    assert "is not known" in text
    jump = f"root@{server.addresses[0]}:{server.port}"
    text = refusal(server, config=config, known_hosts=tmp_path / "empty", address=server.addresses[1], jump=jump)
    assert f"on the way through {server.addresses[0]}: host key of" in text
