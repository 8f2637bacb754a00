"""The fake itself: it answers as a real host does, and refuses to guess."""

from __future__ import annotations

import base64
import json
import os
import re
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from cephdeploy import Check
from cephdeploy.contents import Contents
from cephdeploy.errors import HostError
from cephdeploy.kinds import File
from cephdeploy.payload import batches, files, keeping, reading
from cephdeploy.payload.words import explained
from cephdeploy.planner import shown
from cephdeploy.protocol import Batch
from cephdeploy.requests import (
    Answer,
    Chain,
    Chained,
    Group,
    Hold,
    Kept,
    Look,
    MakeDirectory,
    Pick,
    Ran,
    Remove,
    Request,
    Restart,
    Restore,
    Run,
    Seen,
    Unit,
    Write,
)
from cephdeploy.testing import (
    PASSWORD,
    FakeHost,
    FakeSecret,
    FakeSite,
    FakeUnit,
    Unscripted,
    apply_twice,
    assert_no_secrets,
    cephx_key,
    plugin_of,
)
from cephdeploy.values import Secret

CAPS = {"mon": "profile rbd", "osd": "profile rbd pool=volumes"}


@pytest.fixture
def site() -> FakeSite:
    site = FakeSite({"ceph1": [], "ctl": ["cinder-volume"], "cmp": ["nova-compute"]})
    ctl = site.hosts["ctl"]
    ctl.packages["ceph-common"] = "1"
    site.ceph.add_user("client.cinder", CAPS)
    site.ceph.add_pool("volumes", "rbd")
    site.ceph.add_pool("images", "rbd")
    ctl.put("/etc/ceph/ceph.conf", site.ceph.minimal_conf())
    ctl.put("/etc/ceph/ceph.client.cinder.keyring", site.ceph.keyring("client.cinder"), 0o640, "cinder", "cinder")
    return site


def ask(host: FakeHost, *requests: Request) -> list[Answer]:
    return host.exchange([Group(requests=requests)])[0]


def ran(host: FakeHost, *argv: str, **more: object) -> Ran:
    (answer,) = ask(host, Run(argv=argv, **more))  # type: ignore[arg-type]
    assert isinstance(answer, Ran)
    return answer


# groups


def test_after_a_failure_the_rest_of_a_group_is_left_out_and_other_groups_go_on(site: FakeSite) -> None:
    fails, good = Run(argv=("test", "-e", "/none")), Look(path="/etc/hosts")
    answers = site.hosts["ctl"].exchange([Group(requests=(good, fails, good)), Group(requests=(good,))])
    assert [getattr(answer, "status", 0) for answer in answers[0]] == [0, 1, 125]
    assert isinstance(answers[1][0], Seen)


def test_an_accepted_status_is_no_failure(site: FakeSite) -> None:
    answers = ask(site.hosts["ctl"], Run(argv=("test", "-e", "/none"), accept=(0, 1)), Look(path="/etc/hosts"))
    assert isinstance(answers[1], Seen)


def test_a_gate_that_fails_leaves_out_the_groups_after_it(site: FakeSite) -> None:
    groups = [
        Group(requests=(Look(path="/etc/hosts"),)),
        Group(requests=(Run(argv=("test", "-e", "/none")),), gate=True),
        Group(requests=(Look(path="/etc/hosts"),)),
    ]
    answers = site.hosts["ctl"].exchange(groups)
    assert isinstance(answers[0][0], Seen)
    assert answers[2] == [Ran(status=125, err=b"left out: an earlier request failed")]


def test_a_program_that_the_host_lacks_is_127_and_one_that_the_fake_lacks_is_an_error(site: FakeSite) -> None:
    assert ran(site.hosts["ctl"], "virsh", "secret-list").status == 127
    assert ran(site.hosts["cmp"], "rbd", "ls").status == 127
    with pytest.raises(Unscripted, match=r"ctl: manila-manage db sync: .*host.programs\['manila-manage'\] = callable"):
        ran(site.hosts["ctl"], "manila-manage", "db", "sync")
    site.hosts["ctl"].programs["manila-manage"] = lambda argv, stdin, user: (0, f"{argv[1]} as {user}", "")
    assert ran(site.hosts["ctl"], "manila-manage", "db", user="cinder").text == "db as cinder"


@pytest.mark.parametrize(
    "argv",
    [
        ("ceph", "osd", "tree"),
        ("ceph", "auth", "ls"),
        ("rbd", "--id", "admin", "bench", "x"),
        ("rbd", "--mirror", "ls"),
        ("systemctl", "isolate", "rescue.target"),
        ("apt-get", "remove", "ceph-common"),
        ("test", "1", "-eq", "1"),
        ("virsh", "secret-set-value", "u", "--base64", "AQ=="),
    ],
)
def test_what_is_not_scripted_is_refused_with_its_arguments(site: FakeSite, argv: tuple[str, ...]) -> None:
    host = site.hosts["ceph1"]
    host.libvirt = True
    with pytest.raises(Unscripted) as raised:
        ran(host, *argv)
    assert raised.value.argv == argv


def test_a_cut_line_stays_cut_until_a_new_deployment(site: FakeSite) -> None:
    host = site.hosts["ctl"]
    host.cut_after(lambda request: isinstance(request, Write))
    write = Write(path="/f", content=b"x", mode=0o644, owner="root", group="root")
    for _ in range(2):
        with pytest.raises(HostError):
            ask(host, write)
    assert host.text("/f") == "x" and host.writes == ["/f"]
    site.deployment([("p", plugin_of(roles=["cinder-volume"]))])
    assert ask(host, write) == [Ran(status=0)]


# outputs


def test_output_is_kept_as_text_as_a_digest_or_not_at_all(site: FakeSite) -> None:
    host = site.hosts["ctl"]
    host.programs["say"] = lambda argv, stdin, user: (0, b" word \n", "")
    assert ran(host, "say").out == b" word \n"
    assert ran(host, "say", keep="digest").text == Secret("word").fingerprint.digest
    assert ran(host, "say", keep="digest", until="d").text.strip() == f"{Secret('wor').fingerprint.digest}d"
    assert ran(host, "say", keep="nothing").out == b""


def test_a_pick_cuts_the_answer_and_tells_nothing_of_what_is_no_json(site: FakeSite) -> None:
    pick = Pick(("auth_dump",), "entity", ("client.cinder",))
    argv = ("ceph", "auth", "ls", "-f", "json")
    (user,) = json.loads(ran(site.hosts["ceph1"], *argv, pick=pick).out)
    assert (user["entity"], user["caps"]) == ("client.cinder", CAPS)
    site.hosts["ceph1"].programs["ceph"] = lambda argv, stdin, user: (0, "secret text", "")
    answer = ran(site.hosts["ceph1"], *argv, pick=pick)
    assert answer.status == 1 and b"secret" not in answer.out + answer.err


# ceph


def test_keys_are_in_cephx_form_and_the_same_in_each_run() -> None:
    raw = base64.b64decode(cephx_key("x"))
    sort, _, nanoseconds, length = struct.unpack("<hiih", raw[:12])
    assert (sort, nanoseconds, length, len(raw)) == (1, 0, 16, 28)
    assert cephx_key("x") == cephx_key("x") != cephx_key("y")
    assert cephx_key("x").startswith("AQ") and len(cephx_key("x")) == 40


def test_get_or_create_with_other_caps_is_refused_and_with_the_same_it_repeats(site: FakeSite) -> None:
    host = site.hosts["ceph1"]
    words = [word for cap in CAPS.items() for word in cap]
    again = ran(host, "ceph", "auth", "get-or-create", "client.cinder", *words)
    assert (again.status, again.text) == (0, site.ceph.keyring("client.cinder"))
    other = ran(host, "ceph", "auth", "get-or-create", "client.cinder", "mon", "allow r")
    assert other.status == 22
    assert other.reason == "Error EINVAL: key for client.cinder exists but cap mon does not match"


def test_caps_replaces_all_caps(site: FakeSite) -> None:
    ran(site.hosts["ceph1"], "ceph", "auth", "caps", "client.cinder", "mon", "allow r")
    assert site.ceph.users["client.cinder"].caps == {"mon": "allow r"}
    assert ran(site.hosts["ceph1"], "ceph", "auth", "caps", "client.none", "mon", "allow r").status == 2


@pytest.mark.parametrize(
    ("osd", "argv", "status"),
    [
        ("profile rbd pool=volumes", ("rbd", "-p", "volumes", "ls"), 0),
        ("profile rbd pool=volumes", ("rbd", "create", "--size", "1", "volumes/x"), 0),
        ("profile rbd pool=volumes", ("rbd", "-p", "images", "ls"), 1),
        ("profile rbd-read-only pool=images", ("rbd", "ls", "images"), 0),
        ("profile rbd-read-only pool=images", ("rbd", "create", "--size", "1", "images/x"), 1),
        ("profile rbd", ("rados", "-p", "images", "put", "o", "/etc/hostname"), 0),
        ("allow rwx pool=volumes", ("rados", "--pool", "volumes", "put", "o", "/etc/hostname"), 0),
        ("allow r pool=volumes", ("rados", "--pool", "volumes", "put", "o", "/etc/hostname"), 1),
        ("allow class-read object_prefix rbd_children", ("rbd", "ls", "images"), 1),
        ("allow *", ("rbd", "ls", "images"), 0),
        ("allow *", ("rbd", "ls", "nowhere"), 2),
    ],
)
def test_a_client_is_judged_by_its_caps(site: FakeSite, osd: str, argv: tuple[str, ...], status: int) -> None:
    site.ceph.users["client.cinder"].caps["osd"] = osd
    assert ran(site.hosts["ctl"], *argv, "--id", "cinder", user="cinder").status == status


@pytest.mark.parametrize("spoil", ["keyring mode", "keyring key", "keyring gone", "conf gone", "conf other", "no mon"])
def test_a_client_needs_its_keyring_its_conf_and_a_right_on_the_monitors(site: FakeSite, spoil: str) -> None:
    files = site.hosts["ctl"].files
    keyring, conf = "/etc/ceph/ceph.client.cinder.keyring", "/etc/ceph/ceph.conf"
    match spoil:
        case "keyring mode":
            files[keyring].owner = files[keyring].group = "root"
        case "keyring key":
            files[keyring].content = b"[client.cinder]\n\tkey = AQ==\n"
        case "keyring gone":
            del files[keyring]
        case "conf gone":
            del files[conf]
        case "conf other":
            files[conf].content = b"[global]\nmon_host = 10.1.1.1\n"
        case _:
            del site.ceph.users["client.cinder"].caps["mon"]
    answer = ran(site.hosts["ctl"], "rbd", "--id", "cinder", "ls", "volumes", user="cinder")
    assert (answer.status, answer.reason) == (1, "rbd: couldn't connect to the cluster!")


def test_an_image_is_cloned_from_a_protected_snapshot(site: FakeSite) -> None:
    site.ceph.users["client.cinder"].caps["osd"] = "profile rbd pool=volumes, profile rbd-read-only pool=images"
    admin, ctl = site.hosts["ceph1"], site.hosts["ctl"]
    for words in (
        ("import", "-", "images/base"),
        ("snap", "create", "images/base@snap"),
        ("snap", "protect", "images/base@snap"),
    ):
        assert ran(admin, "rbd", *words, stdin=b"disk").status == 0
    assert ran(ctl, "rbd", "--id", "cinder", "clone", "images/base@snap", "volumes/copy", user="cinder").status == 0
    info = json.loads(ran(admin, "rbd", "info", "volumes/copy", "--format", "json").out)
    assert info["parent"] == {"pool": "images", "image": "base", "snapshot": "snap"}
    snaps = json.loads(ran(admin, "rbd", "snap", "ls", "images/base", "--format", "json").out)
    assert [(snap["name"], snap["protected"]) for snap in snaps] == [("snap", "true")]
    assert ran(admin, "rbd", "export", "volumes/copy", "-").out == b"disk"
    assert ran(admin, "rbd", "rm", "images/base").status == 16


# libvirt

XML = (
    "<secret ephemeral='no' private='no'>\n <uuid>{0}</uuid>\n"
    " <usage type='ceph'>\n <name>{1}</name>\n </usage>\n</secret>"
)


def test_a_usage_and_a_uuid_belong_to_each_other(site: FakeSite) -> None:
    host = site.hosts["cmp"]

    def define(uuid: str, usage: str) -> Ran:
        return ran(host, "virsh", "-q", "secret-define", "/dev/stdin", stdin=XML.format(uuid, usage).encode())

    assert define("u1", "a").status == define("u1", "a").status == 0
    for clash in (define("u1", "b"), define("u2", "a")):
        assert clash.status == 1 and "already defined for use with a" in clash.reason
    assert list(host.secrets) == ["u1"]


def test_garbage_is_taken_as_a_value(site: FakeSite) -> None:
    host = site.hosts["cmp"]
    host.secrets["u1"] = FakeSecret("a")
    set_value = ("virsh", "secret-set-value", "--secret", "u1", "--file", "/dev/stdin")
    assert ran(host, "virsh", "secret-get-value", "u1").status == 1
    for text in (b"%% garbage !", b"AQ==", b"A"):
        assert ran(host, *set_value, stdin=text).status == 0
        assert ran(host, "virsh", "secret-get-value", "u1").status == 0
    assert ran(host, *set_value, stdin=Secret(cephx_key("x"))).status == 0
    assert ran(host, "virsh", "secret-get-value", "u1").text.strip() == cephx_key("x")


# services, and the rest


def test_a_crash_looping_unit_is_active_to_nobody(site: FakeSite) -> None:
    host = site.hosts["ctl"]
    host.units["a.service"] = FakeUnit(crashes=True)
    (answer,) = ask(host, Restart(name="a.service"))
    assert isinstance(answer, Ran) and answer.status == 1
    assert answer.reason == "a.service did not stay up: activating (auto-restart), started 2 times"
    (shown_unit,) = ask(host, Unit(name="a.service"))
    assert isinstance(shown_unit, Ran) and "ActiveState=activating\n" in shown_unit.text
    assert ran(host, "systemctl", "is-active", "a.service").status == 3


def test_tmpfiles_makes_the_directories_that_a_file_names(site: FakeSite) -> None:
    host = site.hosts["ctl"]
    host.put(
        "/etc/tmpfiles.d/ceph.conf", "# ours\nd /run/ceph 0770 cinder cinder -\na+ /run/ceph - - - - user:guest:--x\n"
    )
    assert ran(host, "systemd-tmpfiles", "--create", "/etc/tmpfiles.d/ceph.conf").status == 0
    assert ran(host, "test", "-w", "/run/ceph", user="cinder").status == 0
    host.accounts.update(other=("other",), guest=("guest",))
    assert [ran(host, "test", f"-{bit}", "/run/ceph", user="guest").status for bit in "rwx"] == [1, 1, 0]
    assert ran(host, "test", "-w", "/run/ceph", user="other").status == 1
    assert ran(host, "test", "-w", "/run/ceph", "-a", "-x", "/run/ceph", user="cinder").status == 0
    assert ran(host, "test", "-d", "/run/ceph", "-a", "-x", "/run/ceph", user="other").status == 1
    assert ran(host, "test", "!", "-e", "/run/nothing").status == 0


# against the payload itself


def below(folder: Path) -> FakeHost:
    """A fake host with the same files as a real folder."""
    host = FakeSite({"ceph1": []}).hosts["ceph1"]
    host.put(f"{folder}/file", "text\n", 0o640)
    host.put(f"{folder}/d/nova.conf.d/b.conf", "b")
    host.put(f"{folder}/d/nova.conf.d/a.conf", "a")
    host.links[f"{folder}/link"] = f"{folder}/file"
    host.links[f"{folder}/nowhere"] = f"{folder}/none"
    (folder / "file").write_text("text\n")
    (folder / "file").chmod(0o640)
    (folder / "d" / "nova.conf.d").mkdir(parents=True)
    (folder / "d" / "nova.conf.d" / "a.conf").write_text("a")
    (folder / "d" / "nova.conf.d" / "b.conf").write_text("b")
    (folder / "link").symlink_to(folder / "file")
    (folder / "nowhere").symlink_to(folder / "none")
    return host


def a_write(path: str, **more: object) -> Callable[[Path], Write]:
    given: dict[str, object] = {"content": b"new", "mode": 0o600, "owner": "root", "group": "root", **more}
    return lambda folder: Write(path=f"{folder}/{path}", **given)  # type: ignore[arg-type]


TEXT_DIGEST = Secret("text\n").fingerprint.digest
CASES: dict[str, Callable[[Path], Request]] = {
    "look at a file": lambda folder: Look(path=f"{folder}/file", content=True),
    "look without content": lambda folder: Look(path=f"{folder}/file"),
    "look at a link": lambda folder: Look(path=f"{folder}/link", content=True),
    "look at a link to nowhere": lambda folder: Look(path=f"{folder}/nowhere"),
    "look at a directory": lambda folder: Look(path=f"{folder}/d"),
    "look at nothing": lambda folder: Look(path=f"{folder}/none"),
    "write anew": a_write("new/deep"),
    "write over": a_write("file"),
    "write as expected": a_write("file", expect=TEXT_DIGEST),
    "write where another is expected": a_write("file", expect="0" * 64),
    "write where nothing is expected": a_write("file", expect=""),
    "write through a link": a_write("link"),
    "write through a link to nowhere": a_write("nowhere"),
    "write over a directory": a_write("d"),
    "write for nobody": a_write("file", owner="nobody-of-this-name"),
    "write for no group": a_write("file", group="nobody-of-this-name"),
    "remove a file": lambda folder: Remove(path=f"{folder}/file", expect=TEXT_DIGEST),
    "remove another file than is expected": lambda folder: Remove(path=f"{folder}/file", expect="0" * 64),
    "remove what is not there": lambda folder: Remove(path=f"{folder}/none"),
    "remove a link": lambda folder: Remove(path=f"{folder}/link"),
    "remove a link to nowhere": lambda folder: Remove(path=f"{folder}/nowhere"),
    "look at what was never kept": lambda folder: Kept(run="none", name=f"{folder}/file"),
    "put back what was never kept": lambda folder: Restore(path=f"{folder}/file", kept="none"),
    "feed a command with what was never kept": lambda folder: Run(argv=("true",), feed=Kept(run="none", name="secret")),
    "make a directory": lambda folder: MakeDirectory(path=f"{folder}/x/y", mode=0o750, owner="root", group="root"),
    "make a directory that is there": lambda folder: MakeDirectory(
        path=f"{folder}/d", mode=0o700, owner="root", group="root"
    ),
    "make a directory of a file": lambda folder: MakeDirectory(
        path=f"{folder}/file", mode=0o700, owner="root", group="root"
    ),
}


def by_payload(request: Request) -> Answer:
    """What the payload answers, on this machine."""
    batch = Batch([Group(requests=(request,))], Contents())
    key, doer, _accept, *fields = batch.parcel.frames[1]
    files.TOLD.clear()
    try:
        status, answered = batches.doer(doer)(fields)
    except Exception as error:
        status, answered = 1, [b"", explained(error).encode()]
    ((answer,),) = batch.answers({key: (key, b"%d" % status, *answered)})
    return answer


@pytest.mark.skipif(os.geteuid() != 0, reason="the payload runs as root")
@pytest.mark.parametrize("case", CASES)
def test_the_fake_does_to_files_what_the_payload_does(
    tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "KEPT", f"{tmp_path}/kept")
    host = below(tmp_path)
    host.programs["true"] = lambda argv, stdin, user: (0, "", "")
    request = CASES[case](tmp_path)
    real = by_payload(request)
    (fake,) = ask(host, request)
    if isinstance(real, Ran):
        assert isinstance(fake, Ran)
        assert (fake.status, bool(fake.err)) == (real.status, bool(real.err))
    else:
        assert fake == real
    for path in ("file", "link", "none", "new/deep", "d", "x/y", "x"):
        look = Look(path=f"{tmp_path}/{path}", content=True)
        assert ask(host, look) == [by_payload(look)]


@pytest.mark.skipif(os.geteuid() != 0, reason="the payload runs as root")
@pytest.mark.parametrize("path", ["file", "link", "none"])
def test_the_fake_keeps_and_puts_back_what_the_payload_does(
    tmp_path: Path, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "KEPT", f"{tmp_path}/kept")
    host, name = below(tmp_path), f"{tmp_path}/{path}"
    for request in (
        a_write(path, run="first")(tmp_path),
        a_write(path, run="first", content=b"newer")(tmp_path),
        Kept(run="first", name=name, content=True),
        Restore(path=name, kept="first", run="second"),
        Look(path=name, content=True),
        Kept(run="second", name=name, content=True),
        Restore(path=name, kept="second"),
        Look(path=name, content=True),
        Remove(path=name, run="third"),
        Kept(run="third", name=name, content=True),
        Restore(path=name, kept="third"),
        Look(path=name, content=True),
    ):
        real = by_payload(request)
        (fake,) = ask(host, request)
        if isinstance(real, Ran):
            assert isinstance(fake, Ran)
            assert (fake.status, bool(fake.err)) == (real.status, bool(real.err)), request
        else:
            assert fake == real, request


def test_the_fakes_lock_is_refused_with_the_status_that_means_locked(site: FakeSite) -> None:
    host = site.hosts["ctl"]
    assert ask(host, Hold(holder="ann")) == [Ran(status=0)]
    host.locked_by = "bob"
    assert ask(host, Hold(holder="ann")) == [Ran(status=75, err=b"another run holds it: bob")]


@pytest.mark.parametrize(
    "words",
    [
        "nova-compute",
        "nova-compute --config-file {0}/file",
        "nova-compute --config-file={0}/file --config-dir {0}/d/nova.conf.d",
        "python3 /usr/bin/nova-compute --config-dir={0}/d/nova.conf.d --config-file {0}/file --log-file /x",
        "python3 /usr/bin/nova-compute --config-dir={0}/d/nova.conf.d",
    ],
)
def test_the_fake_reads_the_files_that_the_payload_reads(tmp_path: Path, words: str) -> None:
    host = below(tmp_path)
    argv = tuple(words.format(tmp_path).split())
    host.units["u"] = FakeUnit(argv=argv)
    programs = ["nova", reading.program_of(list(argv))]
    order = reading.reading_order(list(argv), "nova", programs, "/nonexistent", "/")
    (fake,) = ask(host, Chain(unit="u", path="/etc/nova/nova.conf", project="nova"))
    assert isinstance(fake, Chained)
    assert [path for path, _ in fake.files] == [path for path in order if Path(path).exists()]


# the site


def test_a_site_stands_as_a_distribution_installs_it() -> None:
    site = FakeSite({"ceph1": [], "cmp": ["nova-compute"], "ctl": ["glance-api", "cinder-volume"]})
    cmp, ctl = site.hosts["cmp"], site.hosts["ctl"]
    assert set(cmp.units) == {"nova-compute.service", "libvirtd.service"}
    assert set(ctl.units) == {"glance-api.service", "cinder-volume.service"}
    assert {"/etc/nova/nova.conf", "/etc/nova/nova-compute.conf"} <= set(cmp.files)
    assert set(ctl.accounts) == {"root", "glance", "cinder"} and "libvirt-qemu" in cmp.accounts
    assert PASSWORD in ctl.text("/etc/cinder/cinder.conf")


def test_settings_are_read_by_the_real_reader_and_laid_over_each_other() -> None:
    site = FakeSite({"ceph1": [], "ctl": ["glance-api"]})
    site.settings(ceph={"cluster": "a"}).settings(ceph={"caps": "exact"}, serial={"glance-api": 1})
    settings = site.site_settings([("p", plugin_of(roles=["glance-api"]))])
    assert (settings.ceph.admin, settings.ceph.cluster, settings.ceph.caps) == ("ceph1", "a", "exact")
    assert settings.serial_of("glance-api") == (1,)


def test_the_fixture_makes_sites(fake_site: Callable[..., FakeSite]) -> None:
    assert fake_site({"ceph1": []}).admin == "ceph1"


def test_apply_twice_says_what_did_not_come_true(site: FakeSite) -> None:
    no = Ran(status=1, err=b"disk full")
    site.hosts["ctl"].interfere.append(lambda request: no if isinstance(request, Write) else None)
    with pytest.raises(AssertionError, match="not everything came true:\nctl/file:/f: failed: disk full"):
        apply_twice(site.deployment_of(lambda s: [File(host="ctl", path="/f", content="")]))


def test_apply_twice_refuses_a_test_of_nothing_unless_told(site: FakeSite) -> None:
    there = File(host="ctl", path="/f", content="")
    with pytest.raises(AssertionError, match=r"^no plugin declares anything here, so nothing is tested; look at its"):
        apply_twice(site.deployment_of(lambda s: []))
    assert len(apply_twice(site.deployment_of(lambda s: []), nothing=True)) == 0
    with pytest.raises(AssertionError, match=r"^something is declared:\nctl/file:/f$"):
        apply_twice(site.deployment_of(lambda s: [there]), nothing=True)
    assert len(apply_twice(site.deployment_of(lambda s: [there]))) == 1
    assert len(apply_twice(site.deployment_of(lambda s: [there]))) == 0


# what verify asks when a check failed


def key_is_changed(site: FakeSite) -> None:
    site.ceph.users["client.cinder"].key = cephx_key("another")


def conf_is_of_another(site: FakeSite) -> None:
    site.hosts["ctl"].put("/etc/ceph/ceph.conf", "[global]\nmon host = 10.9.9.9\n")


KEYRING = "/etc/ceph/ceph.client.cinder.keyring"


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda site: site.ceph.pools.pop("volumes"), r"^rados .* put .*No such file or directory"),
        (lambda site: site.ceph.users.pop("client.cinder"), "^Ceph has no client.cinder; "),
        (
            lambda site: site.ceph.users["client.cinder"].caps.pop("osd"),
            "may not use pool volumes: its osd caps are ''",
        ),
        (lambda site: site.hosts["ctl"].files.pop(KEYRING), f"^there is no {KEYRING}; "),
        (lambda site: setattr(site.hosts["ctl"].files[KEYRING], "mode", 0o600), f"cinder can't read {KEYRING}, "),
        (lambda site: site.hosts["ctl"].files.pop("/etc/ceph/ceph.conf"), "/etc/ceph/ceph.conf names no monitors: "),
        (key_is_changed, f"^the key in {KEYRING} is <secret .*> and client.cinder's in Ceph is <secret .*>: it was"),
        (conf_is_of_another, "^mon_host in /etc/ceph/ceph.conf is 10.9.9.9, and the cluster's monitors are "),
    ],
)
def test_a_check_that_fails_says_why_by_what_the_fakes_are_asked(
    site: FakeSite, spoil: Callable[[FakeSite], object], said: str
) -> None:
    site.hosts["ctl"].put(KEYRING, site.ceph.keyring("client.cinder"), 0o640, "root", "cinder")
    plugin = plugin_of(
        roles=["cinder-volume"],
        verify=lambda s: [Check.uses_pool(s, s.hosts["ctl"], "cinder", "volumes", "cinder-volume")],
    )
    with site.deployment([("test", plugin)]) as deployment:
        assert [result.ok for result in deployment.verify()] == [True]
        spoil(site)
        (result,) = deployment.verify()
    assert not result.ok
    assert re.search(said, result.detail), result.detail


def test_ceph_conf_looks_into_the_users_section_then_its_types_then_the_global_one(site: FakeSite) -> None:
    host = site.hosts["ctl"]
    host.put("/etc/ceph/ceph.conf", "[global]\na = 1\nb = 1\nc = 1\n[client]\na = 2\nb = 2\n[client.x]\na = 3\n")
    look = ("ceph-conf", "--name", "client.x", "--lookup")
    assert [ran(host, *look, option).text for option in ("a", "b", "c")] == ["3\n", "2\n", "1\n"]
    assert ran(host, *look, "d").status == 1
    assert ran(host, *look, "a", "--conf", "/none").status == 1


def test_a_secret_in_an_argument_or_a_plan_is_found(site: FakeSite) -> None:
    assert_no_secrets(site, site.ceph, site.hosts["ctl"].files, shown(Secret(cephx_key("x"))))
    key = site.ceph.users["client.cinder"].key
    with pytest.raises(AssertionError, match=r"a secret that begins with 'AQ.*' is seen in the repr of list"):
        assert_no_secrets(site, [key])
    site.hosts["ctl"].programs["say"] = lambda argv, stdin, user: (0, "", "")
    ran(site.hosts["ctl"], "say", key)
    with pytest.raises(AssertionError, match="seen in an argument on ctl"):
        assert_no_secrets(site)
