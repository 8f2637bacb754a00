"""``cephdeploy image``: streams of raw bytes, checksummed uploads that leave nothing, and the audit's reasons."""

from __future__ import annotations

import hashlib
import http.server
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cephdeploy.cli import cli
from cephdeploy.errors import CephdeployError, ExitCode, UsageError
from cephdeploy_glance.image import cloud, sending, source
from cephdeploy_glance.image.judging import Cluster, why_never
from cephdeploy_glance.image.source import Source, format_of, opened
from cephdeploy_glance.proof import hint_of, snapshot_of, wrong_place

QEMU = pytest.mark.skipif(shutil.which("qemu-img") is None, reason="there is no qemu-img here")


def silent(what: str, done: int, whole: int) -> None:
    """A progress that says nothing."""


def disk(path: Path, size: int = 3 << 20) -> bytes:
    """A raw disk with something at its beginning, in its middle and at its end."""
    data = bytearray(size)
    for at, text in ((510, b"\x55\xaa"), (size // 2, b"the middle"), (size - 9, b"the end\r\n")):
        data[at : at + len(text)] = text
    path.write_bytes(data)
    return bytes(data)


# reading


@pytest.mark.parametrize("form", ["qcow2", "vmdk", "vdi", "vhdx", "vpc"])
@QEMU
def test_every_format_comes_out_as_the_same_raw_bytes(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "WINDOW", 1 << 20)
    data = disk(tmp_path / "disk.raw")
    packed = tmp_path / f"a, disk.{form}"
    force = ["-o", "force_size=on"] if form == "vpc" else []
    words = ["qemu-img", "convert", "-f", "raw", "-O", form, *force, str(tmp_path / "disk.raw"), str(packed)]
    subprocess.run(words, check=True)
    with opened(str(packed), progress=silent) as found:
        assert (found.name, found.format, found.size) == ("a, disk", form, len(data))
        assert b"".join(found.pieces) == data


@QEMU
def test_no_more_than_one_window_is_ever_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "WINDOW", 1 << 20)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    disk(tmp_path / "disk.raw", 8 << 20)
    packed = tmp_path / "disk.qcow2"
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", str(tmp_path / "disk.raw"), str(packed)], check=True)
    largest = 0
    with opened(str(packed), progress=silent) as found:
        for _ in found.pieces:
            largest = max(largest, sum(p.stat().st_size for p in (tmp_path / "tmp").rglob("*") if p.is_file()))
    assert 0 < largest <= 1 << 20
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_raw_file_is_read_as_it_is_and_needs_no_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    data = disk(tmp_path / "disk.img")
    with opened(str(tmp_path / "disk.img"), progress=silent) as found:
        assert (found.format, b"".join(found.pieces)) == ("raw", data)


@QEMU
def test_an_image_over_another_file_is_refused(tmp_path: Path) -> None:
    disk(tmp_path / "base.raw")
    top = tmp_path / "top.qcow2"
    words = ["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(tmp_path / "base.raw"), "-F", "raw", str(top)]
    subprocess.run(words, check=True)
    with pytest.raises(UsageError, match="is only a part"), opened(str(top), progress=silent):
        pass


def test_a_packed_image_is_told_to_be_unpacked() -> None:
    with pytest.raises(UsageError, match="packed by xz; unpack it first"):
        format_of(b"\xfd7zXZ\0\0")


def test_without_qemu_img_the_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    (tmp_path / "x.qcow2").write_bytes(b"QFI\xfb".ljust(512, b"\0"))
    with pytest.raises(CephdeployError, match="install qemu-utils"), opened(str(tmp_path / "x.qcow2"), progress=silent):
        pass


def test_a_file_that_is_not_there_is_a_sentence() -> None:
    with pytest.raises(UsageError, match="can't read /nowhere: No such file"), opened("/nowhere", progress=silent):
        pass
    with pytest.raises(UsageError, match="from a file or from an http"), opened("ftp://x/y", progress=silent):
        pass


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """A web server for ``tmp_path``."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *words: Any, **more: Any) -> None:
            super().__init__(*words, directory=str(tmp_path), **more)

        def log_message(self, *words: Any) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_raw_url_is_passed_on_without_a_file(tmp_path: Path, web: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = disk(tmp_path / "my disk.raw")
    with opened(f"{web}/my%20disk.raw", progress=silent) as found:
        assert (found.name, found.size, b"".join(found.pieces)) == ("my disk", len(data), data)


@QEMU
def test_a_url_of_another_format_is_downloaded_once(tmp_path: Path, web: str) -> None:
    data = disk(tmp_path / "disk.raw")
    words = ["qemu-img", "convert", "-O", "qcow2", str(tmp_path / "disk.raw"), str(tmp_path / "disk.qcow2")]
    subprocess.run(words, check=True)
    said: list[str] = []
    with opened(f"{web}/disk.qcow2", progress=lambda what, done, whole: said.append(what)) as found:
        assert (found.name, b"".join(found.pieces)) == ("disk", data)
    assert "downloading" in said


def test_a_url_that_is_not_there_is_a_sentence(web: str) -> None:
    with pytest.raises(CephdeployError, match=r"can't get .*404"), opened(f"{web}/none.raw", progress=silent):
        pass


# sending


class Glance:
    """Takes what is sent, as Glance does, and answers with its digest."""

    def __init__(self, *, spoils: bool = False, refuses: int = 0) -> None:
        self.images: dict[str, Any] = {}
        self.spoils, self.refuses = spoils, refuses

    def post(self, path: str, json: Any) -> Any:
        self.images["1"] = {"id": "1", "status": "queued", "size": None, **json}
        return SimpleNamespace(status_code=201, json=lambda: self.images["1"])

    def put(self, path: str, data: Any, **more: Any) -> Any:
        assert len(data) > 0  # what makes the HTTP library say a length
        if self.refuses:
            return SimpleNamespace(status_code=self.refuses, text="<html><h1>too large</h1></html>")
        body = b"".join(data)
        digest = hashlib.sha512(b"x" if self.spoils else body).hexdigest()
        self.images["1"].update(status="active", size=len(body), os_hash_algo="sha512", os_hash_value=digest)
        return SimpleNamespace(status_code=204)

    def get(self, path: str) -> Any:
        return SimpleNamespace(json=lambda: self.images["1"])

    def delete(self, path: str) -> None:
        del self.images[path.rpartition("/")[2]]


def sent(glance: Glance, pieces: Iterator[bytes] | None = None) -> sending.Sent:
    data = b"0123456789" * 1000
    made = Source("disk", "raw", len(data), pieces or iter([data[:7000], data[7000:]]))
    return sending.send(
        SimpleNamespace(image=glance), made, name="n", properties={"os": "x"}, visibility="private", progress=silent
    )


def test_an_image_is_sent_as_raw_and_compared() -> None:
    glance = Glance()
    assert sent(glance).digest == hashlib.sha512(b"0123456789" * 1000).hexdigest()
    assert glance.images["1"]["disk_format"] == "raw" and glance.images["1"]["os"] == "x"


@pytest.mark.parametrize(
    ("glance", "said"),
    [
        (Glance(spoils=True), "is not what was sent"),
        (Glance(refuses=413), "refuses the image's data after 0 bytes: 413 too large"),
    ],
)
def test_what_did_not_arrive_whole_does_not_stay(glance: Glance, said: str) -> None:
    with pytest.raises(CephdeployError, match=said):
        sent(glance)
    assert glance.images == {}


def test_nothing_stays_of_an_upload_that_is_interrupted() -> None:
    def pieces() -> Iterator[bytes]:
        yield b"0123456789"
        raise KeyboardInterrupt

    glance = Glance()
    with pytest.raises(KeyboardInterrupt):
        sent(glance, pieces())
    assert glance.images == {}


# judging

FSID = "b4b1cb4e-0a5c-4f0e-8a1c-7f5d2b0a5f6d"
ONLY_RAW = "and only raw can be cloned; cephdeploy image import makes it raw"
CLUSTER = Cluster(FSID, "images", {"1": True, "2": False})


def glance_image(ident: str = "1", **more: Any) -> Any:
    fields = {"disk_format": "raw", "direct_url": f"rbd://{FSID}/images/{ident}/snap", "store": "rbd"}
    return SimpleNamespace(id=ident, properties={}, **{**fields, **more})


@pytest.mark.parametrize(
    ("image", "why"),
    [
        (glance_image(), ""),
        (glance_image(disk_format="qcow2"), f"is qcow2, {ONLY_RAW}"),
        (glance_image(direct_url="file:///x", store="file"), "lies in file and not in Ceph; import it again"),
        (glance_image(direct_url="rbd://other/images/1/snap"), "lies in another cluster, other"),
        (glance_image("3", store="f", direct_url=""), "does not lie in pool images but in store f; import it again"),
        (glance_image("2"), "has no snapshot 'snap' in pool images; import it again"),
    ],
)  # fmt: skip
def test_the_audit_says_why_an_image_is_never_cloned(image: Any, why: str) -> None:
    assert why_never(image, CLUSTER) == why


def test_without_a_site_only_what_glance_says_is_judged() -> None:
    assert why_never(glance_image("3"), None) == ""
    assert "is qcow2" in why_never(glance_image(disk_format="qcow2"), None)


def test_the_snapshot_for_clones_is_found_in_both_forms_of_rbd_snap_ls() -> None:
    assert snapshot_of('[{"id": 4, "name": "snap", "protected": "true"}]') == "protected"
    assert snapshot_of('[{"id": 4, "name": "snap", "protected": false}]') == "not protected"
    assert snapshot_of('[{"id": 4, "name": "mine"}]') is None


@pytest.mark.parametrize("oldest", ["jewel", "luminous"])
def test_a_cluster_whose_images_cant_go_before_their_clones_gets_a_hint(oldest: str) -> None:
    assert f"clients of {oldest}" in hint_of(oldest)
    assert "ceph osd set-require-min-compat-client mimic" in hint_of(oldest)


@pytest.mark.parametrize("oldest", ["mimic", "nautilus", "tentacle"])
def test_a_cluster_of_todays_clients_gets_no_hint(oldest: str) -> None:
    assert hint_of(oldest) == ""


def test_a_location_elsewhere_is_wrong() -> None:
    assert wrong_place(f"rbd://{FSID}/images/1/snap", FSID) == ""
    assert "names another cluster" in wrong_place("rbd://x/images/1/snap", FSID)
    assert "is not in Ceph" in wrong_place("file:///var/lib/glance/1", FSID)


# the command


GOOD = "ceph: {admin: a}\nhosts: {a: {address: 10.0.0.1}}\n"


def asked(*words: str) -> Result:
    return CliRunner().invoke(cli, words, prog_name="cephdeploy")


def test_the_top_level_help_says_what_the_command_does_and_imports_nothing_for_it() -> None:
    code = "import sys; from cephdeploy.cli import cli; cli(['--help'], standalone_mode=False); print(*sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    said = " ".join(ended.stdout.split())
    assert "image Import images as raw, and list those that can't be cloned (cephdeploy-glance)" in said
    assert "cephdeploy_glance" not in said


@pytest.mark.parametrize("words", [("-C", "nope.yml", "image", "audit"), ("image", "audit", "-C", "nope.yml")])
def test_a_site_file_that_is_not_there_is_told_as_by_every_command(words: tuple[str, ...]) -> None:
    result = asked(*words)
    assert result.exit_code == ExitCode.INVALID
    assert result.stderr == "no site file 'nope.yml' here; `cephdeploy init` writes one to start from\n"


def test_an_audit_without_a_login_does_not_end_as_one_that_found_something(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(wish: object, *, purpose: str) -> Any:
        raise CephdeployError("OpenStack does not let you in: 401")

    monkeypatch.setattr(cloud, "connected", refused)
    (tmp_path / "x.yml").write_text(GOOD)
    result = asked("image", "audit", "-C", str(tmp_path / "x.yml"))
    assert (result.exit_code, result.stderr) == (ExitCode.UNREACHABLE, "OpenStack does not let you in: 401\n")


def test_an_audit_that_glance_does_not_answer_does_not_end_as_one_that_found_something(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def images(**more: object) -> Any:
        raise RuntimeError("HTTP 503")

    monkeypatch.setattr(cloud, "connected", lambda wish, purpose: SimpleNamespace(image=SimpleNamespace(images=images)))
    (tmp_path / "x.yml").write_text(GOOD)
    result = asked("image", "audit", "-C", str(tmp_path / "x.yml"))
    assert (result.exit_code, result.stderr) == (
        ExitCode.UNREACHABLE,
        "OpenStack does not list its images: HTTP 503\n",
    )


def test_the_commands_are_found_and_a_property_without_a_value_is_refused() -> None:
    runner = CliRunner()
    assert "import" in runner.invoke(cli, ["image", "--help"]).output
    result = runner.invoke(cli, ["image", "import", "x", "--property", "novalue"], standalone_mode=False)
    assert isinstance(result.exception, UsageError) and "KEY=VALUE" in str(result.exception)
