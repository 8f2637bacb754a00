"""What verify concludes from what it reads: parents, marks, options, logs, and the order of making clean."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from cephdeploy import verify
from cephdeploy.errors import CephdeployError, ProofError
from cephdeploy.requests import Chained, Ran
from cephdeploy.verify import Check, Configuration, Mark, Parent, ProbeResult, Proof, Workbench, disk, log_line, marks

# parents


def test_the_parent_of_a_clone_is_read_from_rbd_info() -> None:
    info = {"name": "volume-1", "parent": {"pool": "images", "image": "3bca", "snapshot": "snap", "overlap": 8388608}}
    assert str(Parent.of(json.dumps(info))) == "images/3bca@snap"


def test_a_copy_has_no_parent() -> None:
    assert Parent.of('{"name": "volume-1", "size": 1073741824}') is None


# marks


def test_a_mark_is_read_back_from_a_description() -> None:
    assert Mark.within(str(Mark.own())) == Mark.own()
    assert Mark.within({"description": str(Mark.own())}) == Mark.own()
    assert Mark.within("an operator's own volume") is None
    assert Mark.within(None) is None


def test_what_a_living_process_made_is_left_alone_and_what_a_dead_one_made_is_not() -> None:
    own = Mark.own()
    assert not own.dead
    assert Mark(own.machine, own.process, "1", own.at).dead
    assert Mark(own.machine, 2**22 + 1, own.began, own.at).dead


def test_what_another_machine_made_is_left_alone_for_an_hour() -> None:
    now = Mark.own().at
    assert not Mark("elsewhere", 1, "1", now - 60).dead
    assert Mark("elsewhere", 1, "1", now - 4000).dead


# options

MOVED = b"[DEFAULT]\ndebug = False\n[glance_store]\nshow_image_direct_url = True\n"


def test_an_option_in_the_wrong_section_is_told_with_its_line() -> None:
    told = Configuration((("/etc/glance/glance-api.conf", MOVED),)).told("DEFAULT", "show_image_direct_url")
    assert told == (
        "[DEFAULT] show_image_direct_url is not set; under [glance_store] (/etc/glance/glance-api.conf:4) it is ignored"
    )


def test_an_option_written_with_a_dash_is_told_as_one_that_nobody_reads() -> None:
    told = Configuration((("/etc/cinder/cinder.conf", b"[ceph]\nrbd-user = cinder\n"),)).told("ceph", "rbd_user")
    assert told == (
        "[ceph] rbd_user is not set; rbd-user (/etc/cinder/cinder.conf:2) is no option of a file and is ignored"
    )


def test_of_several_files_the_last_one_has_its_way() -> None:
    files = (("/etc/nova/nova.conf", b"[libvirt]\nimages_type = rbd\n"), ("/b", b"[libvirt]\nimages_type = qcow2\n"))
    assert Configuration(files).value("libvirt", "images_type") == "qcow2"
    assert Configuration(files).told("libvirt", "images_type") == "[libvirt] images_type is qcow2 (/b:2)"


def test_a_password_is_never_told() -> None:
    told = Configuration((("/f", b"[DEFAULT]\ntransport_url = rabbit://nova:hunter2@mq/\n"),))
    assert "hunter2" not in told.told("DEFAULT", "transport_url")


# logs

LOG = """\
2026-11-22 14:00:00.001 77 ERROR cinder.volume.manager [req-1 - - - -] old trouble
2026-11-22 14:10:00.001 77 INFO cinder.volume.manager [req-2 - - - -] creating 8e1f
2026-11-22 14:10:01.001 77 ERROR cinder.volume.manager [req-2 - - - -] Volume 8e1f: create failed
2026-11-22 14:10:01.002 77 ERROR cinder.volume.manager Traceback (most recent call last):
2026-11-22 14:10:01.003 77 ERROR cinder.volume.manager   File "/usr/lib/x.py", line 1, in f
2026-11-22 14:10:01.004 77 ERROR cinder.volume.manager rbd.PermissionError: [errno 1] RBD permission error
2026-11-22 14:10:01.005 77 ERROR cinder.volume.manager
""".splitlines()


def test_a_log_s_best_line_is_the_exception_that_ends_a_traceback() -> None:
    assert (
        log_line(LOG, since="2026-11-22 14:05:00", about="8e1f")
        == "rbd.PermissionError: [errno 1] RBD permission error"
    )


def test_what_is_older_or_about_something_else_is_no_evidence() -> None:
    assert log_line(LOG, since="2026-11-22 15:00:00") == ""
    assert log_line(LOG, since="2026-11-22 14:05:00", about="ffff") == ""


def test_a_journal_s_exception_is_found_before_what_systemd_says_after_it() -> None:
    journal = ["  File x", "ModuleNotFoundError: No module named 'x'", "cinder-backup.service: Failed"]
    assert log_line(journal, since="2026") == "ModuleNotFoundError: No module named 'x'"


# the disk


def test_the_boot_sector_greets_and_has_a_partition() -> None:
    sector = disk._boot_sector()
    assert len(sector) == 512 and sector[510:] == b"\x55\xaa"
    assert disk.GREETING.encode() in sector[:446]
    assert sector[21:23] == b"\r\n"  # where the code looks for its text: 0x7c15
    assert sector[446] == 0x80


def test_the_qcow2_of_the_control_is_four_clusters_with_a_header_of_its_own_length() -> None:
    made = disk.qcow2()
    assert made[:4] == b"QFI\xfb" and len(made) == 4 << 16
    assert int.from_bytes(made[100:104], "big") == 104


# running


class Host:
    """A host that answers every request with the same."""

    def __init__(self, name: str, answer: Any) -> None:
        self.name, self.answer = name, answer

    def exchange(self, groups: Any) -> list[list[Any]]:
        return [[self.answer(request) for request in group.requests] for group in groups]

    def close(self) -> None:
        """Nothing to let go."""


def site(**answers: Any) -> Any:
    roles = {"controller1": ("cinder-volume",), "compute1": ("nova-compute",)}
    hosts = {name: SimpleNamespace(name=name, roles=role) for name, role in roles.items()}
    ceph = SimpleNamespace(admin="ceph1", prefix=(), fsid="f", conf="/etc/ceph/ceph.conf", cluster="ceph")
    with_role = lambda role: tuple(host for host in hosts.values() if role in host.roles)  # noqa: E731
    return SimpleNamespace(hosts=hosts, ceph=ceph, with_role=with_role)


def judged(*probes: Any, connect: Any = lambda: SimpleNamespace(), answer: Any = lambda request: Ran(status=0)) -> Any:
    hosts = {name: Host(name, answer) for name in ("ceph1", "controller1", "compute1")}
    return verify.verify(site(), [("p", probe) for probe in probes], hosts, connect=connect)


def test_quick_proofs_come_before_those_that_make_things() -> None:
    order: list[str] = []
    slow = Proof(title="slow", prove=lambda bench: order.append("slow") or "")
    quick = Proof(title="quick", prove=lambda bench: order.append("quick") or "", quick=True)
    judged(slow, quick)
    assert order == ["quick", "slow"]


def test_what_would_fail_for_a_reason_that_is_known_is_left_out_and_says_so() -> None:
    def fails(bench: Workbench) -> str:
        raise ProofError("libvirt's secret is wrong")

    quick = Proof(title="the secret is the key", prove=fails, host="compute1", quick=True)
    slow = Proof(title="a guest runs", prove=lambda bench: "never", uses=("nova-compute",))
    other = Proof(title="a volume", prove=lambda bench: "fine", uses=("cinder-volume",))
    results = judged(quick, slow, other)
    assert [(one.ok, one.detail) for one in results] == [
        (False, "libvirt's secret is wrong"),
        (False, "left out, because of: the secret is the key"),
        (True, "fine"),
    ]


def test_a_check_that_fails_is_explained_from_evidence_and_else_by_its_own_words() -> None:
    failing = lambda request: Ran(status=1, err=b"exit")  # noqa: E731
    why = Check(host="compute1", title="t", commands=(("false",),), explain=lambda bench: "the directory is gone")
    unknown = Check(host="compute1", title="u", commands=(("false",),), explain=lambda bench: "")
    assert [one.detail for one in judged(why, unknown, answer=failing)] == ["the directory is gone", "false: exit"]


def test_a_key_that_may_too_much_leaves_nothing_out() -> None:
    check = Check(host="compute1", title="refused", commands=(("true",),), refusal="denied")
    slow = Proof(title="a guest runs", prove=lambda bench: "it ran", uses=("nova-compute",))
    assert [one.ok for one in judged(check, slow)] == [False, True]


def test_what_can_not_be_made_for_one_proof_is_not_tried_again_for_the_next() -> None:
    tries: list[int] = []

    def make() -> None:
        tries.append(1)
        raise ProofError("no space")

    proof = lambda title: Proof(title=title, prove=lambda bench: str(bench.shared("an image", make)))  # noqa: E731
    results = judged(proof("one"), proof("two"))
    assert [one.detail for one in results] == ["no space", "left out: there is no image, see above"]
    assert len(tries) == 1


def test_without_credentials_every_proof_says_so() -> None:
    def connect() -> Any:
        raise CephdeployError("no credentials")

    results = judged(*(Proof(title=t, prove=lambda bench: str(bench.cloud)) for t in "ab"), connect=connect)
    assert [one.detail for one in results] == ["no credentials", "no credentials"]


def test_an_undoing_that_fails_does_not_hide_what_was_wrong_before() -> None:
    def undo() -> None:
        raise ValueError("busy")

    def prove(bench: Workbench) -> str:
        bench.cleanup(undo)
        raise ProofError("the volume is a full copy")

    (result,) = judged(Proof(title="t", prove=prove))
    assert result.detail == "the volume is a full copy; and it could not be taken away again: busy"


# making clean


class Gone(Exception):
    """As openstacksdk's NotFoundException."""

    status_code = 404


class Cloud:
    """Volumes, snapshots and images that depend on each other, as OpenStack keeps them."""

    def __init__(self, **left: list[Any]) -> None:
        self.things = {kind: {one.id: one for one in ones} for kind, ones in left.items()}
        self.deleted: list[str] = []
        names = ("compute", "block_storage", "image", "identity")
        for name in names:
            setattr(self, name, self)
        self.session = SimpleNamespace(auth=SimpleNamespace(get_access=lambda s: SimpleNamespace(role_names=["admin"])))

    def __getattr__(self, name: str) -> Any:
        verb, _, sort = name.partition("_")
        if verb == "get":
            return lambda ident: self._get(sort, ident)
        if verb == "delete":
            return lambda ident, force=False: self._delete(sort, ident)
        return lambda **query: list(self.things.get(name.removesuffix("s"), {}).values())

    def _get(self, sort: str, ident: str) -> Any:
        if ident not in self.things.get(sort, {}):
            raise Gone
        return self.things[sort][ident]

    def _delete(self, sort: str, ident: str) -> None:
        self._get(sort, ident)
        del self.things[sort][ident]
        self.deleted.append(ident)


def thing(ident: str, *, name: str = "cephdeploy-proof-1-x", mark: str = "", **more: Any) -> Any:
    own = Mark.own()
    dead = str(Mark(own.machine, own.process, "1", own.at))
    fields = {"status": "available", "task_state": None, "snapshot_id": None, "is_incremental": False}
    return SimpleNamespace(id=ident, name=name, description=mark or dead, **{**fields, **more})


def swept(cloud: Cloud) -> list[ProbeResult]:
    proof = Proof(title="t", prove=lambda bench: "", pools=("volumes",))
    found: list[ProbeResult] = judged(proof, connect=lambda: cloud, answer=lambda request: Ran(status=0, out=b""))
    return found


def test_what_a_killed_verify_left_goes_clones_first_and_is_told() -> None:
    cloud = Cloud(
        volume=[thing("volume"), thing("clone", snapshot_id="snapshot")],
        snapshot=[thing("snapshot")],
        image=[thing("image")],
        server=[thing("server")],
        project=[thing("project", domain_id="d")],
        user=[thing("user")],
    )
    results = swept(cloud)
    assert cloud.deleted == ["server", "clone", "snapshot", "volume", "image", "user", "project"]
    assert (results[0].ok, results[0].title) == (True, "what an earlier verify left is gone")
    assert results[0].detail == "1 server, 1 snapshot, 2 volumes, 1 image, 1 user, 1 project"


def test_an_operator_s_own_things_and_those_of_a_living_verify_stay() -> None:
    cloud = Cloud(
        volume=[
            thing("a", mark="our proof of concept"),
            thing("b", name="database"),
            thing("c", mark=str(Mark.own())),
        ]
    )
    assert [one.title for one in swept(cloud)] == ["t"]
    assert cloud.deleted == []


def test_an_interrupted_verify_takes_away_what_it_made() -> None:
    cloud = Cloud(volume=[thing("mine", mark="")])

    def prove(bench: Workbench) -> str:
        assert bench.cloud
        bench.made("volume", "mine")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        judged(Proof(title="t", prove=prove, pools=("volumes",)), connect=lambda: cloud)
    assert "mine" in cloud.deleted


def test_everything_that_was_made_is_gone_in_the_end_and_counted() -> None:
    cloud = Cloud(volume=[thing("mine", mark=str(Mark.own()))])

    def prove(bench: Workbench) -> str:
        assert bench.cloud
        bench.made("volume", "mine")
        return "fine"

    results = judged(
        Proof(title="t", prove=prove, pools=("volumes",)),
        connect=lambda: cloud,
        answer=lambda request: Ran(status=0, out=b""),
    )
    assert results[-1].title == "all that the proofs made is gone again"
    assert (results[-1].ok, results[-1].detail) == (True, "1 volume")


def test_what_is_left_in_a_pool_fails_the_verify() -> None:
    cloud = Cloud(volume=[thing("mine", mark=str(Mark.own()))])

    def prove(bench: Workbench) -> str:
        assert bench.cloud
        bench.made("volume", "mine")
        return "fine"

    def answer(request: Any) -> Ran:
        return Ran(status=0, out=b"volume-mine\n" if request.argv[:2] == ("rbd", "ls") else b"")

    results = judged(Proof(title="t", prove=prove, pools=("volumes",)), connect=lambda: cloud, answer=answer)
    assert (results[-1].ok, results[-1].detail) == (False, "volumes/volume-mine is left in Ceph")


# evidence


def image(**more: Any) -> Any:
    return SimpleNamespace(**{"id": "3bca", "disk_format": "raw", "direct_url": "", **more})


def explained(monkeypatch: pytest.MonkeyPatch, shown: Any, *, caps: str, conf: bytes = MOVED) -> str:
    bench = Workbench(site(), {}, lambda: None)
    controller = SimpleNamespace(
        name="controller1",
        distro=SimpleNamespace(config_files=lambda s: ("/etc/glance/glance-api.conf",), unit=lambda s: f"{s}.service"),
    )
    monkeypatch.setattr(bench.site, "with_role", lambda role: (controller,))
    monkeypatch.setattr(bench, "attempt", lambda *argv, **more: Ran(status=0))
    monkeypatch.setattr(bench, "caps", lambda entity: {"osd": caps})
    monkeypatch.setattr(bench, "ask", lambda host, *asked: [Chained(files=(("/etc/glance/glance-api.conf", conf),))])
    return verify.why_not_cloned(bench, shown, "cinder", "images")


FULL = "profile rbd pool=volumes, profile rbd-read-only pool=images"


def test_a_copy_because_of_the_format(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "qcow2, and only raw can be cloned" in explained(monkeypatch, image(disk_format="qcow2"), caps=FULL)


def test_a_copy_because_glance_does_not_say_where(monkeypatch: pytest.MonkeyPatch) -> None:
    said = explained(monkeypatch, image(), caps=FULL)
    assert "show_image_direct_url is not set; under [glance_store]" in said
    assert "on controller1" in said


def test_a_copy_because_of_caps(monkeypatch: pytest.MonkeyPatch) -> None:
    said = explained(monkeypatch, image(direct_url="rbd://f/images/3bca/snap"), caps="profile rbd pool=volumes")
    assert said.startswith("client.cinder may not read pool images: its osd caps are 'profile rbd pool=volumes';")


def test_a_copy_because_of_another_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "another cluster than f" in explained(monkeypatch, image(direct_url="rbd://0/images/3bca/snap"), caps=FULL)


def test_nothing_found_is_nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert explained(monkeypatch, image(direct_url="rbd://f/images/3bca/snap"), caps="allow rwx") == ""


def test_a_process_that_is_not_there_began_at_no_time() -> None:
    assert marks._began(2**22 + 1) == "0"


# services


#: What the host's clock says, in seconds of the epoch and as OpenStack's APIs write it.
NOW, WRITTEN = 1_700_000_000, "2023-11-14T22:13:20.000000"


def up(*seen: tuple[str, str, int], words: str = "", reported: str | None = WRITTEN) -> str:
    """``service_is_up`` with a process, a state and an age for each look; the last one stays."""
    looks = list(seen)

    def answer(request: Any) -> Any:
        if not hasattr(request, "argv"):
            return Chained(
                files=(("/etc/cinder/cinder.conf", b"[DEFAULT]\nbackup_driver = cinder.backup.drivers.ceph\n"),)
            )
        if request.argv[0] == "systemctl":
            process, state, age = looks.pop(0) if len(looks) > 1 else looks[0]
            began = int((1000 - age) * 1e6)
            shown = f"MainPID={process}\nActiveState={state}\nExecMainStartTimestampMonotonic={began}\n"
            return Ran(status=0, out=shown.encode())
        known = {("cat", "/proc/uptime"): b"1000.0 1.0\n", ("date", "+%s"): b"%d\n" % NOW}
        return Ran(status=0, out=known.get(request.argv, words.encode()))

    bench = Workbench(site(), {"controller1": Host("controller1", answer)}, lambda: None)
    bench.wait = lambda look, **more: next((v for _ in range(9) if (v := look()) is not None), None)  # type: ignore
    distro = SimpleNamespace(unit=lambda s: f"{s}.service", config_files=lambda s: ("/etc/cinder/cinder.conf",))
    host: Any = SimpleNamespace(name="controller1", distro=distro)
    bench.site.hosts["controller1"].distro = distro
    return bench.service_is_up(host, "cinder-backup", lambda: ("up", reported), name="cinder-backup on controller1")


def test_a_process_that_stays_is_up() -> None:
    assert up(("7", "active", 2), ("7", "active", 9)) == "up, process 7"


@pytest.mark.parametrize("reported", ["2023-11-14T22:13:00.000000", "2023-11-14T22:13:07.000000", None])
def test_a_report_from_before_or_at_the_last_start_does_not_count(reported: str | None) -> None:
    with pytest.raises(ProofError, match=r"up, by a report from before or at its last start, for OpenStack"):
        up(("7", "active", 15), reported=reported)


def test_an_old_process_needs_no_newer_report_than_openstack_does() -> None:
    assert up(("7", "active", 300), reported="2023-11-14T22:05:00.000000") == "up, process 7"


def test_a_crash_loop_is_told_though_both_openstack_and_systemd_say_up() -> None:
    words = "ImportError: Class ceph cannot be found (['Traceback …"
    with pytest.raises(ProofError) as raised:
        up(("7", "active", 1), ("8", "active", 1), ("9", "active", 1), words=words)
    assert str(raised.value) == (
        "cinder-backup on controller1 is up for OpenStack, and cinder-backup.service dies again and again: "
        "controller1: ImportError: Class ceph cannot be found; [DEFAULT] backup_driver is cinder.backup.drivers.ceph "
        "(/etc/cinder/cinder.conf:2) on controller1"
    )


def test_a_service_that_is_stopped_is_told_at_once() -> None:
    with pytest.raises(ProofError, match=r"cinder-backup\.service is inactive"):
        up(("0", "inactive", 0))
