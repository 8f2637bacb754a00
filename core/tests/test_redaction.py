"""What programs on hosts print is cleaned of what looks like a secret."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cephdeploy.redaction import redacted, suspect
from cephdeploy.testing import cephx_key


@pytest.mark.parametrize(
    "text",
    [
        f"[client.x]\n\tkey = {cephx_key('x')}\n",
        "Ag" + "a" * 58,
        "password = hunter2",
        "PASSWD: hunter2",
        "auth_token=hunter2",
        "rabbit://openstack:hunter2@controller1:5672/",
        "mysql+pymysql://nova:hunter2@db/nova",
    ],
)
def test_keys_and_passwords_are_taken_out(text: str) -> None:
    cleaned = redacted(text)
    assert "<secret>" in cleaned
    assert "hunter2" not in cleaned and cephx_key("x") not in cleaned and "aaaa" not in cleaned


@pytest.mark.parametrize("text", ["AQ and more", "http://controller1:5000/v3", "rbd: error opening pool 'x': (2)"])
def test_what_is_no_secret_stays(text: str) -> None:
    assert redacted(text) == text


_PIECES = [
    "password",
    "PassWd",
    "secret_key",
    " = ",
    ":",
    "\n",
    '"',
    "\\",
    "://",
    "u:hunter2@",
    "Ag" + "a" * 58,
    "\u00e9",
]


@given(st.lists(st.one_of(st.sampled_from(_PIECES), st.text(max_size=3))).map("".join))
def test_a_text_with_something_to_take_out_is_suspect_also_as_json(text: str) -> None:
    if redacted(text) != text:
        assert suspect(text) and suspect(json.dumps({"detail": [text]}))
