"""What programs on hosts print is cleaned of what looks like a secret."""

from __future__ import annotations

import json
import re
import shlex
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cephdeploy.contents import Contents
from cephdeploy.protocol import Batch
from cephdeploy.redaction import redacted, suspect, veiled
from cephdeploy.requests import Group, Run
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


@pytest.mark.parametrize(
    "text",
    [
        "AQ and more",
        "http://controller1:5000/v3",
        "rbd: error opening pool 'x': (2)",
        "http://[fd00::1]:5000/v3, said ceph-mgr@x",
        "http://user@controller1:5000/v3: ask admin@example.org",
        "amqp://controller1:5672,controller2:5672/ said ceph-mgr@x",
        "Permission denied (publickey,password).",
        "sudo: a password is required",
        "[DEFAULT] transport_url is not set",
        '{"password": null, "tokens": "a"}',
        "password = <secret>; nova.conf put back as before",
        "[glance] password is <secret 1a2b3c4d>, not <secret 5e6f7a8b>",
        "transport_url = <hidden>",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redacted(text) == text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("rabbit://u:hunter2@a:5672/v, u2", "rabbit://u:<secret>@a:5672/v, u2"),
        ("amqp://a:5672,u:hunter2@b:5672/", "amqp://a:<secret>@b:5672/"),
        ("http://a:5000, rabbit://u:hunter2@b", "http://a:5000, rabbit://u:<secret>@b"),
        ("password=hunter2\nthen something", "password=<secret>\nthen something"),
        ("password = hunter2\r\n  more\r\nuser = me", "password = <secret>\r\n  <secret>\r\nuser = me"),
        ('ceph: {"password": "hunter2", "user": "me"}', 'ceph: {"password": "<secret>", "user": "me"}'),
        ("{'user': {'password': {'password': b'hunter2'}}}", "{'user': {'password': {'password': b'<secret>'}}}"),
        ('said {"password": 1234, "user": "me"}', 'said {"password": <secret>, "user": "me"}'),
        (
            r'"{\"password\": \"hunter2\", \"user\": \"me\"} is odd"',
            r'"{\"password\": \"<secret>\", \"user\": \"me\"} is odd"',
        ),
        ('{"password": ["hunter2", 1], "n": [1]}', '{"password": ["<secret>", "<secret>"], "n": [1]}'),
        ('[\n  {"rbd_password" : 1234}\n]', '[\n  {"rbd_password" : "<secret>"}\n]'),
        ("openstack --os-password hunter2 server list", "openstack --os-password <secret> server list"),
        ("mysql --password --host b", "mysql --password --host b"),
    ],
)
def test_what_stands_around_a_password_stays(text: str, left: str) -> None:
    assert redacted(text) == left


def test_a_url_that_was_cut_off_in_its_password_shows_nothing_of_it() -> None:
    assert redacted("rabbit://u:hunt") == "rabbit://u:<secret>"


def test_a_command_of_which_nothing_is_known_is_cleaned_before_it_is_cut_off() -> None:
    run = Run(argv=("make-it", "-" * 40, "rabbit://u:top hunter2 and much more@controller1"))
    assert "top" not in Batch([Group(requests=(run,))], Contents()).unknown({})


#: No form below has one of these letters, so each that is left is of the password; what they stand between may mean
#: something to a form.
_LETTERS = "QXZJ"
_PASSWORDS = st.text(
    st.sampled_from(_LETTERS * 4 + " @:/\\\"',;=#$%&?!*+-.<>()[]{}|~`^_\u00e9"), min_size=6, max_size=30
)


def _repeated(password: str) -> str:
    return json.dumps(json.dumps(json.dumps({"auth_token": password, "user": "me"})))


_FORMS: dict[str, Callable[[str], str]] = {
    "a line of a file": "password = {}".format,
    "a line that is commented out": "# admin_password:{}\nuser = me".format,
    "a line with one that goes on with it": "rbd_password = {0}\n\n  {0}\nuser = me".format,
    "free text": "make-it: PASSWD={}, then something".format,
    "a difference": "[glance] password is {}, not None".format,
    "a URL": "can't reach rabbit://u:{}@a:5672/v?x=y".format,
    "a URL without a user": "backend_url = redis://:{}@a:6379".format,
    "a user with an @": "mysql+pymysql://u@a:{}@b/db".format,
    "hosts": "rabbit://u:{0}@a:5672,u:{0}@b:5672,c:{0}@[fd00::1]:5672/".format,
    "hosts with spaces": "rabbit://u:{0}@a:5672, u:{0}@b:5672".format,
    "a host without a password first": "amqp://a:5672,u:{}@b:5672/".format,
    "hosts over several lines": "rabbit://u:{0}@a:5672,\n    u:{0}@b:5672,\nu:{0}@c:5672//\nend".format,
    "two URLs": "http://a:5000/v3 and rabbit://u:{0}@b and mysql://u:{0}@c".format,
    "JSON": lambda password: json.dumps({"url": f"rabbit://u:{password}@a", "password": password}, indent=1),
    "JSON with a text in it": lambda password: json.dumps([{"detail": f"x password = {password}"}, 1]),
    "JSON in JSON": _repeated,
    "JSON in free text": lambda password: "said: " + json.dumps({"password": password, "user": "me"}) + " and more",
    "JSON in JSON in free text": lambda password: "said: " + _repeated(password) + " and more",
    "a dictionary": lambda password: f"Failed({ {'auth_token': password, 'user': 'me'}!r})",
    "a dictionary of bytes": lambda password: f"Failed({ {'auth_token': password.encode(), 'user': 'me'}!r})",
    "a command": lambda password: f"can't run openstack --os-password {shlex.quote(password)} server list",
    "a command as a list": lambda password: f"Command {['openstack', '--os-password', '--' + password, 'show']} failed",
    "JSON that was cut off": lambda password: json.dumps({"user": "me", "password": password})[:-2],
}


@pytest.mark.parametrize("form", _FORMS)
@given(password=_PASSWORDS)
def test_nothing_of_a_password_is_left_in_any_form(form: str, password: str) -> None:
    text = _FORMS[form](password)
    cleaned = redacted(text)
    assert not set(_LETTERS) & set(cleaned)
    assert cleaned.count("\n") == text.count("\n")
    assert suspect(text) and suspect(json.dumps(text))


_PIECES = [
    "password",
    "PassWd",
    "secret_key",
    " = ",
    ":",
    ",",
    "\n",
    "\r\n",
    "    ",
    '"',
    "'",
    "\\",
    *"{}[]@",
    "://",
    "5000",
    "u:hunter2@",
    "<secret>",
    "Ag" + "a" * 58,
    "\u00e9",
    "\u212a",  # in lower case a k
]
_TEXTS = st.lists(st.one_of(st.sampled_from(_PIECES), st.text(max_size=3))).map("".join)


@given(_TEXTS)
def test_a_text_with_something_to_take_out_is_suspect_also_as_json(text: str) -> None:
    if redacted(text) != text:
        assert suspect(text) and suspect(json.dumps({"detail": [text]}))


@given(_TEXTS)
def test_line_breaks_stay(text: str) -> None:
    assert re.findall(r"[\r\n]", redacted(text)) == re.findall(r"[\r\n]", text)


_VALUES = st.recursive(
    st.one_of(_TEXTS, st.none(), st.booleans(), st.integers()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["password", "user", "caps"]), inner)
    ),
    max_leaves=6,
)


def _shape(value: object) -> object:
    """What there is in a document, whatever it says."""
    if isinstance(value, dict):
        return {key: _shape(inner) for key, inner in value.items()}
    return [_shape(inner) for inner in value] if isinstance(value, list) else value is None


@given(_VALUES, st.sampled_from([None, 2]))
def test_json_stays_json_of_the_same_shape(value: object, indent: int | None) -> None:
    cleaned = json.loads(redacted(json.dumps(value, indent=indent)))
    assert _shape(cleaned) == _shape(value)


_LONG = 250_000


@pytest.mark.parametrize(
    "piece",
    [
        *(
            "a",
            ":",
            "@",
            "[",
            "\\",
            " ",
            "\t",
            "AQ",
            "://",
            "a://",
            "a://:",
            "a://b:",
            "a://b:1/",
            "a://b:1/ ",
            "a://b:c ",
        ),
        *(
            "1,b:",
            "1, b:",
            "://[",
            ", c:",
            "password",
            "password ",
            "password=",
            "password=<secret ",
            "password=<secret>",
            "--password ",
            "--password '",
        ),
        *('"password":', '"password":"', '"password":"x" ', '"password":1 ', '"password":{', '\\"', '\\" ', '" '),
        *(
            "] ",
            "] a",
            "] passwor",
            "AQ" + "a" * 28 + " ",
            "password=x\n",
            "password=x\n y\n",
            "a://b:c@d,\n",
            "key",
            "# ",
        ),
    ],
)
def test_a_long_text_of_a_stranger_takes_no_longer_than_its_length_explains(piece: str) -> None:
    long = piece * (_LONG // len(piece))
    began = time.process_time()
    for text in (long, f"a://{long}", f"a://b:{long}@", f'"password":"{long}', f'{{"password":"://{long}"}}'):
        redacted(text)
        veiled(text.split("\n"))
    assert time.process_time() - began < 30  # seconds, where a quadratic one takes many minutes


# configuration files


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("password = x y\nuser = me", "password = <hidden>\nuser = me"),
        ("#admin_token=x", "#admin_token=<hidden>"),
        ("backend_url = redis://:x@h", "backend_url = <hidden>"),
        ("# see rabbit://u:x@h", "# see rabbit:<hidden>"),
        ("a = {'password':\n  'x'}\nb = 1", "a = <hidden>\n  <hidden>\nb = 1"),
        ("transport_url =\n  rabbit://u:x@h,\n\n  u:x@h\nb = 1", "transport_url =\n  <hidden>\n\n  <hidden>\nb = 1"),
        ("urls = amqp://h:5672,\n  u:x@h", "urls = <hidden>\n  <hidden>"),
        ("a_key = x\\\ny\nb = 1", "a_key = <hidden>\n<hidden>\nb = 1"),
        ("#transport_url = rabbit://u:x@h,\n#    u:x@h//", "#transport_url = <hidden>\n#    <hidden>"),
        ("transport_url = rabbit://u:x@h,\n# u:x@h//", "transport_url = <hidden>\n# <hidden>"),
        ("transport_url = rabbit://h,\n# left out\n  ;u:x@h", "transport_url = <hidden>\n# left out\n  <hidden>"),
        ("AQ" + "x" * 38 + "==", "<secret><hidden>"),
        ("<graphics passwd='x'/>", "<graphics passwd=<hidden>"),
    ],
)
def test_the_value_of_a_private_option_is_hidden_with_all_its_lines(text: str, shown: str) -> None:
    assert "\n".join(veiled(text.split("\n"))) == shown


@pytest.mark.parametrize(
    "text",
    [
        "[libvirt]\nrbd_secret_uuid = 1\nrbd secret uuid = 1",
        "[filter:authtoken]\nuse = egg",
        "auth_url = http://[fd00::1]:5000/v3\n# mail admin@x\nb = 1",
        "servers = a:11211,\n    b:11211",
        "a = 1\n\n  2",
        "just text\n  that is indented",
    ],
)
def test_the_value_of_any_other_option_is_shown(text: str) -> None:
    assert "\n".join(veiled(text.split("\n"))) == text


def test_what_stands_below_a_private_option_is_shown() -> None:
    text = "[client]\n\tkey = x\n\trbd_cache = true\n\n# settings\npassword = x\n# what follows\na = 1\n  2"
    shown = text.replace("= x", "= <hidden>")
    assert "\n".join(veiled(text.split("\n"))) == shown


_FILES = {
    "by its name": ("metadata_secret = {0}", "  {0}", "\t{0}"),
    "by its value": ("backend_url = redis://:{0}@a,", "  :{0}@b,", "", "  u:{0}@c"),
    "commented out": ("# transport_url = rabbit://u:{0}@a:5672,", "#    u:{0}@b:5672//"),
}


@pytest.mark.parametrize("sort", _FILES)
@given(password=_PASSWORDS)
def test_nothing_of_a_password_is_left_in_a_file(sort: str, password: str) -> None:
    option = [line.format(password) for line in _FILES[sort]]
    shown = veiled(["[DEFAULT]", "debug = false", *option, "", "user = me"])
    assert not set(_LETTERS) & set("".join(shown))
    assert (shown[:2], shown[-1], len(shown)) == (["[DEFAULT]", "debug = false"], "user = me", len(option) + 4)
