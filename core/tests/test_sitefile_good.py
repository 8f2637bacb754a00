"""What a right site file becomes, what `init` writes, and that nothing else comes out of any text."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from cephdeploy.errors import SiteFileError
from cephdeploy.settings import (
    Component,
    LocalPath,
    PoolName,
    PoolSettings,
    RepositorySettings,
    Settings,
    SiteSettings,
)
from cephdeploy.sitefile import load
from cephdeploy.sitefile.writing import schema, template


class Backend(Settings):
    """One backend."""

    pool: PoolName = "volumes"


class Cinder(Settings):
    """Block storage on Ceph."""

    backends: dict[str, Backend] = Field(default={"ceph": Backend()})
    clone: Literal["deep", "shallow"] = "shallow"
    mode: str = "0640"
    extra: LocalPath | None = None
    hosts: list[str] = Field(default_factory=list)


COMPONENTS = (
    Component("cinder", Cinder, {"cinder-volume": "hosts that run cinder-volume"}),
    Component("glance", Settings, {"glance-api": "hosts that run glance-api"}),
    # a name that pydantic's models have for themselves
    Component("copy", Settings, {"nova-compute": "hosts that run nova-compute"}),
)
HEAD = "ceph: {admin: a}\nhosts: {a: }\n"

FULL = """\
# yaml-language-server: $schema=site.schema.json
x-login: &login {user: root, port: 2222}
ceph: {admin: ceph1, cluster: east, caps: exact}
hosts:
  ceph1: {address: "fd00::1", <<: *login, port: 22}
  controller1: {address: 10.77.0.11, roles: [glance-api, cinder-volume]}
  compute[01-12]:
    <<: *login
    address: 10.77.0.[21-32]
    roles: [nova-compute]
    key: keys/compute
  lonely:
ssh: {key: ~/.ssh/id, known_hosts: known_hosts, jump: "me@bastion:22", sudo: true}
pools:
  volumes: {pg_num: 64, bulk: true}
serial: {nova-compute: [1, 50%], glance-api: 1}
etc_hosts: true
packages: false
repositories:
  - name: ceph
    roles: [nova-compute]
    content: |
      Types: deb
      URIs: https://download.ceph.com/debian-squid
    key: ceph.asc
openstack: {cloud: east, clouds: clouds.yaml}
cinder:
  backends: {ceph: , ssd: {pool: ssd}}
  mode: 0640
  extra: extra.conf
  hosts: [no, yes, 2024-01-01, 22:22, 1_000, 1e3, .5, 0x10, +1]
glance:
"""


def test_a_whole_file_becomes_a_site(tmp_path: Path) -> None:
    path = tmp_path / "site.yml"
    path.write_text(FULL, encoding="utf-8")
    (tmp_path / "ceph.asc").write_text("public key\n")
    site = load(path, COMPONENTS)
    assert list(site.hosts) == ["ceph1", "controller1", *(f"compute{n:02}" for n in range(1, 13)), "lonely"]
    ceph1, compute = site.hosts["ceph1"], site.hosts["compute12"]
    assert (ceph1.address, ceph1.user, ceph1.port) == ("fd00::1", "root", 22)
    assert (compute.address, compute.user, compute.port) == ("10.77.0.32", "root", 2222)
    assert compute.key == tmp_path / "keys/compute"
    assert site.hosts["lonely"].address == "lonely"
    assert site.ceph.conf == "/etc/ceph/east.conf"
    assert (site.ssh.key, site.ssh.known_hosts) == (Path.home() / ".ssh/id", tmp_path / "known_hosts")
    assert site.pools == {"volumes": PoolSettings(pg_num=64, bulk=True)}
    assert (site.serial_of("nova-compute"), site.serial_of("glance-api")) == ((1, "50%"), (1,))
    assert site.repositories == (
        RepositorySettings(
            name="ceph",
            content="Types: deb\nURIs: https://download.ceph.com/debian-squid\n",
            key=tmp_path / "ceph.asc",
            roles=("nova-compute",),
        ),
    )
    assert site.openstack.clouds == tmp_path / "clouds.yaml"
    cinder = site.components["cinder"]
    assert isinstance(cinder, Cinder)
    assert cinder.backends == {"ceph": Backend(), "ssd": Backend(pool="ssd")}
    assert cinder.extra == tmp_path / "extra.conf"


def test_words_that_older_yaml_takes_for_something_else_stay_words() -> None:
    cinder = load(FULL, COMPONENTS).components["cinder"]
    assert isinstance(cinder, Cinder)
    assert cinder.mode == "0640"
    assert cinder.hosts == ["no", "yes", "2024-01-01", "22:22", "1_000", "1e3", ".5", "0x10", "+1"]


def test_a_section_that_is_not_there_has_its_defaults() -> None:
    site = load(HEAD, COMPONENTS)
    assert site.components == {"cinder": Cinder(), "glance": Settings(), "copy": Settings()}


def test_a_heading_with_nothing_below_it_is_an_empty_section() -> None:
    below = "ssh:\npools:\nserial:\nrepositories:\nopenstack:\ncinder:\n  backends:\n  hosts:\nglance: ~\n"
    changed = load(HEAD + below, COMPONENTS)
    assert changed == load(HEAD + "cinder: {backends: {}}\n", COMPONENTS)


def test_quotes_make_text_of_a_number() -> None:
    for written in ("'10'", '"10"', "!!str 10"):
        assert load(f"{HEAD}openstack: {{cloud: {written}}}", COMPONENTS).openstack.cloud == "10"


def test_what_is_written_wins_over_what_is_merged_and_the_first_merged_over_the_next() -> None:
    text = "x-a: &a {user: one, port: 1}\nx-b: &b {user: two, port: 2, jump: two}\n"
    ssh = load(f"{text}{HEAD}ssh: {{port: 3, <<: [*a, *b]}}\n", COMPONENTS).ssh
    assert (ssh.user, ssh.port, ssh.jump) == ("one", 3, "two")


def test_a_byte_order_mark_and_foreign_line_ends_are_no_matter() -> None:
    assert load(b"\xef\xbb\xbf" + HEAD.replace("\n", "\r\n").encode(), COMPONENTS) == load(HEAD, COMPONENTS)


def test_a_name_of_digits_alone_is_a_host() -> None:
    assert list(load("ceph: {admin: '10'}\nhosts: {10: {address: 10.0.0.10}, 20: {address: b}}", ()).hosts) == [
        "10",
        "20",
    ]


# What `init` writes

TEMPLATE = template(COMPONENTS)
SETTING = re.compile(r"^( *)#(?=[^ #])", re.MULTILINE)


def test_the_template_is_a_site_with_every_default() -> None:
    assert TEMPLATE.startswith("# yaml-language-server: $schema=site.schema.json\n")
    site = load(TEMPLATE, COMPONENTS)
    assert list(site.hosts) == ["ceph1", "controller1", "compute1", "compute2"]
    assert site.hosts["controller1"].roles == ("cinder-volume", "glance-api")
    assert site.components == {"cinder": Cinder(), "glance": Settings(), "copy": Settings()}
    assert all(len(line) <= 110 for line in TEMPLATE.splitlines())


@pytest.mark.parametrize("place", [found.start() for found in SETTING.finditer(TEMPLATE)])
def test_each_setting_of_the_template_is_right_without_its_mark(place: int) -> None:
    text = TEMPLATE[:place] + SETTING.sub(r"\1", TEMPLATE[place:], count=1)
    assert text.count("#") == TEMPLATE.count("#") - 1
    load(text, COMPONENTS)


def test_all_settings_of_the_template_go_together() -> None:
    load(SETTING.sub(r"\1", TEMPLATE), COMPONENTS)


def test_the_template_names_every_key_of_the_core() -> None:
    for key in SiteSettings.model_fields.keys() - {"components"}:
        assert re.search(rf"^#?{key}:", TEMPLATE, re.MULTILINE), key


def test_there_is_a_template_without_plugins() -> None:
    assert list(load(template(()), ()).hosts) == ["ceph1", "controller1"]


# The schema


def test_the_schema_knows_the_plugins_sections_and_roles() -> None:
    made = schema(COMPONENTS)
    assert made["additionalProperties"] is False
    assert sorted(made["required"]) == ["ceph", "hosts"]
    assert made["properties"]["cinder"]["anyOf"][0] == {"$ref": "#/$defs/Cinder"}
    assert made["$defs"]["HostGroup"]["properties"]["roles"]["items"] == {
        "type": "string",
        "enum": ["cinder-volume", "glance-api", "nova-compute"],
    }
    (host,) = made["properties"]["hosts"]["patternProperties"].values()
    assert host == {"anyOf": [{"$ref": "#/$defs/HostGroup"}, {"type": "null"}]}
    assert made["properties"]["serial"]["anyOf"][0]["propertyNames"]["enum"]
    assert json.loads(json.dumps(made)) == made


def test_every_key_of_the_core_is_described() -> None:
    for name, part in schema(())["$defs"].items():
        for key, value in part["properties"].items():
            assert value.get("description"), f"{name}.{key}"


# Anything in


def _outcome(content: str | bytes) -> None:
    try:
        assert isinstance(load(content, COMPONENTS), SiteSettings)
    except SiteFileError as error:
        assert error.faults
        for line in error.faults:
            assert re.match(r"site\.yml:[1-9][0-9]*:[1-9][0-9]*: .", line)
            assert line.isprintable()


@given(st.text())
def test_any_text_is_a_site_or_has_faults(text: str) -> None:
    _outcome(text)


@given(st.binary())
def test_any_bytes_are_a_site_or_have_faults(content: bytes) -> None:
    _outcome(content)


SNIPPETS = [
    "\t",
    "\n",
    ": ",
    "- ",
    "&a ",
    "*login",
    "<<: ",
    "{",
    "}",
    "[",
    "]",
    '"',
    "'",
    "!!int ",
    "~",
    "|",
    "? ",
]
SNIPPETS += [
    "\\ud800",
    "no",
    "0640",
    "-o",
    "[1-9]",
    "null",
    "#",
    "---\n",
    "\x85",
    "\ufeff",
    "%",
    "é",
    "9" * 30,
]


@given(
    st.lists(
        st.tuples(
            st.integers(0, len(FULL)),
            st.integers(0, 30),
            st.sampled_from(["", *SNIPPETS]) | st.text(max_size=4),
        ),
        min_size=1,
        max_size=3,
    )
)
def test_any_change_of_a_good_file_is_a_site_or_has_faults(edits: list[tuple[int, int, str]]) -> None:
    text = FULL
    for place, cut, put in edits:
        text = text[:place] + put + text[place + cut :]
    _outcome(text)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(SNIPPETS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(
        st.sampled_from([*SiteSettings.model_fields, "cinder", "copy", "x-a"]),
        VALUES | st.dictionaries(st.sampled_from(["admin", "a", "b[1-3]", "backends", "key", "port"]), VALUES),
    )
)
def test_any_values_under_the_right_keys_are_a_site_or_have_faults(data: dict[str, object]) -> None:
    _outcome(json.dumps(data))
    _outcome(json.dumps({"ceph": {"admin": "a"}, "hosts": {"a": {}}, **data}))


def unasked() -> tuple[Component, ...]:
    raise AssertionError("no other component is named")


@pytest.mark.parametrize(
    "below", ["", "x-anchors: {roles: [glance-api]}\n", "cinder: {}\nserial: {cinder-volume: 2}\n"]
)
def test_components_that_a_file_does_not_name_are_not_asked_for(below: str) -> None:
    cinder = COMPONENTS[:1]
    assert load(HEAD + below, cinder, all_components=unasked).components == {"cinder": Cinder()}


@pytest.mark.parametrize(
    "below",
    [
        "glance: {}\n",
        "serial: {glance-api: 2}\n",
        "repositories: [{name: a, content: 'deb http://a b c', roles: [glance-api]}]\n",
    ],
)
def test_a_section_or_a_role_of_another_component_makes_all_of_them_known(below: str) -> None:
    assert load(HEAD + below, COMPONENTS[:1], all_components=lambda: COMPONENTS) == load(HEAD + below, COMPONENTS)
