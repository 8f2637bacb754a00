"""What runs on a host: reads a batch of requests, carries it out, answers in frames.

Sent as text after ``wire.py`` and run by the host's own python3 (3.6 and up) as root. It imports what
costs next to nothing (os, sys, built-in modules), and json only where an answer is cut to a part.
It decides nothing: what to do is in the requests, and what it means is for the controller.
"""

# ruff: noqa: F821  (encode, FrameReader: wire.py stands before this text)
import os
import sys

KILLED, CHANGED, SKIPPED, MISSING = 124, 75, 125, 127
#: Groups of one batch that run side by side.
AT_ONCE = 8


def sha256(data):
    try:
        from _sha2 import sha256 as digest  # Python 3.12 and up; hashlib costs 15 ms more
    except ImportError:
        try:
            from _sha256 import sha256 as digest
        except ImportError:
            from hashlib import sha256 as digest
    return digest(data).hexdigest()


def account(name):
    """The entry of a user by name or number."""
    import pwd

    return pwd.getpwuid(int(name)) if name.isdigit() else pwd.getpwnam(name)


def group_id(name):
    import grp

    return int(name) if name.isdigit() else grp.getgrnam(name).gr_gid


def become(user):
    """In a child: give up root for ``user`` and its groups."""
    entry = account(user)
    os.initgroups(entry.pw_name, entry.pw_gid)
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
    return {"HOME": entry.pw_dir, "USER": entry.pw_name, "LOGNAME": entry.pw_name}


def found_program(name, path):
    """Where a program stands, or None."""
    if "/" in name:
        return name if os.access(name, os.X_OK) else None
    for folder in path.split(":"):
        candidate = os.path.join(folder, name)
        if os.access(candidate, os.X_OK) and not os.path.isdir(candidate):
            return candidate
    return None


def run(argv, stdin=b"", timeout=60.0, user="", limit=1 << 20):
    """Run a command without a shell: (status, output, errors), each cut to its last ``limit`` bytes."""
    import select
    import signal
    import time

    environment = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LC_ALL": "C.UTF-8",
        "HOME": "/root",
        "DEBIAN_FRONTEND": "noninteractive",
        "SYSTEMD_PAGER": "",
        "SYSTEMD_COLORS": "0",
    }
    # looked up here and not by execvpe: that imports modules that ``user`` may not be able to read
    program = found_program(argv[0], environment["PATH"])
    if not program:
        return MISSING, b"", ("no program '%s' here" % argv[0]).encode()
    in_r, in_w = os.pipe()
    out_r, out_w = os.pipe()
    err_r, err_w = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setsid()  # its own group, so that the deadline ends all that it started
            for new, old in ((0, in_r), (1, out_w), (2, err_w)):
                os.dup2(old, new)
            os.closerange(3, 256)
            os.umask(0o077)
            if user:
                environment.update(become(user))
            os.chdir("/")
            os.execve(program, argv, environment)
        except BaseException as error:
            os.write(2, str(error).encode())
            os._exit(126)
    for end in (in_r, out_w, err_w):
        os.close(end)
    os.set_blocking(in_w, False)
    poll = select.poll()
    poll.register(out_r, select.POLLIN)
    poll.register(err_r, select.POLLIN)
    said = {out_r: bytearray(), err_r: bytearray()}
    if stdin:
        poll.register(in_w, select.POLLOUT)
    else:
        os.close(in_w)
    deadline = time.monotonic() + timeout
    open_ends = 2
    killed = False
    while open_ends:
        left = deadline - time.monotonic()
        if left <= 0 and not killed:
            killed = True
            os.killpg(child, signal.SIGKILL)
            deadline = time.monotonic() + 5
            continue
        if left <= 0:
            break
        for end, _event in poll.poll(min(left, 5) * 1000):
            if end == in_w:
                try:
                    stdin = stdin[os.write(in_w, stdin[:65536]) :]
                except OSError:
                    stdin = b""
                if not stdin:
                    poll.unregister(in_w)
                    os.close(in_w)
                continue
            data = os.read(end, 65536)
            if data:
                said[end] += data
                if len(said[end]) > 2 * limit:
                    del said[end][:-limit]
            else:
                poll.unregister(end)
                open_ends -= 1
    os.close(out_r)
    os.close(err_r)
    # a program may close its output and go on: its end counts, within the same deadline
    while True:
        done, code = os.waitpid(child, os.WNOHANG)
        if done:
            break
        if time.monotonic() > deadline and not killed:
            killed = True
            os.killpg(child, signal.SIGKILL)
        time.sleep(0.005)
    status = os.WEXITSTATUS(code) if os.WIFEXITED(code) else 128 + os.WTERMSIG(code)
    return KILLED if killed else status, bytes(said[out_r][-limit:]), bytes(said[err_r][-limit:])


def picked(text, path, key, values):
    """The elements of a JSON list that were asked for, as JSON."""
    import json

    found = json.loads(text)
    for step in path:
        found = found[step]
    return json.dumps([item for item in found if item.get(key) in values]).encode()


def do_run(fields):
    timeout, user, keep, stdin, path, key, values, argv = fields[:8]
    status, out, err = run(
        [word.decode() for word in argv.split(b"\0")], stdin, float(timeout), user.decode()
    )
    if key and status == 0:
        steps = [step.decode() for step in path.split(b"\0") if step]
        out = picked(out, steps, key.decode(), [value.decode() for value in values.split(b"\0")])
    if keep == b"digest":
        out = sha256(out.strip()).encode() if status == 0 else b""
    elif keep == b"nothing":
        out = b""
    return status, [out, err[-8192:]]


def owner_names(stat):
    import grp
    import pwd

    try:
        owner = pwd.getpwuid(stat.st_uid).pw_name
    except KeyError:
        owner = str(stat.st_uid)
    try:
        group = grp.getgrgid(stat.st_gid).gr_name
    except KeyError:
        group = str(stat.st_gid)
    return owner, group


def read_file(path):
    with open(path, "rb") as file:
        return file.read()


def do_look(fields):
    import stat as modes

    path, content = fields[0].decode(), fields[1] == b"1"
    real = os.path.realpath(path)
    try:
        stat = os.stat(path)
    except FileNotFoundError:
        return 0, [b"absent", b"0", b"", b"", b"", b"", real.encode() if os.path.islink(path) else b""]
    sort = b"file" if modes.S_ISREG(stat.st_mode) else b"directory" if modes.S_ISDIR(stat.st_mode) else b"other"
    owner, group = owner_names(stat)
    data = read_file(path) if sort == b"file" else b""
    return 0, [
        sort,
        b"%d" % modes.S_IMODE(stat.st_mode),
        owner.encode(),
        group.encode(),
        sha256(data).encode() if sort == b"file" else b"",
        data if content else b"",
        real.encode() if os.path.islink(path) else b"",
    ]


def sync_directory(path):
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def do_write(fields):
    path, mode, owner, group, expect, content = fields
    path = os.path.realpath(path.decode())  # a link stays a link: what it leads to is written
    uid = account(owner.decode()).pw_uid
    gid = group_id(group.decode())
    present = sha256(read_file(path)) if os.path.exists(path) else ""
    if expect != b"*" and present != expect.decode():
        return CHANGED, [b"", b"the file is not what the plan saw"]
    folder = os.path.dirname(path)
    make_folders(folder)
    beside = os.path.join(folder, ".%s.cephdeploy" % os.path.basename(path))
    if os.path.lexists(beside):
        os.unlink(beside)  # left by a run that was killed
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        try:
            os.fchown(handle, uid, gid)
            os.fchmod(handle, int(mode))
            left = content
            while left:
                left = left[os.write(handle, left) :]
            os.fsync(handle)
        finally:
            os.close(handle)
        if os.path.exists(path):
            copy_attributes(path, beside)
        os.rename(beside, path)
    except BaseException:
        os.unlink(beside)
        raise
    sync_directory(folder)
    return 0, [b"", b""]


def copy_attributes(source, target):
    """What ``security.selinux`` and the like say of the old file holds for the new one."""
    try:
        for name in os.listxattr(source):
            os.setxattr(target, name, os.getxattr(source, name))
    except OSError:
        pass  # a file system without them


def make_folders(path):
    """What is missing of a path, as root's and open to read."""
    if not os.path.isdir(path):
        old = os.umask(0o022)
        try:
            os.makedirs(path, 0o755)
        finally:
            os.umask(old)


def do_directory(fields):
    path, mode, owner, group = fields
    path = path.decode()
    make_folders(path)
    os.chown(path, account(owner.decode()).pw_uid, group_id(group.decode()))
    os.chmod(path, int(mode))
    return 0, [b"", b""]


SHOWN = "LoadState,ActiveState,SubState,UnitFileState,MainPID,NRestarts,Result"


def shown(unit):
    """What systemd says of a unit, as a dictionary."""
    status, out, err = run(["systemctl", "show", "-p", SHOWN, "--", unit], timeout=30.0)
    if status:
        raise OSError(err.decode(errors="replace").strip() or "systemctl show: exit status %d" % status)
    return dict(line.split("=", 1) for line in out.decode().splitlines() if "=" in line)


def arguments(pid):
    try:
        return read_file("/proc/%s/cmdline" % pid).split(b"\0")
    except OSError:
        return []


def do_unit(fields):
    facts = shown(fields[0].decode())
    return 0, ["".join("%s=%s\n" % pair for pair in sorted(facts.items())).encode(), b""]


def do_restart(fields):
    """Restart, then watch: one main process must live for ``settle`` seconds."""
    import time

    unit, settle, timeout, verb = fields[0].decode(), float(fields[1]), float(fields[2]), fields[3].decode()
    run(["systemctl", "reset-failed", "--", unit], timeout=30.0)
    status, out, err = run(["systemctl", verb, "--", unit], timeout=timeout)
    if status:
        return status, [b"", evidence(unit, err or out)]
    first = now = shown(unit)
    until = time.monotonic() + settle
    while time.monotonic() < until:
        now = shown(unit)
        healthy = now["ActiveState"] == "active" and now["SubState"] in ("running", "exited")
        if not healthy or now["MainPID"] != first["MainPID"] or now["NRestarts"] != first["NRestarts"]:
            said = "%s did not stay up: %s (%s), started %s times" % (
                unit,
                now["ActiveState"],
                now["SubState"],
                int(now["NRestarts"] or 0) + 1,
            )
            return 1, [b"", evidence(unit, said.encode())]
        time.sleep(0.25)
    return 0, ["".join("%s=%s\n" % pair for pair in sorted(now.items())).encode(), b""]


def evidence(unit, said):
    """The unit's last words from the journal, then what was found: the last line is the finding."""
    _status, out, _err = run(["journalctl", "-u", unit, "-n", "30", "--no-pager", "-o", "cat"], timeout=20.0)
    return out[-6000:] + b"\n" + said.strip()


def default_files(project, program):
    """Where oslo.config looks without a ``--config-file``: the file, then the drop-ins over it."""
    found = []
    for base in ("/usr/share/%s/%s-dist.conf" % (project, program), "/etc/%s/%s.conf" % (project, program)):
        found.append(base)
    for name in (project, program):
        found += directory_files("/etc/%s/%s.conf.d" % (project, name))
    return found


def directory_files(path):
    try:
        return [os.path.join(path, name) for name in sorted(os.listdir(path)) if name.endswith(".conf")]
    except OSError:
        return []


def do_chain(fields):
    unit, path, project = fields[0].decode(), fields[1].decode(), fields[2].decode()
    default = [word.decode() for word in fields[3].split(b"\0") if word]
    pid = shown(unit).get("MainPID", "0")
    words = [word.decode(errors="replace") for word in arguments(pid)] if pid != "0" else []
    files = []
    for at, word in enumerate(words):
        name, equals, value = word.partition("=")
        if not equals and at + 1 < len(words):
            value = words[at + 1]
        if name == "--config-file":
            files.append(value)
        elif name == "--config-dir":
            files += directory_files(value)
    if words and not files:
        program = os.path.basename(path)[: -len(".conf")] if path.endswith(".conf") else project
        files = default_files(project, program)
    elif not words:
        files = default or [path]
    answer = []
    for name in files:
        try:
            answer += [name.encode(), read_file(name)]
        except OSError:
            continue
    return 0, answer


DOERS = {
    b"run": do_run,
    b"look": do_look,
    b"write": do_write,
    b"directory": do_directory,
    b"unit": do_unit,
    b"restart": do_restart,
    b"chain": do_chain,
}


def explained(error):
    """An operating-system error as a sentence with its path."""
    if isinstance(error, KeyError):
        return "no such user or group here: %s" % error
    if isinstance(error, OSError) and error.filename:
        return "%s: %s" % (error.filename, error.strerror)
    return str(error) or type(error).__name__


def carry_out(requests, say, failed=False):
    """The requests of one group, in order; after a failure the rest is left out. Whether all went well."""
    for key, doer, accept, fields in requests:
        if failed:
            say([key, b"%d" % SKIPPED, b"", b"left out: an earlier request failed"])
            continue
        try:
            status, answer = DOERS[doer](fields)
        except Exception as error:
            status, answer = 1, [b"", explained(error).encode()]
        failed = status != 0 and str(status).encode() not in accept.split(b",")
        say([key, b"%d" % status] + answer)
    return not failed


def serve(nonce, source, sink):
    """Batches until the controller closes its end."""
    frames = FrameReader(nonce, lambda count: source.read1(count))

    def say(fields):
        sink.write(encode(nonce, fields))

    while True:
        groups = []
        while True:
            fields = frames.frame()
            if fields is None:
                return
            if fields[0] == b"go":
                break
            if fields[0] == b"group":
                groups.append((fields[1] == b"1", fields[2] == b"1", []))
            else:
                groups[-1][2].append((fields[0], fields[1], fields[2], fields[3:]))
        children = []
        shut = False
        for parallel, gate, requests in groups:
            if shut or gate or not parallel or len(groups) == 1:
                ended_well = carry_out(requests, say, shut)
                shut = shut or (gate and not ended_well)
                continue
            if len(children) == AT_ONCE:
                collect(children.pop(0), sink)
            children.append(start_child(nonce, requests))
        for child in children:
            collect(child, sink)
        sink.flush()


def start_child(nonce, requests):
    """A group on its own beside the others; its answers come through a pipe."""
    end, inner = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(end)
            said = []
            carry_out(requests, lambda fields: said.append(encode(nonce, fields)))
            data = b"".join(said)
            while data:
                data = data[os.write(inner, data) :]
        finally:
            os._exit(0)
    os.close(inner)
    return end, child


def collect(started, sink):
    """What a child answered, up the line."""
    end, child = started
    with os.fdopen(end, "rb") as answers:
        sink.write(answers.read())
    os.waitpid(child, 0)


def main(nonce):
    os.umask(0o077)
    out = os.fdopen(os.dup(1), "wb")
    devnull = os.open(os.devnull, os.O_RDWR)
    os.dup2(devnull, 1)  # nothing but frames may go up the line
    out.write(encode(nonce, [b"hello", b"%d" % os.geteuid(), b"%d.%d" % sys.version_info[:2]]))
    out.flush()
    serve(nonce, sys.stdin.buffer, out)
