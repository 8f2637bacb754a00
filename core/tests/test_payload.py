"""The host's side by itself, in a python3 of its own: commands, limits, and what it leaves behind."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cephdeploy.program import source


def runs(python: str) -> bool:
    return bool(shutil.which(python)) and subprocess.run([python, "-V"], capture_output=True).returncode == 0


#: Interpreters to try: our own, the machine's, and the oldest that is promised where it stands.
PYTHONS = [python for python in (sys.executable, "/usr/bin/python3", "python3.6") if runs(python)]


#: What python3 runs before anything of a test: the program, loaded as a host loads it.
LOADED = f"SENT = {source()!r}\nexec(SENT[0])\n"


def on_host(code: str, *arguments: str, python: str = sys.executable) -> object:
    """What ``code`` leaves in ``answer``, run after the payload's text as a host would."""
    code = f"import json\n{code}\nprint(json.dumps(answer))"
    text = f"{LOADED}exec({code!r}, LAZY)\n"
    ended = subprocess.run(
        [python, "-I", "-S", "-c", text, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


@pytest.mark.parametrize("python", PYTHONS)
def test_a_thousand_commands_leave_no_descriptor_and_no_zombie(python: str) -> None:
    code = """
before = os.listdir("/proc/self/fd")
for number in range(1000):
    assert run(["true"], b"x" * (number % 2), asks=number % 4 > 1) == (0, b"", b"")
for _ in range(3):
    run(["sleep", "9"], timeout=0.01)
    run(["sleep", "9"], timeout=0.01, asks=True)
    run(["sh", "-c", "exec >&- 2>&-; sleep 0.05"], b"x" * 100000)
    run(["no such program"])
    run(["sh", "-c", "exec 0<&-; sleep 0.01"], b"x" * 1000000)
try:
    os.waitpid(-1, os.WNOHANG)
    children = True
except ChildProcessError:
    children = False
answer = [len(os.listdir("/proc/self/fd")) - len(before), children]
"""
    assert on_host(code, python=python) == [0, False]


def test_a_command_costs_a_few_milliseconds() -> None:
    code = "begun = time.monotonic()\nfor _ in range(50): run(['true'])\nanswer = (time.monotonic() - begun) / 50"
    taken = on_host(code)
    assert isinstance(taken, float)
    assert taken < 0.03


def test_output_is_cut_to_its_tail() -> None:
    code = """
status, out, err = run(["sh", "-c", "head -c 5000000 /dev/zero; echo end"], limit=1000)
answer = [status, len(out), out[-4:].decode()]
"""
    assert on_host(code) == [0, 1000, "end\n"]


def test_what_is_sent_arrives_also_when_it_is_larger_than_a_pipe() -> None:
    code = "answer = [run(['wc', '-c'], b'x' * size)[1].decode().strip() for size in (1, 65536, 65537, 5000000)]"
    assert on_host(code) == ["1", "65536", "65537", "5000000"]


def test_a_program_that_reads_nothing_of_much_ends_as_it_would() -> None:
    assert on_host("answer = run(['sh', '-c', 'exit 3'], b'x' * 5000000)[0]") == 3


def test_a_program_that_closes_its_output_and_goes_on_is_waited_for_until_its_deadline() -> None:
    code = """
answer = []
for timeout in (10, 0.3):
    begun = time.monotonic()
    answer.append(run(["sh", "-c", "exec >&- 2>&-; sleep 0.6; exit 5"], timeout=timeout)[0])
    answer.append(round(time.monotonic() - begun, 1))
"""
    answer = on_host(code)
    assert isinstance(answer, list)
    assert answer[::2] == [5, 124]
    assert 0.5 < answer[1] < 1.5
    assert answer[3] < 1


def test_a_daemon_that_holds_the_output_open_does_not_hold_us_up() -> None:
    code = """
begun = time.monotonic()
status, out, _ = run(["sh", "-c", "setsid sleep 5 & echo started"])
answer = [status, out.decode(), time.monotonic() - begun < 3]
"""
    assert on_host(code) == [0, "started\n", True]


def test_a_command_that_changes_something_ends_at_its_deadline_also_when_we_are_killed(tmp_path: Path) -> None:
    code = f"""
GRACE = 0.0
ours = os.fork()
if not ours:
    run(["sh", "-c", "echo $$ > {tmp_path}/new; mv {tmp_path}/new {tmp_path}/pid; exec sleep 60"], timeout=2.9)
while not os.path.exists("{tmp_path}/pid"):
    time.sleep(0.01)
os.kill(ours, _signal.SIGKILL)
os.waitpid(ours, 0)
theirs = open("{tmp_path}/pid").read().strip()
answer = [state_of(theirs) in ("S", "R", "D")]
until = time.monotonic() + 10
while state_of(theirs) not in ("", "Z") and time.monotonic() < until:
    time.sleep(0.05)
answer += [state_of(theirs) in ("", "Z")]
"""
    state = """
def state_of(pid):
    try:
        with open("/proc/%s/stat" % pid) as file:
            return file.read().rpartition(")")[2].split()[0]
    except OSError:
        return ""
"""
    assert on_host(state + code) == [True, True]


@pytest.mark.parametrize("asks", [False, True])
def test_a_command_has_plain_signals_a_closed_umask_and_no_other_descriptor(asks: bool) -> None:
    code = f"""
settle()
script = "umask; ls /proc/self/fd | wc -l; grep SigIgn /proc/self/status; pwd; echo $LC_ALL"
answer = run(["sh", "-c", script], asks={asks})[1].decode().split()
"""
    answer = on_host(code)
    assert isinstance(answer, list)
    # ls has the folder itself open, too
    assert (answer[0], answer[1], answer[4], answer[5]) == ("0077", "4", "/", "C.UTF-8")
    assert int(answer[3], 16) & (1 << 12) == 0  # SIGPIPE


@pytest.mark.parametrize(
    ("argv", "status", "why"),
    [
        (["no-such-program"], 127, "no program 'no-such-program' here"),
        (["/etc/passwd"], 127, "no program"),
        (["/etc"], 127, "no program"),
    ],
)
def test_a_program_that_can_not_be_run_is_named(argv: list[str], status: int, why: str) -> None:
    answer = on_host(f"s, _, e = run({argv!r})\nanswer = [s, e.decode()]")
    assert isinstance(answer, list)
    assert answer[0] == status
    assert why in answer[1]


def test_a_text_that_is_no_program_says_so(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("echo\n")
    script.chmod(0o755)
    answer = on_host(f"s, _, e = run([{str(script)!r}])\nanswer = [s, e.decode()]")
    assert answer == [126, f"{script}: Exec format error"]


def test_it_imports_cheap_modules_only() -> None:
    code = "answer = sorted(set(sys.modules) & {'signal', 'enum', 'subprocess', 'hashlib', 're', 'typing', 'pathlib'})"
    code = f"run(['true'])\n{code}\nprint(answer)"
    ended = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"{LOADED}exec({code!r}, LAZY)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout == "[]\n"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["p", "--config-file", "/a", "--config-file=/b"], ["/a", "/b"]),
        (["p", "--config-file", "b", "--config-dir=d"], ["/work/b", "/work/d/1.conf"]),
        (["p", "--config-file"], []),
        (["p", "--config-file=~/c"], ["/root/c"]),
    ],
)
def test_the_arguments_of_a_program_name_its_files(words: list[str], expected: list[str]) -> None:
    code = f"""
directory_files = lambda path: [path + "/1.conf"] if path == "/work/d" else []
answer = reading_order({words!r}, "nova", ["nova"], "/root", "/work")
"""
    files = on_host(code)
    assert isinstance(files, list)
    assert [name for name in files if not name.startswith("/usr/share")] == expected


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--config-file", "one.conf"],
        ["--config-file=one.conf", "--config-file", "two.conf"],
        ["--config-dir", "parts"],
        ["--config-dir=parts", "--config-file=two.conf"],
        ["--verbose", "--config-file=one.conf", "--config-dir", "parts"],
    ],
)
def test_the_order_is_the_one_in_which_oslo_config_reads(tmp_path: Path, words: list[str]) -> None:
    home = tmp_path / "home"
    for name in ("home/thing.conf", "home/thing-api.conf", "home/thing.conf.d/b.conf", "home/thing.conf.d/a.conf"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("[DEFAULT]\n")
    for name in (
        "home/thing-api.conf.d/c.conf",
        "one.conf",
        "two.conf",
        "parts/2.conf",
        "parts/1.conf",
        "parts/.x.conf",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("[DEFAULT]\n")
    oslo = f"""
import json, os, sys
from oslo_config import cfg
read = []
parse = cfg.ConfigParser._parse_file
def noted(cls, path, space):
    read.append(os.path.abspath(path))
    parse(path, space)
cfg.ConfigParser._parse_file = classmethod(noted)
conf = cfg.ConfigOpts()
conf.register_cli_opt(cfg.BoolOpt("verbose"))
conf({words!r}, project="thing", prog="thing-api")
print(json.dumps(read))
"""
    ended = subprocess.run(
        [sys.executable, "-c", oslo],
        cwd=tmp_path,
        env={"HOME": str(home), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    ours = on_host(
        f"answer = reading_order(['p', *{words!r}], 'thing', ['thing-api'], {str(home)!r}, {str(tmp_path)!r})"
    )
    assert isinstance(ours, list)
    assert [name for name in ours if Path(name).exists()] == json.loads(ended.stdout)


@pytest.mark.parametrize(
    ("now", "wrong"),
    [
        ({"ActiveState": "active", "SubState": "running", "MainPID": "7", "NRestarts": "0"}, ""),
        ({"ActiveState": "active", "SubState": "running", "MainPID": "7"}, ""),
        ({"ActiveState": "reloading", "SubState": "reload", "MainPID": "7", "NRestarts": "0"}, ""),
        ({"ActiveState": "active", "SubState": "running", "MainPID": "8", "NRestarts": "0"}, "started 2 times"),
        ({"ActiveState": "active", "SubState": "running", "MainPID": "7", "NRestarts": "6"}, "started 7 times"),
        ({"ActiveState": "failed", "SubState": "failed", "MainPID": "7", "Result": "exit-code"}, "exit-code"),
    ],
)
def test_a_unit_is_judged_by_its_process_and_its_starts_and_not_by_active(now: dict[str, str], wrong: str) -> None:
    said = on_host(f"answer = ill({now!r}, {{'MainPID': '7'}})")
    assert isinstance(said, str)
    assert wrong in said
    assert bool(said) == bool(wrong)


def test_what_a_unit_did_before_its_restart_does_not_count() -> None:
    now = {"ActiveState": "active", "SubState": "running", "MainPID": "7", "NRestarts": "6"}
    assert on_host(f"answer = ill({now!r}, {now!r})") == ""


@pytest.mark.parametrize(("changes", "again"), [(0, []), (1, []), (2, ["systemctl"]), (4, ["systemctl"])])
def test_what_systemd_said_holds_until_something_runs_that_may_change_it(changes: int, again: list[str]) -> None:
    code = f"""
asked = []
def run(argv, stdin=b"", timeout=60.0, user="", limit=0, asks=False):
    asked.append(argv[0])
    return 0, b"ActiveState=active\\n", b""
unit = [b"0.0", b"unit", b"", b"x.service"]
command = [b"0.1", b"run", b"", b"60", b"", b"text", b"", b"", b"", b"", b"", b"virsh", b"", b"", b"", b""]
requests = [(one[0], one[1], one[2], one[3:]) for one in (unit, command, unit, unit)]
line_is_gone = lambda: False
carry_out({changes}, requests, lambda said: None)
answer = asked
"""
    assert on_host(code) == ["systemctl", "virsh", *again]


def test_a_unit_that_was_begun_too_often_of_late_is_forgiven_and_begun_once_more() -> None:
    code = """
asked = []
def run(argv, stdin=b"", timeout=60.0, user="", limit=0, asks=False):
    asked.append(argv[1])
    if argv[1] == "restart" and asked.count("reset-failed") == 0:
        return 1, b"", b"Start request repeated too quickly."
    said = b"ActiveState=active\\nMainPID=7\\nResult=%b\\n"
    return 0, said % (b"success" if "reset-failed" in asked else b"start-limit-hit"), b""
answer = [do_restart([b'x.service', b"0", b"9", b"restart"])[0], asked]
"""
    assert on_host(code) == [0, ["restart", "show", "reset-failed", "restart", "show"]]


@pytest.mark.parametrize(
    ("output", "until", "status", "kept"),
    [
        (b"", b"", 1, b""),
        (b"key\n:and:\nrest", b":and:", 1, b"<key>:and:\nrest"),
        (b":and:\nrest", b":and:", 0, b":and:\nrest"),
        (b"key\nrest", b":and:", 0, b"<key\nrest>"),
        (b"key\n", b"", 0, b"<key>"),
    ],
)
def test_what_stands_before_a_mark_comes_back_as_its_digest(
    output: bytes, until: bytes, status: int, kept: bytes
) -> None:
    code = f"""
def run(argv, stdin=b"", timeout=60.0, user="", limit=0, asks=False):
    return {status}, {output!r}, b""
sha256 = lambda data: "<%s>" % data.decode()
fields = [b"60", b"", b"digest", {until!r}, b"", b"", b"", b"", b"x", b"", b"", b"", b""]
answer = do_run(fields)[1][0].decode()
"""
    assert on_host(code) == kept.decode()


RECORD = """\
Package: librbd1
Status: install ok installed
Architecture: amd64
Version: 16.2.15+ds-0+deb12u1
Description: a library
 Package: nova-common

Package: librbd1
Status: deinstall ok config-files
Architecture: i386
Version: 14.2

Package: nova-common
Status: purge ok not-installed

Package: glance-common
Status: hold ok installed
Version: 2:25.1.0-2
"""


def test_dpkgs_record_tells_what_is_installed_and_nothing_else(tmp_path: Path) -> None:
    record = tmp_path / "status"
    record.write_text(RECORD)
    names = b"librbd1\0nova-common\0glance-common\0cinder-common"
    said = on_host(f"answer = do_dpkg([{str(record).encode()!r}, {names!r}])[1][0].decode()")
    assert said == "librbd1 16.2.15+ds-0+deb12u1\nglance-common 2:25.1.0-2\n"


def test_systemd_is_asked_for_a_main_process_again_once_that_has_ended() -> None:
    code = """
asked = []
def shown(unit, names=""):
    asked.append(unit)
    return {"MainPID": str(children[-1])}
def child():
    pid = os.fork()
    if not pid:
        time.sleep(60)
    return pid
children = [child()]
answer = [main_process("a") == str(children[0])]
FOUND.clear()
answer += [main_process("a") == str(children[0]), len(asked)]
os.kill(children[0], _signal.SIGKILL)
os.waitpid(children[0], 0)
children.append(child())
FOUND.clear()
answer += [main_process("a") == str(children[1]), len(asked)]
os.kill(children[1], _signal.SIGKILL)
"""
    assert on_host(code) == [True, True, 1, True, 2]


def keeping(folder: Path, code: str, python: str = sys.executable) -> object:
    """:func:`on_host` with a folder of its own for what is kept, where every name is ours."""
    begin = f"""
KEPT = {str(folder / "kept")!r}
path = {str(folder / "file")!r}.encode()
owner_id = lambda name: os.getuid()
group_id = lambda name: os.getgid()
def written(content, run):
    return put([path, b"420", b"root", b"root", b"*", content, run])[0]
def done(name, *fields):
    said = []
    carry_out(1, [(b"0.0", name, b"", list(fields))], said.append)
    return int(said[0][1].partition(b":")[0]), [text(part) for part in said[0][2:]]
line_is_gone = lambda: False
"""
    return on_host(begin + code, python=python)


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize(
    ("owner", "group"),
    [("root", "root"), ("root", "domain users"), ("EXAMPLE\\ann lee", "dom\udcc3\udca4nen-benutzer"), ("1001", "-")],
)
def test_what_was_kept_comes_back_whatever_its_owner_is_called(
    tmp_path: Path, owner: str, group: str, python: str
) -> None:
    (tmp_path / "file").write_text("old:\nlines\n")
    (tmp_path / "file").chmod(0o640)
    code = f"""
owner_names = lambda stat: ({owner!r}, {group!r})
asked = []
owner_id = lambda name: asked.append(name) or os.getuid()
group_id = lambda name: asked.append(name) or os.getgid()
answer = [written(b"new", b"run")]
kept_so = done(b"kept", b"run", path, b"1")[1]
asked.clear()
FOUND.clear()
answer += [kept_so[0], int(kept_so[1]), kept_so[2:4], kept_so[5]]
answer += [done(b"restore", path, b"run", b"*", b"")[0], asked, read_file(text(path)).decode()]
"""
    old = "old:\nlines\n"
    names = [os.fsdecode(os.fsencode(name)) for name in (owner, group)]  # python3.6 has them so where LC_ALL is C
    assert keeping(tmp_path, code, python) == [0, "file", 0o640, names, f"={old}", 0, names, old]


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("0640 root ceph 12ab", ["file", 0o640, "root", "ceph", "12ab"]),
        ("0600 root root ", ["file", 0o600, "root", "root", ""]),
        ("0644 root domain users 12ab", ["file", 0o644, "root", "domain users", "12ab"]),
        ("absent - - 12ab", ["absent", 0, "-", "-", "12ab"]),
        ("absent:::12ab", ["absent", 0, "", "", "12ab"]),
        ("0640:root:ceph:12ab", ["file", 0o640, "root", "ceph", "12ab"]),
    ],
)
def test_what_an_earlier_version_kept_is_read_too(tmp_path: Path, header: str, said: list[object]) -> None:
    (tmp_path / "kept" / "run").mkdir(parents=True)
    (tmp_path / "kept" / "run" / "name").write_text(f"{header}\na b:c\n")
    code = """
said = done(b"kept", b"run", b"name", b"0")[1]
answer = [said[0], int(said[1]), said[2], said[3], said[7]]
"""
    assert keeping(tmp_path, code) == said


def test_nothing_kept_is_2_and_every_other_failure_1(tmp_path: Path) -> None:
    (tmp_path / "kept" / "bad" / str(tmp_path / "file").replace("/", "%2F")).mkdir(parents=True)
    code = """
command = [b"9", b"", b"text", b"", b"", b"", b"", b"", b"cat", b"", b""]
answer = [
    done(b"kept", b"run", path, b"0"),
    done(b"restore", path, b"run", b"*", b""),
    done(b"run", *command, b"run", path),
    done(b"kept", b"bad", path, b"0")[0],
    done(b"restore", path, b"bad", b"*", b"")[0],
]
"""
    why = f"run run kept nothing of {tmp_path}/file here, or it was let go after 90 days"
    assert keeping(tmp_path, code) == [[2, ["", why]], [2, ["", why]], [1, ["", why]], 1, 1]
    assert not (tmp_path / "file").exists()


@pytest.mark.fault("F11")
@pytest.mark.skipif(os.geteuid() != 0, reason="the payload follows no link but root's")
def test_what_a_link_leads_to_is_neither_removed_nor_the_link_left_leading_nowhere(tmp_path: Path) -> None:
    code = f"""
answer = [written(b"new", b"run")]
os.rename(path, path + b".real")
os.symlink(path + b".real", path)
for said in (done(b"remove", path, b"*", b"next"), done(b"restore", path, b"run", b"*", b"next")):
    answer += [said, read_file(text(path)).decode(), os.path.islink(path), os.listdir(KEPT)]
os.unlink(path)
answer += [done(b"restore", path, b"run", b"*", b"next")[0], sorted(os.listdir({str(tmp_path)!r}))]
"""
    why = (
        f"{tmp_path}/file is a link to {tmp_path}/file.real, which others may need; remove both by hand, or the link "
        "alone"
    )
    refused = [[1, ["", why]], "new", True, ["run"]]
    assert keeping(tmp_path, code) == [0, *refused, *refused, 0, ["file.real", "kept"]]


@pytest.mark.fault("F07")
@pytest.mark.parametrize("fails", ["write_all", "os.fsync", "os.makedirs"])
def test_what_can_not_be_kept_is_not_touched_and_the_full_disk_is_named(tmp_path: Path, fails: str) -> None:
    (tmp_path / "file").write_text("old\n")
    code = f"""
def full(*arguments, really={fails}, **more):
    place = arguments[0] if isinstance(arguments[0], str) else os.readlink("/proc/self/fd/%d" % arguments[0])
    if "/kept" in place:
        raise OSError(28, "No space left on device")
    return really(*arguments, **more)
{fails} = full
answer = []
write = [b"write", path, b"420", b"root", b"root", b"*", b"=new", b"run"]
for fields in (write, [b"remove", path, b"*", b"run"]):
    status, said = done(*fields)
    answer += [status, said[1], read_file(text(path)).decode()]
"""
    answer = keeping(tmp_path, code)
    assert isinstance(answer, list)
    assert (answer[0], answer[2], answer[3], answer[5]) == (1, "old\n", 1, "old\n")
    place = tmp_path if fails == "os.makedirs" else tmp_path / "kept" / "run"
    for why in (answer[1], answer[4]):
        assert why.startswith(f"{tmp_path}/file is as it was: no space left in {place} (")
        assert why.endswith("; make room")
    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert left == ["file"]


def test_a_lock_that_another_holds_is_75_and_one_that_can_not_be_had_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code = f"""
def hold(path, child=False):
    global LOCK
    LOCK = {str(tmp_path)!r} + path
    end, inner = os.pipe()
    pid = os.fork()
    if not pid:
        os.write(inner, json.dumps(done(b"hold", b"ann")).encode())
        time.sleep(9 if child else 0)
        os._exit(0)
    said = json.loads(os.read(end, 9999).decode())
    if not child:
        os.waitpid(pid, 0)
    return said, pid
first, theirs = hold("/run/lock", True)
answer = [first, hold("/run/lock")[0], hold("/file/lock")[0]]
os.kill(theirs, _signal.SIGKILL)
os.waitpid(theirs, 0)
answer += [hold("/run/lock")[0]]
def write(*arguments):
    raise OSError(28, "No space left on device")
LOCK, os.write = {str(tmp_path / "run" / "lock")!r}, write
answer += [done(b"hold", b"ann")]
"""
    answer = keeping(tmp_path, code)
    assert isinstance(answer, list)
    held, refused, broken, again, full = answer
    assert (held, again) == ([0, ["", ""]], [0, ["", ""]])
    assert refused == [75, ["", "another run holds it: ann"]]
    assert broken == [1, ["", f"{tmp_path}/file/lock is as it was: {tmp_path}/file: File exists"]]
    assert full[0] == 1
    assert full[1][1].startswith(f"{tmp_path}/run/lock is as it was: no space left in {tmp_path}/run (")


@pytest.mark.skipif(not shutil.which("dpkg-query"), reason="this machine has no dpkg to compare with")
def test_dpkgs_record_is_read_as_dpkg_reads_it() -> None:
    shape = "${db:Status-Status} ${Package} ${Version}\\n"
    words = [line.split() for line in subprocess.check_output(["dpkg-query", "-Wf", shape], text=True).splitlines()]
    known = sorted(
        {(name, version) for status, name, *version in words if status == "installed" for version in version}
    )
    names = "\0".join(sorted({name for _, name, *_ in words})).encode()
    said = on_host(f"answer = do_dpkg([b'/var/lib/dpkg/status', {names!r}])[1][0].decode()")
    assert isinstance(said, str)
    assert sorted({tuple(line.split()) for line in said.splitlines()}) == known


def test_the_start_is_thin() -> None:
    python = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable
    taken = []
    for _ in range(5):
        begun = time.monotonic()
        subprocess.run([python, "-I", "-S", "-c", LOADED], check=True)
        taken.append(time.monotonic() - begun)
    assert min(taken) < 0.1
