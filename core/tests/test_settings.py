"""The settings as a library is given them: by Python, without a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from cephdeploy.errors import PluginError
from cephdeploy.settings import (
    DEFAULT_SERIAL,
    Address,
    CephSettings,
    Component,
    Entity,
    HostName,
    HostSettings,
    Jump,
    LocalPath,
    PoolName,
    PoolSettings,
    RemotePath,
    Settings,
    SiteSettings,
    SshSettings,
    UserName,
)


def site(**more: Any) -> SiteSettings:
    return SiteSettings.model_validate({"ceph": {"admin": "ceph1"}, "hosts": {"ceph1": {}}, **more})


def test_a_site_of_one_host_has_a_default_for_everything_else() -> None:
    made = site()
    assert made.hosts == {"ceph1": HostSettings(address="ceph1")}
    assert made.ceph == CephSettings(admin="ceph1", cluster="ceph", caps="widen", conf="/etc/ceph/ceph.conf")
    assert made.ssh.connect_timeout == 10
    assert made.ssh.config == Path.home() / ".ssh/config"
    assert made.serial_of("nova-compute") == DEFAULT_SERIAL
    assert (made.packages, made.etc_hosts, made.transport) == (True, False, "fabric")


def test_the_clusters_name_names_its_conf_file() -> None:
    assert CephSettings(admin="a", cluster="backup").conf == "/etc/ceph/backup.conf"


def test_settings_cant_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        site().ceph.cluster = "other"  # type: ignore[misc]


def test_an_error_never_shows_the_value() -> None:
    with pytest.raises(ValidationError) as raised:
        SshSettings.model_validate({"user": "AQBSOMESECRET=="})
    assert "SOMESECRET" not in str(raised.value)


def test_a_range_of_hosts_is_written_out_with_its_addresses_and_widths() -> None:
    made = site(hosts={"ceph1": {}, "compute[08-10]": {"address": "10.0.0.[8-10]", "port": 2222}})
    assert [(name, host.address, host.port) for name, host in made.hosts.items()] == [
        ("ceph1", "ceph1", None),
        ("compute08", "10.0.0.8", 2222),
        ("compute09", "10.0.0.9", 2222),
        ("compute10", "10.0.0.10", 2222),
    ]


def test_what_does_not_go_together_is_refused_without_a_file_too() -> None:
    with pytest.raises(ValidationError, match="no host 'ceph2' under hosts"):
        site(ceph={"admin": "ceph2"})
    with pytest.raises(ValidationError, match="hosts 'ceph1' and 'b' have the same address CEPH1, port 22"):
        site(hosts={"ceph1": {}, "b": {"address": "CEPH1"}})
    with pytest.raises(ValidationError, match="host 'a1' stands there twice"):
        site(hosts={"ceph1": {}, "a[1-2]": {}, "a1": {}})


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"address": "10.0.0.1", "port": 2201}, {"address": "10.0.0.1", "port": 2202}),
        ({"address": "10.0.0.1", "jump": "east"}, {"address": "10.0.0.1", "jump": "west"}),
    ],
)
def test_one_address_is_two_hosts_behind_other_ports_or_jump_hosts(
    first: dict[str, Any], second: dict[str, Any]
) -> None:
    assert len(site(hosts={"ceph1": first, "b": second}).hosts) == 2


def test_one_ipv6_address_is_one_host_however_it_is_written() -> None:
    with pytest.raises(ValidationError, match="have the same address"):
        site(hosts={"ceph1": {"address": "fd00::1"}, "b": {"address": "FD00:0::01"}})


@pytest.mark.parametrize("batches", [1, "25%", [1, "25%"], ["100%"]])
def test_serial_takes_numbers_shares_and_lists(batches: object) -> None:
    expected = tuple(batches) if isinstance(batches, list) else (batches,)
    assert site(serial={"nova-compute": batches}).serial_of("nova-compute") == expected


@pytest.mark.parametrize("batches", [0, -1, True, "0%", "101%", "25", [], [1, "x"], None, {}, "٣%"])
def test_serial_takes_nothing_else(batches: object) -> None:
    with pytest.raises(ValidationError, match="must be a number of hosts"):
        site(serial={"nova-compute": batches})


@pytest.mark.parametrize("count", [0, 3, -2, 100])
def test_a_number_of_placement_groups_is_a_power_of_two(count: int) -> None:
    with pytest.raises(ValidationError, match="POOL_PG_NUM_NOT_POWER_OF_TWO"):
        PoolSettings(pg_num=count)


GOOD: list[tuple[Any, list[str]]] = [
    (HostName, ["ceph1", "10.0.0.1", "a.example.com", "A_b-c"]),
    (Address, ["10.0.0.1", "fd00::1", "fe80::1%eth0", "a.example.com"]),
    (UserName, ["root", "_apt", "j.doe"]),
    (PoolName, ["volumes", ".mgr", "cinder_ssd-1"]),
    (Entity, ["client.cinder", "client.cinder-backup.2"]),
    (RemotePath, ["/etc/ceph/ceph.conf", "/etc/ceph/ceph.client.cinder.keyring"]),
    (Jump, ["bastion", "me@bastion", "me@bastion:2222", "me@[fd00::1]:22", "10.0.0.1:22", "none"]),
]
BAD: list[tuple[Any, list[str]]] = [
    (HostName, ["a-", "fd00::1", "a/b", "a" * 254]),
    (Address, ["10.0.0", "10.0.0.256", "010.0.0.1", "[fd00::1]", "fd00::g", "fe80::1%-x", "1.2.3.4.5"]),
    (UserName, ["a@b", "a" * 33, ".a"]),
    (PoolName, ["a/b", "a@b"]),
    (Entity, ["cinder", "osd.1", "client.", "mon."]),
    (RemotePath, ["etc/x", "/", "/etc/../x", "/etc/", "~/x", "/etc/$HOME"]),
    (Jump, ["a,b", "@a", "a@", "a:0", "a:65536", "me@fd00::1", "[a]", "a:b:c"]),
]
ALWAYS_BAD = [
    "",
    "-oProxyCommand=x",
    "a b",
    "a\nb",
    "a\x00",
    "a\x1b[0m",
    "a;b",
    "$(x)",
    "`x`",
    "a'b",
    "a\u202eb",
    "ä",
]


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in GOOD for text in texts])
def test_a_fitting_name_is_taken_as_it_is(kind: Any, text: str) -> None:
    assert TypeAdapter(kind).validate_python(text) == text


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in BAD for text in [*texts, *ALWAYS_BAD]])
def test_a_name_that_could_be_taken_for_anything_else_is_refused(kind: Any, text: str) -> None:
    with pytest.raises(ValidationError, match="must be") as raised:
        TypeAdapter(kind).validate_python(text)
    assert raised.value.errors()[0]["type"] == "value_error"


def test_a_local_path_begins_at_the_folder_that_it_was_written_in(tmp_path: Path) -> None:
    path = TypeAdapter(LocalPath)
    given = {"folder": tmp_path}
    assert path.validate_python("keys/id", context=given) == tmp_path / "keys/id"
    assert path.validate_python("~/id", context=given) == Path.home() / "id"
    assert path.validate_python("/id", context=given) == Path("/id")
    assert path.validate_python("id") == Path("id")


@pytest.mark.parametrize("text", ["-i", "a\nb", "~nobody-has-this-name/x"])
def test_a_local_path_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(LocalPath).validate_python(text)


class _Required(Settings):
    pool: PoolName


@pytest.mark.parametrize(
    ("name", "settings", "roles", "message"),
    [
        ("Cinder", Settings, {}, "its name must be lower-case"),
        ("hosts", Settings, {}, "the core has a key of that name"),
        ("cinder", Settings, {"-x": ""}, "role '-x' must be lower-case"),
        ("cinder", _Required, {}, "these keys need a default: pool"),
    ],
)
def test_a_component_that_can_have_no_section_is_its_plugins_fault(
    name: str, settings: type[Settings], roles: dict[str, str], message: str
) -> None:
    with pytest.raises(PluginError, match=message):
        Component(name, settings, roles)


def test_two_components_of_one_name_are_refused() -> None:
    with pytest.raises(PluginError, match="two plugins have a section 'cinder'"):
        Component.check([Component("cinder"), Component("cinder", Settings, {"cinder-volume": "x"})])
