"""What a host does with what it is asked, over a real sshd: commands, files, and a line that goes."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cephdeploy.errors import HostError
from cephdeploy.requests import Answer, Group, Look, MakeDirectory, Pick, Ran, Request, Run, Seen, Write
from cephdeploy.session import Session

from .lines import hang_up, local_port

if TYPE_CHECKING:
    from .conftest import Sshd

pytestmark = pytest.mark.ssh


@pytest.fixture
def line(server: Sshd) -> Iterator[Session]:
    """A session by each transport."""
    session = server.connect()
    yield session
    session.close()


def ask(session: Session, *requests: Request) -> list[Answer]:
    return session.exchange([Group(requests=requests)])[0]


def ran(session: Session, *argv: str, stdin: bytes = b"", timeout: float = 20) -> Ran:
    answer = ask(session, Run(argv=argv, stdin=stdin, timeout=timeout))[0]
    assert isinstance(answer, Ran)
    return answer


def wrote(session: Session, path: str, content: bytes, *, mode: int = 0o640, expect: str = "*") -> Ran:
    write = Write(path=path, content=content, mode=mode, owner="alice", group="alice", expect=expect)
    answer = ask(session, write)[0]
    assert isinstance(answer, Ran)
    return answer


def seen(session: Session, path: str) -> Seen:
    answer = ask(session, Look(path=path, content=True))[0]
    assert isinstance(answer, Seen)
    return answer


def names(session: Session, folder: str) -> list[str]:
    return ran(session, "ls", "-A", folder).text.split()


def test_many_groups_come_back_in_their_order(line: Session) -> None:
    groups = [
        Group(requests=tuple(Run(argv=("echo", f"{number}.{place}")) for place in range(3)), parallel=number % 2 == 0)
        for number in range(30)
    ]
    texts = [[answer.text for answer in answers if isinstance(answer, Ran)] for answers in line.exchange(groups)]
    assert texts == [[f"{number}.{place}\n" for place in range(3)] for number in range(30)]


def test_bytes_that_are_no_text_come_back_as_they_are(line: Session) -> None:
    data = bytes(range(256)) * 999
    assert ran(line, "cat", stdin=data).out == data


@pytest.mark.fault("F31")
def test_a_hundred_megabytes_are_cut_to_their_tail_in_no_time(line: Session) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.monotonic()
    answer = ran(line, "sh", "-c", "head -c 100000000 /dev/zero; printf end; head -c 50000000 /dev/zero >&2")
    assert time.monotonic() - begun < 2
    assert len(answer.out) == 1 << 20
    assert answer.out.endswith(b"end")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 << 10
    assert int(ran(line, "sh", "-c", "ps -o rss= -p $PPID").text) < 40 << 10


@pytest.mark.fault("F32")
def test_a_command_that_hangs_is_ended_with_all_that_it_started(sshd: Sshd, root: Session) -> None:
    begun = time.monotonic()
    answer = ran(root, "sh", "-c", "sleep 987.1 & sleep 987.1", timeout=0.3)
    assert (answer.status, answer.reason) == (124, "it was still running after 0.3 seconds, and was ended")
    assert time.monotonic() - begun < 2
    assert sshd.processes("987.1") == []


@pytest.mark.fault("F32")
def test_a_command_that_heeds_no_request_to_end_is_ended(sshd: Sshd, root: Session) -> None:
    answer = ran(root, "sh", "-c", "trap '' TERM; sleep 987.2; sleep 987.2", timeout=0.2)
    assert answer.status == 124
    assert sshd.processes("987.2") == []


@pytest.mark.fault("F04")
def test_a_line_that_goes_leaves_the_command_its_deadline_and_begins_nothing_more(
    server: Sshd, root: Session, folder: str
) -> None:
    session = server.connect()
    groups = [Group(requests=(Run(argv=("sleep", "987.3"), timeout=1.5), Run(argv=("touch", f"{folder}/second"))))]
    wanted = b"".join(_frames(session, groups))
    session._channel.send(wanted)
    until = time.monotonic() + 5
    while not server.processes("987.3") and time.monotonic() < until:
        time.sleep(0.02)
    session.close()
    assert server.processes("987.3")
    time.sleep(2)
    assert server.processes("987.3") == []
    assert names(root, folder) == []


@pytest.mark.fault("F04")
def test_a_command_ends_by_itself_when_our_process_on_the_host_is_killed(sshd: Sshd) -> None:
    session = sshd.connect()
    with pytest.raises(
        HostError, match=r"the connection broke: .*; what came of 'sh -c .* and of 1 more .* is unknown"
    ):
        ask(session, Run(argv=("sh", "-c", "kill -9 $PPID; exec sleep 987.4"), timeout=0.1), Run(argv=("true",)))
    session.close()
    until = time.monotonic() + 5
    while not sshd.processes("987.4") and time.monotonic() < until:
        time.sleep(0.02)
    assert sshd.processes("987.4")
    time.sleep(5.5)
    assert sshd.processes("987.4") == []


def test_a_killed_process_of_a_parallel_group_is_an_unknown_outcome(server: Sshd) -> None:
    session = server.connect()
    groups = [
        Group(requests=(Run(argv=("sh", "-c", "kill -9 $PPID")),), parallel=True),
        Group(requests=(Run(argv=("true",)),), parallel=True),
    ]
    with pytest.raises(HostError, match=r"a process of ours on the host was killed .*; what came of 'sh -c"):
        session.exchange(groups)
    session.close()


def test_an_sshd_that_dies_in_the_middle_is_an_unknown_outcome(server: Sshd) -> None:
    session = server.connect()
    with pytest.raises(HostError, match=r"compute1: the connection broke: .*; what came of 'sh -c .*' is unknown"):
        # the parent of our process is the sshd of this session
        ran(session, "sh", "-c", "kill -9 $(ps -o ppid= -p $PPID); sleep 0.2")
    session.close()


@pytest.mark.fault("F04")
def test_a_line_that_is_down_already_is_closed_without_an_error(server: Sshd) -> None:
    for _ in range(5):
        session = server.connect()
        # what we send fails from now on, and the transport does not know it yet
        hang_up(session._channel, socket.SHUT_WR)
        session.close()


@pytest.mark.fault("F17")
def test_a_line_without_a_sign_of_life_is_given_up(server: Sshd) -> None:
    session = server.connect(keepalive=1)
    channel = session._channel
    begun = time.monotonic()
    (pid,) = sshd_of(server, channel)
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(HostError, match="no sign of life for 3 s; what came of 'sleep 60' is unknown"):
            ran(session, "sleep", "60", timeout=60)
    finally:
        os.kill(pid, signal.SIGKILL)
        session.close()
    assert time.monotonic() - begun < 6


def test_a_quiet_command_on_a_good_line_is_waited_for(server: Sshd) -> None:
    session = server.connect(keepalive=1)
    assert ran(session, "sleep", "2.5").status == 0
    session.close()


def test_only_the_picked_part_of_an_answer_leaves_the_host(root: Session) -> None:
    document = b'{"auth_dump": [{"entity": "client.a", "key": "A"}, {"entity": "client.b", "key": "B"}]}'
    pick = Pick(path=("auth_dump",), key="entity", values=("client.b",))
    good, bad = root.exchange(
        [
            Group(requests=(Run(argv=("cat",), stdin=document, pick=pick),)),
            Group(requests=(Run(argv=("cat",), stdin=b"key = SECRET", pick=pick),)),
        ]
    )
    assert isinstance(good[0], Ran)
    assert b"client.a" not in good[0].out
    assert b'"B"' in good[0].out
    assert isinstance(bad[0], Ran)
    assert bad[0].status == 1
    assert b"SECRET" not in bad[0].out + bad[0].err


def test_a_new_file_has_its_content_owner_and_mode(root: Session, folder: str) -> None:
    assert wrote(root, f"{folder}/new/file", b"text", expect="").status == 0
    found = seen(root, f"{folder}/new/file")
    assert (found.content, found.owner, found.group, found.mode) == (b"text", "alice", "alice", 0o640)
    assert names(root, f"{folder}/new") == ["file"]


def test_a_file_is_never_wider_than_it_is_to_be(root: Session, folder: str) -> None:
    # it stood open to all; a poller looks at every name in the folder while it is closed
    path = f"{folder}/key"
    ran(root, "sh", "-c", f"echo old > {path}; chmod 0644 {path}")
    poller = (
        "import os,sys,time\nend=time.time()+1.5\nwider=set()\n"
        "while time.time()<end:\n for n in os.listdir(sys.argv[1]):\n"
        "  if n=='key': continue\n"
        "  try: s=os.stat(os.path.join(sys.argv[1],n))\n  except OSError: continue\n"
        "  if s.st_mode&0o177: wider.add(oct(s.st_mode))\nprint(sorted(wider))"
    )
    content = b"k" * 200000
    write = Write(path=path, content=content, mode=0o600, owner="alice", group="alice")
    answers = root.exchange(
        [
            Group(requests=(Run(argv=("python3", "-I", "-S", "-c", poller, folder)),), parallel=True),
            Group(requests=(write,) * 200, parallel=True),
        ]
    )
    assert isinstance(answers[0][0], Ran)
    assert answers[0][0].text == "[]\n"


@pytest.mark.fault("F15")
def test_a_file_that_is_not_what_was_expected_is_left_alone(root: Session, folder: str) -> None:
    path = f"{folder}/file"
    wrote(root, path, b"old")
    assert wrote(root, path, b"new", expect="0" * 64).status == 75
    assert wrote(root, path, b"new", expect="").status == 75
    assert seen(root, path).content == b"old"
    assert names(root, folder) == ["file"]
    assert wrote(root, path, b"new", expect=seen(root, path).digest).status == 0


@pytest.mark.fault("F11")
def test_a_link_stays_a_link_and_what_it_leads_to_is_written(root: Session, folder: str) -> None:
    ran(root, "sh", "-c", f"cd {folder}; mkdir real; echo old > real/file; ln -s real/file one; ln -s one two")
    assert wrote(root, f"{folder}/two", b"new").status == 0
    assert ran(root, "readlink", f"{folder}/two").text == "one\n"
    assert seen(root, f"{folder}/real/file").content == b"new"
    assert seen(root, f"{folder}/two").target == f"{folder}/real/file"


@pytest.mark.fault("F12")
@pytest.mark.parametrize("request_of", ["write", "directory"])
def test_a_link_that_leads_nowhere_or_is_not_roots_is_refused_with_the_chain(
    root: Session, folder: str, request_of: str
) -> None:
    def attempt(name: str) -> Ran:
        if request_of == "write":
            return wrote(root, f"{folder}/{name}", b"x")
        answer = ask(root, MakeDirectory(path=f"{folder}/{name}", mode=0o755, owner="alice", group="alice"))[0]
        assert isinstance(answer, Ran)
        return answer

    ran(root, "sh", "-c", f"cd {folder}; ln -s b a; ln -s gone/c b; ln -s a loop; ln -sfn loop a2; ln -s self self")
    answer = attempt("a")
    assert answer.status == 1
    assert f"{folder}/a is a link that leads nowhere ({folder}/a -> {folder}/b -> {folder}/gone/c)" in answer.reason
    assert attempt("self").status == 1
    ran(root, "sh", "-c", f"cd {folder}; ln -s /etc/shadow planted; chown -h alice planted")
    answer = attempt("planted")
    assert answer.status == 1
    assert "is a link of user" in answer.reason
    assert "-> /etc/shadow" in answer.reason
    assert seen(root, "/etc/shadow").owner == "root"


@pytest.mark.fault("F13")
def test_an_acl_and_attributes_are_kept_and_open_nothing_more(root: Session, folder: str) -> None:
    path = f"{folder}/file"
    set_them = (
        "import os,struct,sys\nopen(sys.argv[1],'w').close()\n"
        "e=[(1,6,-1),(2,4,61002),(4,4,-1),(16,6,-1),(32,4,-1)]\n"
        "acl=struct.pack('<I',2)+b''.join(struct.pack('<HHi',*x) for x in e)\n"
        "os.setxattr(sys.argv[1],'system.posix_acl_access',acl)\n"
        "os.setxattr(sys.argv[1],'trusted.note',b'ours')"
    )
    made = ran(root, "python3", "-c", set_them, path)
    if made.status:
        pytest.skip(f"no ACLs or attributes here: {made.reason}")
    assert wrote(root, path, b"new", mode=0o640).status == 0
    show = (
        "import os,struct,sys\nv=os.getxattr(sys.argv[1],'system.posix_acl_access')\n"
        "print([struct.unpack('<HHi',v[i:i+8]) for i in range(4,len(v),8)], os.getxattr(sys.argv[1],'trusted.note'))"
    )
    # the named user stays, and the mask is what the mode gives the group
    expected = "[(1, 6, -1), (2, 4, 61002), (4, 4, -1), (16, 4, -1), (32, 0, -1)] b'ours'\n"
    assert ran(root, "python3", "-c", show, path).text == expected
    assert seen(root, path).mode == 0o640


@pytest.mark.fault("F07")
def test_a_full_disk_leaves_the_old_file_and_says_how_much_is_free(root: Session, folder: str) -> None:
    wrote(root, f"{folder}/file", b"old")
    answer = wrote(root, f"{folder}/file", b"x" * 2_000_000)
    assert answer.status == 1
    assert f"{folder}/file is as it was: no space left in {folder} (" in answer.reason
    assert "bytes" in answer.reason
    assert seen(root, f"{folder}/file").content == b"old"
    assert names(root, folder) == ["file"]


@pytest.mark.fault("F08")
def test_a_read_only_file_system_is_named_with_how_to_look(root: Session, folder: str) -> None:
    wrote(root, f"{folder}/file", b"old")
    ran(root, "mount", "-o", "remount,ro", folder)
    answer = wrote(root, f"{folder}/file", b"new")
    assert answer.reason == (
        f"{folder}/file is as it was: its file system is mounted read-only; look at `findmnt -T {folder}`, "
        "and mount it to be written"
    )
    assert seen(root, f"{folder}/file").content == b"old"


@pytest.mark.fault("F09")
@pytest.mark.parametrize("fixed", ["file", "."])
def test_an_immutable_file_or_folder_is_named_with_what_takes_it_away(root: Session, fixed: str) -> None:
    # tmpfs of older kernels has no such attribute: beside the overlay's upper layer, on the machine's own /tmp
    folder = ran(root, "mktemp", "-d").text.strip()
    try:
        wrote(root, f"{folder}/file", b"old")
        if ran(root, "chattr", "+i", f"{folder}/{fixed}").status:
            pytest.skip("this file system has no immutable files")
        answer = wrote(root, f"{folder}/file", b"new")
        assert f"{folder}/file is as it was" in answer.reason
        assert f"lsattr -d {folder}/file {folder}" in answer.reason
        assert seen(root, f"{folder}/file").content == b"old"
        assert names(root, folder) == ["file"]
    finally:
        ran(root, "chattr", "-i", folder, f"{folder}/file")
        ran(root, "rm", "-r", folder)


@pytest.mark.fault("F10")
def test_a_file_that_is_a_mount_of_its_own_is_named(root: Session, folder: str) -> None:
    ran(root, "sh", "-c", f"cd {folder}; echo old > file; echo inner > other; mount --bind other file")
    answer = wrote(root, f"{folder}/file", b"new")
    assert f"{folder}/file is as it was: it is a mount of its own" in answer.reason
    assert seen(root, f"{folder}/file").content == b"inner\n"
    assert sorted(names(root, folder)) == ["file", "other"]


@pytest.mark.fault("F03")
def test_what_a_killed_run_left_is_removed_and_what_a_live_one_holds_stays(root: Session, folder: str) -> None:
    ran(root, "sh", "-c", f"cd {folder}; echo k > .file.99999.cephdeploy; echo k > .other.1.cephdeploy")
    hold = "import os,sys,time\nf=os.open(sys.argv[1],os.O_RDWR|os.O_CREAT)\nos.lockf(f,os.F_LOCK,0)\ntime.sleep(1)"
    write = Write(path=f"{folder}/file", content=b"new", mode=0o600, owner="0", group="0")
    held = f"{folder}/.file.77777.cephdeploy"
    root.exchange(
        [
            Group(requests=(Run(argv=("python3", "-c", hold, held)),), parallel=True),
            Group(requests=(Run(argv=("sleep", "0.4")), write), parallel=True),
        ]
    )
    assert sorted(names(root, folder)) == [".file.77777.cephdeploy", ".other.1.cephdeploy", "file"]


def test_groups_side_by_side_keep_what_they_replace_in_one_folder(root: Session, folder: str) -> None:
    # the first of a run on a host: each of them finds that the run's folder is still to be made
    for turn in range(10):
        run = f"20260101-000000-{turn}"
        writes = [
            Write(path=f"{folder}/{number}", content=b"new", mode=0o600, owner="0", group="0", run=run)
            for number in range(8)
        ]
        answers = root.exchange([Group(requests=(write,), parallel=True) for write in writes])
        assert [answer.reason for (answer,) in answers if isinstance(answer, Ran) and answer.status] == []
        assert len(names(root, f"/var/lib/cephdeploy/kept/{run}")) == 8
    ran(root, "rm", "-r", "/var/lib/cephdeploy/kept")


def test_an_owner_that_is_not_here_is_named(root: Session, folder: str) -> None:
    answer = ask(root, Write(path=f"{folder}/f", content=b"", mode=0o600, owner="cinder", group="cinder"))[0]
    assert isinstance(answer, Ran)
    assert answer.reason == "there is no user 'cinder' here; install the package that makes it"
    assert names(root, folder) == []


def test_a_directory_gets_its_owner_and_mode_and_what_leads_to_it_is_roots(root: Session, folder: str) -> None:
    request = MakeDirectory(path=f"{folder}/a/b", mode=0o2750, owner="alice", group="alice")
    for _ in range(2):
        answer = ask(root, request)[0]
        assert isinstance(answer, Ran)
        assert answer.status == 0
    assert (seen(root, f"{folder}/a/b").mode, seen(root, f"{folder}/a/b").owner) == (0o2750, "alice")
    assert (seen(root, f"{folder}/a").mode, seen(root, f"{folder}/a").owner) == (0o755, "root")
    wrote(root, f"{folder}/file", b"")
    answer = ask(root, MakeDirectory(path=f"{folder}/file", mode=0o755, owner="root", group="root"))[0]
    assert isinstance(answer, Ran)
    assert "is not a directory; move it away" in answer.reason


def test_a_fifo_a_device_and_a_folder_are_looked_at_without_waiting(root: Session, folder: str) -> None:
    ran(root, "mkfifo", f"{folder}/fifo")
    begun = time.monotonic()
    kinds = [seen(root, path).type for path in (f"{folder}/fifo", "/dev/zero", folder, f"{folder}/nothing")]
    assert kinds == ["other", "other", "directory", "absent"]
    answer = wrote(root, f"{folder}/fifo", b"x")
    assert "is not a file; move it away" in answer.reason
    assert time.monotonic() - begun < 2


def test_a_path_in_any_letters_is_found(root: Session, folder: str) -> None:
    path = f"{folder}/tệp cấu hình"
    assert wrote(root, path, b"x").status == 0
    assert seen(root, path).content == b"x"


def _frames(session: Session, groups: list[Group]) -> list[bytes]:
    """What an exchange sends, without waiting for the answer."""
    said: list[bytes] = []

    class Stop(Exception):
        pass

    class Ear:
        timeout = 1.0

        def send(self, data: bytes) -> None:
            said.append(data)
            raise Stop

    channel, session._channel = session._channel, Ear()  # type: ignore[assignment]
    try:
        session.exchange(groups)
    except Stop:
        pass
    finally:
        session._channel = channel
    return said


def sshd_of(server: Sshd, channel: object) -> list[int]:
    """The sshd that serves a channel's connection: by the socket at its end."""
    port = local_port(channel)
    theirs = {
        words[9]
        for words in (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
        if int(words[2].split(":")[1], 16) == port and int(words[1].split(":")[1], 16) == server.port
    }
    found = []
    for handle in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if handle.readlink().name in {f"socket:[{inode}]" for inode in theirs}:
                found.append(int(handle.parts[2]))
    return found[:1]
