"""What is wrong with a site file, and where: text in, lines out."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field, field_validator

from cephdeploy.errors import PluginError, SettingsError, SiteFileError
from cephdeploy.settings import Component, Entity, PoolName, Settings
from cephdeploy.sitefile import load


class Backend(Settings):
    pool: PoolName = "volumes"
    user: Entity = "client.cinder"


class Cinder(Settings):
    backends: dict[str, Backend] = Field(default={"ceph": Backend()})
    clone: Literal["deep", "shallow"] = "shallow"
    limit: int | bool = 3
    password: Literal["", "none"] = ""


COMPONENTS = (
    Component("cinder", Cinder, {"cinder-volume": "hosts that run cinder-volume"}),
    Component("glance", Settings, {"glance-api": "hosts that run glance-api"}),
    Component("nova", Settings, {"nova-compute": "hosts that run nova-compute"}),
)

# two lines, so that the text of a case begins in line 3
HEAD = "ceph: {admin: a}\nhosts: {a: {address: 10.0.0.1}}\n"

HOST = "must be a host name: letters, digits, '.', '-' and '_', with a letter or a digit at both ends"  # as it is
ADDRESS = (
    "must be an IPv4 or IPv6 address or a host name (letters, digits, '.', '-' and '_', "
    "with a letter or a digit at both ends)"
)
SERIAL = "must be a number of hosts, a share such as '25%', or a list of these"
MANY = "the file has more than 200,000 values, with its aliases written out"


def faults(text: str | bytes) -> list[str]:
    """What is said of ``text``; the same, however many components were at hand when it was read."""
    with pytest.raises(SiteFileError) as raised:
        load(text, COMPONENTS)
    with pytest.raises(SiteFileError) as later:
        load(text, (), all_components=lambda: COMPONENTS)
    assert later.value.faults == raised.value.faults
    return [line.removeprefix("site.yml:") for line in raised.value.faults]


BELOW_HEAD: dict[str, tuple[str, list[str]]] = {
    "a key of the core, miswritten": ("pool: 1", ["3:1: pool: no such key; did you mean 'pools'?"]),
    "a section of no installed plugin": (
        "manila: {}",
        ["3:1: manila: no installed plugin has a section 'manila'"],
    ),
    "a section, miswritten": (
        "cindr: {}",
        ["3:1: cindr: no installed plugin has a section 'cindr'; did you mean 'cinder'?"],
    ),
    "a key of a plugin, miswritten": (
        "cinder:\n  backends:\n    ceph: {pol: x}",
        ["5:12: cinder.backends.ceph.pol: no such key; did you mean 'pool'?"],
    ),
    "a key like no other": (
        "openstack: {zzz: 1}",
        ["3:13: openstack.zzz: no such key; known are: cloud, clouds"],
    ),
    "a value of a few, miswritten": (
        "cinder: {clone: shalow}",
        ["3:17: cinder.clone: must be 'deep' or 'shallow'; did you mean 'shallow'?"],
    ),
    "an entity of Ceph that is none": (
        "cinder: {backends: {ceph: {user: cinder}}}",
        ["3:34: cinder.backends.ceph.user: must be a Ceph user: 'client.' and then letters, digits, '.', '-' and '_'"],
    ),
    "a union": (
        "cinder: {limit: x}",
        ["3:17: cinder.limit: must be a whole number, or must be true or false"],
    ),
    "a number for text": (
        "openstack: {cloud: 2023.10}",
        ['3:20: openstack.cloud: must be text: put it in quotes, "2023.10"'],
    ),
    "nothing for text": ("transport:", ["3:11: transport: must be text"]),
    "a list for text": ("transport: [a]", ["3:12: transport: must be text"]),
    "text for a number": ("ssh: {port: ssh}", ["3:13: ssh.port: must be a whole number"]),
    "an octal number": ("ssh: {port: 0022}", ["3:13: ssh.port: must be a whole number"]),
    "a number with underscores": ("ssh: {port: 2_2}", ["3:13: ssh.port: must be a whole number"]),
    "a number of base sixty": ("ssh: {port: 22:22}", ["3:13: ssh.port: must be a whole number"]),
    "a number of 9000 digits": (f"ssh: {{port: {'9' * 9000}}}", ["3:13: ssh.port: must be a whole number"]),
    "a number out of bounds": ("ssh: {port: 65536}", ["3:13: ssh.port: must be 65535 or less"]),
    "a word for a switch": ("packages: no", ["3:11: packages: must be true or false; did you mean 'false'?"]),
    "a number for a switch": ("packages: 1", ["3:11: packages: must be true or false"]),
    "text for a mapping": ("ssh: root", ["3:6: ssh: must be a mapping of keys to values"]),
    "a mapping for a list": ("repositories: {}", ["3:15: repositories: must be a list, such as [a, b]"]),
    "a missing key": ("repositories: [{name: a}]", ["3:16: repositories.0.content: is missing"]),
    "three placement groups": (
        "pools: {volumes: {pg_num: 3}}",
        [
            "3:27: pools.volumes.pg_num: must be a power of two, such as 32 or 64: for any other Ceph warns "
            "POOL_PG_NUM_NOT_POWER_OF_TWO"
        ],
    ),
    "a pool that is an option": (
        "pools: {--yes-i-really-mean-it: {}}",
        [
            "3:9: pools.--yes-i-really-mean-it: must be a pool name: letters, digits, '.', '-' and '_', "
            "not beginning with '-'"
        ],
    ),
    "two pools of one name": (
        "pools:\n  images: {name: rbd}\n  vms: {name: rbd}",
        [
            "5:15: pools.vms.name: pools 'images' and 'vms' are both called 'rbd' in Ceph, where the users of the one "
            "could delete what is the other's; give each a name of its own"
        ],
    ),
    "a pool of another's default name, which the file does not name": (
        "pools: {images: {name: volumes}}",
        [
            "3:24: pools.images.name: pools 'volumes' and 'images' are both called 'volumes' in Ceph, where the users "
            "of the one could delete what is the other's; give each a name of its own"
        ],
    ),
    "a pool of another's default name, beside other faults": (
        "pools: {images: {name: fast}, fast: {bulk: true}}\nssh: {port: x}",
        [
            "3:24: pools.images.name: pools 'fast' and 'images' are both called 'fast' in Ceph, where the users of the "
            "one could delete what is the other's; give each a name of its own",
            "4:13: ssh.port: must be a whole number",
        ],
    ),
    "a transport, miswritten": (
        "transport: asyncsh",
        ["3:12: transport: no transport 'asyncsh' is installed; did you mean 'asyncssh'?"],
    ),
    "a transport like no other": (
        "transport: carrier-pigeon",
        ["3:12: transport: no transport 'carrier-pigeon' is installed; there are: asyncssh, fabric, local, openssh"],
    ),
    "an executor, miswritten": (
        "executor: proces",
        ["3:11: executor: no executor 'proces' is installed; did you mean 'process'?"],
    ),
    "a batch of none": ("serial: {nova-compute: [1, 0]}", [f"3:28: serial.nova-compute.1: {SERIAL}"]),
    "a share without its sign": ("serial: {nova-compute: '25'}", [f"3:24: serial.nova-compute: {SERIAL}"]),
    "a batch for an unknown role": (
        "serial: {nova-compte: 1}",
        ["3:10: serial.nova-compte: no role 'nova-compte'; did you mean 'nova-compute'?"],
    ),
    "a repository for an unknown role": (
        "repositories: [{name: a, content: b, roles: [zzz]}]",
        ["3:46: repositories.0.roles.0: no role 'zzz'; known are: cinder-volume, glance-api, nova-compute"],
    ),
    "a key twice": (
        "ssh: {port: 22, port: 23}",
        ["3:17: ssh.port: 'port' is here a second time; the first is at site.yml:3:7"],
    ),
    "a section twice": (
        "ceph: {}",
        ["3:1: ceph: 'ceph' is here a second time; the first is at site.yml:1:1"],
    ),
    "a key that is a list": ("[a]: 1", ["3:1: a key must be a plain word"]),
    "a tag of python": (
        "ssh: !!python/object/apply:os.system [ls]",
        [
            "3:6: ssh: the tag !!python/object/apply:os.system is not allowed here: write a plain value",
        ],
    ),
    "a tag on a key": (
        "!!python/name:os.system ssh: 1",
        ["3:1: the tag !!python/name:os.system is not allowed here: write a plain value"],
    ),
    "a tag that does not fit": (
        "ssh: {port: !!int abc}",
        ["3:13: ssh.port: the tag !!int is not allowed here: write a plain value"],
    ),
    "an alias of nothing": ("ssh: *none", ["3:6: no anchor 'none' comes before this alias"]),
    "an anchor twice": ("x-a: &a 1\nx-b: &a 2", ["4:6: a second anchor of the name 'a'"]),
    "an anchor in itself": ("ssh: &a {key: *a}", ["3:10: this anchor contains itself"]),
    "a merge of no mapping": (
        "ssh: {<<: 1}",
        ["3:7: ssh: '<<' takes an alias of a mapping, or a list of such"],
    ),
    "a merge of itself": ("ssh: &a {<<: *a}", ["3:10: this anchor contains itself"]),
    "a tab": ("ssh:\n\tport: 22", ["4:1: a tab can't indent in YAML: use spaces"]),
    "a second colon": ("ssh: port: 22", ["3:10: a second ':' in one line, or wrong indentation"]),
    "a lost indentation": (
        "ssh:\n  port: 22\n user: a",
        ["5:2: wrong indentation: this line belongs to nothing above it"],
    ),
    "an open list": ("repositories: [", ["3:16: the file ends here, in the middle of a value"]),
    "an open mapping": ("ssh: {port: 22", ["3:15: there is no ',' or '}' here; a mapping was begun with '{'"]),
    "a comma too many": ("ssh: {port: 22,,}", ["3:16: there is no value before this ','"]),
    "an open quotation": ('transport: "a', ["3:14: the quotation begun before does not end"]),
    "an at sign": ("transport: @a", ["3:12: a value can't begin with '@': put it in quotes"]),
    "a second document": ("---\nceph: {}", ["3:1: a site file is one document: no second one after '---'"]),
    "a control character": ("transport: a\x07", ["3:13: the character U+0007 is not allowed"]),
    "an escaped control character": (
        'transport: "a\\x1b"',
        ["3:12: transport: must be letters, digits, '.', '-' and '_', beginning with a letter or digit"],
    ),
    "half a character": (
        'transport: "\\ud800"',
        ["3:12: transport: half a character (a lone surrogate) is not allowed"],
    ),
    "no character": ('transport: "\\Uffffffff"', ["3:15: this is no valid YAML: a number here is too large"]),
}


@pytest.mark.fault("F40")
@pytest.mark.parametrize(("text", "lines"), BELOW_HEAD.values(), ids=BELOW_HEAD.keys())
def test_a_fault_has_its_place_its_key_and_what_would_mend_it(text: str, lines: list[str]) -> None:
    found = faults(HEAD + text)
    # what a refused value would have been is not said again
    assert found[: len(lines)] == lines
    assert len(found) == len(lines)


HOSTS: dict[str, tuple[str, list[str]]] = {
    "no admin": ("ceph:\nhosts: {a: }", ["1:1: ceph.admin: is missing"]),
    "an unknown admin": (
        "ceph: {admin: ceph11}\nhosts: {ceph1: }",
        ["1:15: ceph.admin: no host 'ceph11' under hosts; did you mean 'ceph1'?"],
    ),
    "a uuid that is none": (
        "ceph: {admin: a, secret_uuids: {client.cinder: notauuid}}\nhosts: {a: }",
        ["1:48: ceph.secret_uuids.'client.cinder': must be a uuid, such as 457eb676-33da-42ec-9a8c-9293d545c337"],
    ),
    "no hosts": ("ceph: {admin: a}\nhosts:", ["1:15: ceph.admin: no host 'a' under hosts"]),
    "no ceph and no hosts": ("x-a: 1", ["1:1: ceph: is missing", "1:1: hosts: is missing"]),
    "an unknown role": (
        "ceph: {admin: a}\nhosts:\n  a: {roles: [nova-compue]}",
        ["3:15: hosts.a.roles.0: no role 'nova-compue'; did you mean 'nova-compute'?"],
    ),
    "a role twice": (
        "ceph: {admin: a}\nhosts:\n  a: {roles: [nova-compute, nova-compute]}",
        ["3:14: hosts.a.roles: names 'nova-compute' twice"],
    ),
    "an option for a host": (
        'ceph: {admin: a}\nhosts:\n  a:\n  "-oProxyCommand=x": {}',
        [f"4:3: hosts.'-oProxyCommand=x': {HOST}"],
    ),
    "a control character in a host": (
        'ceph: {admin: a}\nhosts:\n  a:\n  "b\\x1b]0;x": {}',
        [f"4:3: hosts.'b\\x1b]0;x': {HOST}"],
    ),
    "a space in a host": ("ceph: {admin: a}\nhosts: {a: , b c: }", [f"2:14: hosts.'b c': {HOST}"]),
    "letters that look alike": ("ceph: {admin: a}\nhosts: {a: , \u0441eph1: }", [f"2:14: hosts.'\u0441eph1': {HOST}"]),
    "a distribution, miswritten": (
        "ceph: {admin: a}\nhosts:\n  a: {distro: debain}",
        ["3:15: hosts.a.distro: no distribution 'debain' is installed; did you mean 'debian'?"],
    ),
    "an option for an address": (
        "ceph: {admin: a}\nhosts: {a: {address: -oProxyCommand=x}}",
        [f"2:22: hosts.a.address: {ADDRESS}"],
    ),
    "an address that is none": (
        "ceph: {admin: a}\nhosts: {a: {address: 10.0.0.300}}",
        [f"2:22: hosts.a.address: {ADDRESS}"],
    ),
    "an IPv6 address in brackets": (
        "ceph: {admin: a}\nhosts: {a: {address: '[fd00::1]'}}",
        ["2:22: hosts.a.address: must be an IPv6 address without brackets"],
    ),
    "two hosts with one address": (
        "ceph: {admin: a}\nhosts:\n  a: {address: 10.0.0.1}\n  b: {address: 10.0.0.1}",
        ["4:16: hosts.b.address: hosts 'a' and 'b' have the same address 10.0.0.1, port 22"],
    ),
    "a host with another's name for an address": (
        "ceph: {admin: a}\nhosts:\n  a: {address: b}\n  b:",
        ["4:3: hosts.b.address: hosts 'a' and 'b' have the same address b, port 22"],
    ),
    "ranges with common addresses": (
        "ceph: {admin: a1}\nhosts:\n  a[1-9]: {address: '10.0.0.[1-9]'}\n  b[1-9]: {address: '10.0.0.[5-13]'}",
        ["4:21: hosts.b[1-9].address: hosts 'a5' and 'b1' have the same address 10.0.0.5, port 22"],
    ),
    "ranges with common names": (
        "ceph: {admin: a}\nhosts: {a: , 'b[1-9]': , b3: }",
        ["2:29: hosts.b3: host 'b3' is in 'b3' and in 'b[1-9]'"],
    ),
    "ranges of two lengths": (
        "ceph: {admin: a}\nhosts: {a: , 'b[1-9]': {address: '10.0.0.[1-8]'}}",
        ["2:34: hosts.b[1-9].address: has 8 addresses for 9 hosts"],
    ),
    "one address for a range": (
        "ceph: {admin: a}\nhosts: {a: , 'b[1-9]': {address: 10.0.0.1}}",
        ["2:34: hosts.b[1-9].address: has 1 address for 9 hosts"],
    ),
    "a range of addresses for one host": (
        "ceph: {admin: a}\nhosts: {a: {address: '10.0.0.[1-8]'}}",
        ["2:22: hosts.a.address: has 8 addresses for 1 host"],
    ),
    "a range past the last address": (
        "ceph: {admin: a}\nhosts: {a: , 'b[1-9]': {address: '10.0.0.[250-258]'}}",
        [f"2:34: hosts.b[1-9].address: {ADDRESS}; the range goes from '10.0.0.250' to '10.0.0.258'"],
    ),
    "a name that can't be an address": (
        "ceph: {admin: a}\nhosts: {a: , 10: }",
        ["2:14: hosts.10.address: is missing, and the host's name can't be its address"],
    ),
    "a range backwards": (
        "ceph: {admin: a}\nhosts: {a: , 'b[9-1]': }",
        ["2:14: hosts.b[9-1]: the range [9-1] ends before it begins"],
    ),
    "a range that is none": (
        "ceph: {admin: a}\nhosts: {a: , 'b[1-]': }",
        [f"2:14: hosts.b[1-]: {HOST}; a range is written [1-20]"],
    ),
    "a range of two widths": (
        "ceph: {admin: a}\nhosts: {a: , 'b[1-09]': }",
        ["2:14: hosts.b[1-09]: both ends of the range [1-09] must have the same width"],
    ),
    "two ranges in one name": (
        "ceph: {admin: a}\nhosts: {a: , 'b[1-2]c[1-2]': }",
        ["2:14: hosts.b[1-2]c[1-2]: must have one range at most, such as compute[1-20]"],
    ),
    "a range too long": (
        "ceph: {admin: a}\nhosts: {a: , 'b[0-999999999]': }",
        ["2:14: hosts.b[0-999999999]: the range [0-999999999] has more than 10,000 hosts"],
    ),
    "ranges too many": (
        "ceph: {admin: a}\nhosts: {a: , 'b[1-6000]': , 'c[1-6000]': }",
        ["2:41: hosts.c[1-6000]: a site has at most 10,000 hosts"],
    ),
    "a list of hosts": (
        "ceph: {admin: a}\nhosts: [a]",
        ["1:15: ceph.admin: no host 'a' under hosts", "2:8: hosts: must be a mapping of keys to values"],
    ),
}


@pytest.mark.fault("F40")
@pytest.mark.parametrize(("text", "lines"), HOSTS.values(), ids=HOSTS.keys())
def test_a_fault_of_the_hosts_names_them(text: str, lines: list[str]) -> None:
    assert faults(text) == lines


WHOLE: dict[str, tuple[str | bytes, list[str]]] = {
    "empty": ("", ["1:1: the file is empty; `cephdeploy init` writes one to start from"]),
    "comments": ("# a\n", ["1:1: the file is empty; `cephdeploy init` writes one to start from"]),
    "a list": (
        "- a",
        ["1:1: the file must be a mapping, with keys such as 'ceph:' and 'hosts:', not a list"],
    ),
    "a word": (
        "a",
        ["1:1: the file must be a mapping, with keys such as 'ceph:' and 'hosts:', not one value"],
    ),
    "not UTF-8": (b"ceph:\n  \xc3\xa4\xff", ["2:4: the file is not UTF-8 text"]),
    "UTF-16": ("ceph:".encode("utf-16"), ["1:1: the file is not UTF-8 text; it looks like UTF-16"]),
    "too large": ("#" * 1024 * 1024 + "#", ["1:1: the file is larger than 1 MiB"]),
    "too deep": ("[" * 1000, ["1:21: nested deeper than 20 levels"]),
    "too deep by aliases": (
        "x-a: &a [[[[[[[[[1]]]]]]]]]\nx-b: &b [[[[[[[[[*a]]]]]]]]]\nx-c: [[*b]]",
        ["1:17: nested deeper than 20 levels"],
    ),
    "a bomb of aliases": (
        "a: &a [x,x,x,x,x,x,x,x,x]\n"
        + "".join(f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefg", "bcdefgh", strict=True)),
        [f"1:24: {MANY}"],
    ),
    "a bomb of merges": (
        "a: &a {x: 1}\n"
        + "".join(
            f"{b}: &{b} {{<<: [{','.join([f'*{a}'] * 99)}]}}\n" for a, b in zip("abcdefg", "bcdefgh", strict=True)
        ),
        [f"2:8: {MANY}"],
    ),
}


@pytest.mark.fault("F40")
@pytest.mark.parametrize(("text", "lines"), WHOLE.values(), ids=WHOLE.keys())
def test_a_file_that_is_no_site_file_is_refused(text: str | bytes, lines: list[str]) -> None:
    assert faults(text) == lines


def test_all_faults_come_at_once_in_the_files_order() -> None:
    assert faults(
        "ceph: {admin: x, caps: widn}\n"
        "hosts:\n"
        "  a: {address: 10.0.0.1, roles: [nova-compue, 1]}\n"
        "  b: {address: 10.0.0.2, usr: root}\n"
        "  c: {address: 10.0.0.3}\n"
        "  d: {address: 10.0.0.3}\n"
        "  d: {address: 10.0.0.4}\n"
        "manila: {}\n"
        "ssh: {sudo: yes}\n"
    ) == [
        "1:15: ceph.admin: no host 'x' under hosts",
        "1:24: ceph.caps: must be 'widen' or 'exact'; did you mean 'widen'?",
        "3:34: hosts.a.roles.0: no role 'nova-compue'; did you mean 'nova-compute'?",
        '3:47: hosts.a.roles.1: must be text: put it in quotes, "1"',
        "4:26: hosts.b.usr: no such key; did you mean 'user'?",
        "6:16: hosts.d.address: hosts 'c' and 'd' have the same address 10.0.0.3, port 22",
        "7:3: hosts.d: 'd' is here a second time; the first is at site.yml:6:3",
        "8:1: manila: no installed plugin has a section 'manila'",
        "9:13: ssh.sudo: must be true or false; did you mean 'true'?",
    ]


def test_faults_without_end_are_cut_off() -> None:
    found = faults("".join(f"k{number}: 1\n" for number in range(5000)))
    assert len(found) == 1001
    assert found[-1] == " only the first 1,000 faults found are shown"


KEY = "AQCBsLdnAAAAABAAd0pYq0N7cmXv3sT5Zk9uQw=="


@pytest.mark.parametrize(
    "text",
    [
        f"cinder: {{password: {KEY}}}",
        "cinder: {password: hunter2}",
        f"cinder: {{{KEY}: 1}}",
        f"{KEY}: 1",
        f"openstack: {{cloud: {KEY}}}",
        f"cinder: {{clone: {KEY}}}",
        f"ssh: {{user: {KEY}, port: {KEY}}}",
        f"ssh: {{x: 1, {KEY}: 1, {KEY}: 2}}",
        f"ssh: !{KEY} 1",
        f"ssh: *{KEY[:-2]}",
    ],
)
def test_what_could_be_a_secret_is_never_shown(text: str) -> None:
    shown = "\n".join(faults(HEAD + text))
    assert "AQCBs" not in shown
    assert "hunter2" not in shown


def test_a_missing_file_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"no site file '.*site\.yml' here; `cephdeploy init` writes one"):
        load(tmp_path / "site.yml", COMPONENTS)


def test_a_folder_is_no_site_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="can't be read: is a directory"):
        load(tmp_path, COMPONENTS)


def test_a_fault_in_a_file_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "my.yml"
    path.write_bytes(b"\xef\xbb\xbfceph: {admin: a}\nhosts: {b: }\n")
    with pytest.raises(SiteFileError) as raised:
        load(path, COMPONENTS)
    assert raised.value.faults == (f"{path}:1:15: ceph.admin: no host 'a' under hosts",)


@pytest.mark.parametrize(
    ("there", "why"),
    [
        (None, "can't read {}: No such file or directory; put the public key there, or leave 'key' out"),
        ("folder", "{} is no file; name the file of the public key"),
        (
            b"\x99\x01\x0d\x04",
            "{} is not text; name one that is ASCII-armoured, as this makes it: gpg --no-default-keyring --keyring {} "
            "--export --armor",
        ),
    ],
)
def test_a_repositorys_key_that_no_host_could_be_given_is_a_fault(
    tmp_path: Path, there: str | bytes | None, why: str
) -> None:
    path, key = tmp_path / "my.yml", tmp_path / "ceph.gpg"
    path.write_text(f"{HEAD}repositories:\n- {{name: a, content: b}}\n- {{name: c, content: d, key: ceph.gpg}}\n")
    if there == "folder":
        key.mkdir()
    elif isinstance(there, bytes):
        key.write_bytes(there)
    with pytest.raises(SiteFileError) as raised:
        load(path, COMPONENTS)
    assert raised.value.faults == (f"{path}:5:30: repositories.1.key: {why.format(key, key)}",)


def test_a_repositorys_key_is_judged_beside_other_faults_and_where_its_place_is_known(tmp_path: Path) -> None:
    text = "ssh: {port: x}\nrepositories: [{name: a, content: b, key: KEY}]\n"
    assert faults(HEAD + text.replace("KEY", "none.asc")) == ["3:13: ssh.port: must be a whole number"]
    found = faults(HEAD + text.replace("KEY", f"{tmp_path}/none.asc"))
    assert [fault.partition(": ")[0] for fault in found] == ["3:13", "4:43"]


def test_a_validator_that_breaks_is_its_plugins_fault() -> None:
    class Broken(Settings):
        key: str = ""

        @field_validator("key")
        @classmethod
        def _look(cls, value: str) -> str:
            return {"a": "b"}[value]

    with pytest.raises(PluginError, match="can't judge the site file: KeyError"):
        load(f"{HEAD}broken: {{key: x}}", [Component("broken", Broken)])
