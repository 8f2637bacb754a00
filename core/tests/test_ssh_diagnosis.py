"""What the ssh program says when it fails, and the sentence that is made of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from cephdeploy.transports import Target, ssh_diagnosis
from cephdeploy.transports.hops import Hop
from cephdeploy.transports.ssh_program import Way

TARGET = Target(name="compute1", address="compute1", timeout=7)
WAY = [
    Hop(
        name=name,
        host=host,
        port=port,
        user=user,
        known_as=host,
        known_hosts=(Path("/no/such/known_hosts"),),
        only=True,
    )
    for name, host, port, user in (("bastion", "192.0.2.1", 22, "jumper"), ("compute1", "10.77.0.21", 2222, "root"))
]
PASSED = 'Authenticated to 192.0.2.1 ([192.0.2.1]:22) using "publickey".\r\n'
END = "kex_exchange_identification: Connection closed by remote host\r\nConnection closed by UNKNOWN port 65535\r\n"
#: The same end, where the other side was gone before ssh had sent its own banner.
EARLY_END = "banner exchange: Connection to UNKNOWN port 65535: Broken pipe\r\n"


def diagnosed(said: str, *, offered: str = "", hung: bool = False) -> str:
    way = Way(TARGET, WAY, shared=False)
    return ssh_diagnosis.diagnosed(said, TARGET, way, lambda: offered, hung=hung)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (
            "ssh: connect to host 192.0.2.1 port 22: Connection refused\r\n" + END,
            "on the way through 192.0.2.1: not reachable at 192.0.2.1 port 22: nothing listens;",
        ),
        (
            "ssh: connect to host 192.0.2.1 port 22: No route to host\r\n" + END,
            "on the way through 192.0.2.1: not reachable at 192.0.2.1 port 22: No route to host; check its address",
        ),
        (
            PASSED + END,
            "not reachable at 10.77.0.21 port 2222: it takes the connection and does not speak ssh; check the port",
        ),
        (
            PASSED + EARLY_END,
            "not reachable at 10.77.0.21 port 2222: it takes the connection and does not speak ssh; check the port",
        ),
        (
            "ssh: connect to host 192.0.2.1 port 22: Connection refused\r\n" + EARLY_END,
            "on the way through 192.0.2.1: not reachable at 192.0.2.1 port 22: nothing listens;",
        ),
        (
            PASSED + "channel 0: open failed: connect failed: No route to host\r\nstdio forwarding failed\r\n" + END,
            "not reachable at 10.77.0.21 port 2222 from 192.0.2.1: No route to host;",
        ),
        (
            PASSED + "channel 0: open failed: administratively prohibited: open failed\r\n" + END,
            "192.0.2.1 does not let connections through to 10.77.0.21 port 2222; set AllowTcpForwarding",
        ),
        (
            "jumper@192.0.2.1: Permission denied (publickey,password).\r\n" + END,
            "on the way through 192.0.2.1: login as jumper refused: there is no key to offer; set ssh.key",
        ),
        (
            PASSED + 'Authenticated using "publickey" with partial success.\r\n'
            "root@10.77.0.21: Permission denied (keyboard-interactive).\r\n",
            "login as root refused: beside the key the host wants keyboard-interactive;",
        ),
        (
            PASSED + "Received disconnect from UNKNOWN port 65535:2: Too many authentication failures\r\n",
            "login as root refused: the host hung up after too many keys (MaxAuthTries);",
        ),
        (
            "ssh: Could not resolve hostname 192.0.2.1: Temporary failure in name resolution\r\n" + END,
            "on the way through 192.0.2.1: the name 192.0.2.1 does not resolve;",
        ),
        (
            PASSED + "Connection timed out during banner exchange\r\n",
            "not reachable at 10.77.0.21 port 2222: no answer in 7 s;",
        ),
        (
            PASSED + "Unable to negotiate with UNKNOWN port 65535: no matching host key type found. Offer: ssh-dss\r\n",
            "not reachable at 10.77.0.21 port 2222: Unable to negotiate with UNKNOWN port 65535: no matching host key",
        ),
        ("", "on the way through 192.0.2.1: not reachable at 192.0.2.1 port 22: ssh said nothing;"),
    ],
)
def test_what_ssh_says_becomes_the_sentence_of_the_other_transports(said: str, why: str) -> None:
    assert diagnosed(said).startswith(why)


def test_a_login_that_nothing_came_of_is_a_host_that_does_not_answer() -> None:
    assert "not reachable at 10.77.0.21 port 2222: no answer in 7 s" in diagnosed(PASSED, hung=True)


def test_a_refused_host_key_has_the_fingerprint_of_the_last_key_that_was_offered() -> None:
    said = "No ED25519 host key is known for [10.77.0.21]:2222 and you have requested strict checking.\r\n"
    detail = (
        "debug1: Server host key: ssh-ed25519 SHA256:first\r\ndebug1: Server host key: ssh-ed25519 SHA256:second\r\n"
    )
    why = diagnosed(PASSED + said + "Host key verification failed.\r\n", offered=detail)
    assert why.startswith(
        "host key of 10.77.0.21 port 2222 is not known (SHA256:second offered), and nothing was sent;"
    )


@pytest.mark.parametrize(
    ("said", "dropped"),
    [
        ("kex_exchange_identification: Connection closed by remote host\r\n", True),
        (
            "kex_exchange_identification: read: Connection reset by peer\r\nConnection reset by 10.0.0.1 port 22\r\n",
            True,
        ),
        ("/bin/sh: 1: exec: exit: not found\r\n" + EARLY_END, True),
        ("ssh: connect to host 192.0.2.1 port 22: Connection refused\r\n" + END, False),
        ("ssh: connect to host 192.0.2.1 port 22: Connection refused\r\n" + EARLY_END, False),
        ("banner exchange: Connection to 192.0.2.1 port 22: invalid format\r\n", False),
        ("channel 0: open failed: connect failed: Connection refused\r\n" + END, False),
        ("root@10.77.0.21: Permission denied (publickey).\r\n", False),
    ],
)
def test_only_who_hangs_up_before_its_banner_is_tried_again(said: str, dropped: bool) -> None:
    assert ssh_diagnosis.is_dropped(said) is dropped


def test_what_ssh_adds_of_itself_is_no_word_of_the_host() -> None:
    said = (
        PASSED.encode()
        + b"sudo: a password is required\nTransferred: sent 1, received 2 bytes\r\nBytes per second: 3\r\n"
    )
    assert ssh_diagnosis.remote_words(said) == b"sudo: a password is required\n"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"Timeout, server 10.77.0.21 not responding.\r\n", "no sign of life for 45 s"),
        (b"Connection to 10.77.0.21 closed by remote host.\r\n", "Connection to 10.77.0.21 closed by remote host"),
        (b"client_loop: send disconnect: Broken pipe\r\n", "client_loop: send disconnect: Broken pipe"),
        (b"bash: python3: command not found\n", None),
    ],
)
def test_a_line_that_went_is_told_from_a_command_that_ended(said: bytes, why: str | None) -> None:
    assert ssh_diagnosis.hung_up(said, 15) == why
