# The host's side of the floor: two lines in, two lines out, each a Python literal. Only os and sys are imported.
import os
import sys


def sha(data):
    try:
        from _sha2 import sha256
    except ImportError:
        from _sha256 import sha256
    return sha256(data).hexdigest()


def run(argv, stdin=b""):
    in_r, in_w = os.pipe()
    out_r, out_w = os.pipe()
    dups = [(os.POSIX_SPAWN_DUP2, in_r, 0), (os.POSIX_SPAWN_DUP2, out_w, 1)]
    pid = os.posix_spawnp(argv[0], argv, os.environ, file_actions=[*dups, (os.POSIX_SPAWN_OPEN, 2, "/dev/null", 1, 0)])
    os.close(in_r)
    os.close(out_w)
    os.write(in_w, stdin)
    os.close(in_w)
    out = b""
    while True:
        data = os.read(out_r, 65536)
        if not data:
            break
        out += data
    os.close(out_r)
    return os.waitpid(pid, 0)[1], out.strip()


def ids(names, path):
    with open(path) as file:
        for line in file:
            words = line.split(":")
            names[words[0]] = int(words[2])
    return names


def rights(path):
    try:
        stat = os.stat(path)
    except FileNotFoundError:
        return None
    return stat.st_mode & 0o7777, stat.st_uid, stat.st_gid


def lines_of(path):
    with open(path) as file:
        return file.read().split("\n")


def placed(lines, wanted):
    """(section, option): [line of the last assignment, its value], and the line of the commented-out default."""
    section, active, commented, heads = "", {}, {}, {}
    for number, line in enumerate(lines):
        if line[:1] == "[":
            section = line.strip()[1:-1]
            heads[section] = number
        elif "=" in line:
            name, _, value = line.partition("=")
            name = name.strip()
            if name[:1] == "#" and (section, name[1:]) in wanted:
                commented[section, name[1:]] = number
            elif (section, name) in wanted:
                active[section, name] = number, value.strip()
    return active, commented, heads


def facts(asked):
    users, groups = ids({}, "/etc/passwd"), ids({}, "/etc/group")
    files = []
    for path in asked["files"]:
        stat = rights(path)
        digest = ""
        if stat:
            with open(path, "rb") as file:
                digest = sha(file.read())
        files.append((path, stat, digest))
    active, _, _ = placed(lines_of(asked["conf"]), asked["options"])
    status, value = run(["virsh", "-q", "secret-get-value", asked["secret"]])
    return {
        "ids": [{name: known.get(name) for name in asked["names"]} for known in (users, groups)],
        "files": files,
        "directories": [(path, rights(path)) for path in asked["directories"]],
        "options": {option: value for option, (_, value) in active.items()},
        "secret": sha(value) if status == 0 else "",
        "unit": run(["systemctl", "is-active", asked["unit"]])[1],
    }


def write(path, data, mode, uid, gid):
    beside = path + ".new"
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.fchown(handle, uid, gid)
    os.fchmod(handle, mode)
    os.write(handle, data)
    os.fsync(handle)
    os.close(handle)
    os.rename(beside, path)


def apply(plan, asked):
    for path, data, mode, uid, gid in plan["files"]:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        write(path, data, mode, uid, gid)
    for path, mode, uid, gid in plan["directories"]:
        os.makedirs(path, exist_ok=True)
        os.chown(path, uid, gid)
        os.chmod(path, mode)
    if plan["options"]:
        lines = lines_of(asked["conf"])
        active, commented, heads = placed(lines, plan["options"])
        after = {}
        for (section, name), value in plan["options"].items():
            line = "%s = %s" % (name, value)
            if (section, name) in active:
                lines[active[section, name][0]] = line
            elif (section, name) in commented or section in heads:
                after.setdefault(commented.get((section, name), heads.get(section)), []).append(line)
            else:
                lines += ["[%s]" % section, line]
        for number in sorted(after, reverse=True):
            lines[number + 1 : number + 1] = after[number]
        write(asked["conf"], "\n".join(lines).encode(), *rights(asked["conf"]))
    if plan["secret"]:
        xml, value = plan["secret"]
        run(["virsh", "-q", "secret-define", "/dev/stdin"], xml)
        run(["virsh", "-q", "secret-set-value", "--secret", asked["secret"], "--file", "/dev/stdin"], value)
    if plan["restart"]:
        run(["systemctl", "restart", asked["unit"]])


def main():
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    asked = eval(source.readline())

    def say(what):
        sink.write(repr(what).encode() + b"\n")
        sink.flush()

    say(facts(asked))
    line = source.readline()
    if line:
        apply(eval(line), asked)
        say(facts(asked))


main()
