"""Which keys a host may prove."""

from __future__ import annotations

import base64
import hashlib
import hmac
from pathlib import Path

import pytest

from cephdeploy.transports.known_hosts import allowed


def blob(word: str) -> str:
    return base64.b64encode(word.encode()).decode()


def hashed(name: str) -> str:
    salt = b"0123456789abcdefghij"
    digest = hmac.digest(salt, name.encode(), hashlib.sha1)
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"


@pytest.mark.parametrize(
    ("lines", "host", "port", "keys"),
    [
        (["b ssh-rsa {1}", "a,b ssh-ed25519 {2}", "* ssh-rsa {3}"], "b", 22, ["1", "2", "3"]),
        (["* ssh-rsa {3}", "b,b ssh-ed25519 {2}"], "B", 22, ["3", "2"]),
        (["!b,* ssh-rsa {1}"], "b", 22, []),
        (["a ssh-rsa {1}", "[a]:2222 ssh-rsa {2}"], "a", 2222, ["2"]),
        (["a ssh-rsa {1}", "[b]:2222 ssh-rsa {2}"], "a", 2222, ["1"]),
        (["#hash ssh-rsa {1}", "HASHED ssh-rsa {2}"], "a", 22, ["2"]),
        (["a ssh-rsa {1}", "@revoked * ssh-rsa {1}", "a ssh-ed25519 {2}"], "a", 22, ["2"]),
        (["@cert-authority * ssh-rsa {1}", "a ssh-rsa !!!", "a"], "a", 22, []),
    ],
)
def test_the_lines_of_a_host_count_in_their_order(
    tmp_path: Path, lines: list[str], host: str, port: int, keys: list[str]
) -> None:
    words = {f"{{{number}}}": blob(str(number)) for number in (1, 2, 3)}
    text = "\n".join(lines).replace("HASHED", hashed("a"))
    for mark, word in words.items():
        text = text.replace(mark, word)
    (tmp_path / "known").write_text(text)
    found, _revoked = allowed([tmp_path / "nothing", tmp_path / "known"], host, port)
    assert [key.blob.decode() for key in found] == keys


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "known"
    path.write_text(f"a ssh-rsa {blob('1')}\n")
    assert allowed([path], "a", 22)[0]
    path.write_text(f"longer ssh-rsa {blob('1')}\n")
    assert allowed([path], "a", 22)[0] == []
