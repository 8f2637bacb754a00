"""Which files a service reads, and in which order."""

import os

from .accounts import account
from .digests import sha256
from .files import read_file, told
from .found import once
from .units import shown
from .words import PayloadError, text, texts


def arguments(pid):
    try:
        with open("/proc/%s/cmdline" % pid, "rb") as file:
            return [text(word) for word in file.read().split(b"\0")][:-1]
    except OSError:
        return []


def planned_arguments(unit):
    """The arguments of a unit's command, where its file says which configuration it reads."""
    said = shown(unit, "ExecStart").get("ExecStart", "")
    words = said.partition(" argv[]=")[2].partition(" ; ")[0].split()
    return words if [word for word in words if word.startswith("--config-")] else []


def program_of(words):
    """The name that oslo.config knows a program by: the script's, where an interpreter runs it."""
    for word in words:
        name = os.path.basename(word)
        if word.startswith("-") or name.startswith("python") or name in ("sh", "bash", "dash", "env"):
            continue
        return name[: -len(".py")] if name.endswith(".py") else name
    return ""


def first_of(folders, name):
    for folder in folders:
        path = os.path.join(folder, name)
        if os.path.exists(path):
            return [path]
    return []


def directory_files(path):
    """The files of a ``--config-dir`` in reading order; glob leaves out hidden ones."""
    try:
        names = sorted(os.listdir(path))
    except OSError:
        return []
    return [os.path.join(path, name) for name in names if name.endswith(".conf") and not name.startswith(".")]


def reading_order(words, project, programs, home, cwd):
    """The files that oslo.config reads for a command line (``_parse_config_files`` in oslo_config/cfg.py).

    Without a ``--config-file`` its default files come first, and without a ``--config-dir`` the default
    directories next; then what the arguments name, in their order.
    """

    def placed(value):
        if value == "~" or value.startswith("~/"):
            value = home + value[1:]
        return os.path.normpath(os.path.join(cwd, value))

    named = []
    for at, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name in ("--config-file", "--config-dir") and (equals or at + 1 < len(words)):
            named.append((name, placed(value if equals else words[at + 1])))
    folders = [os.path.join(home, "." + project), home, "/etc/" + project, "/etc"]
    names = [project]
    for program in programs:
        if program and program not in names:
            names.append(program)
    files = []
    if "--config-file" not in dict(named):
        # RDO's packages add the distribution's own file under the others
        files += ["/usr/share/%s/%s-dist.conf" % (project, name) for name in names]
        for name in names:
            files += first_of(folders, name + ".conf")
    if "--config-dir" not in dict(named):
        for name in names:
            for folder in first_of(folders, name + ".conf.d"):
                files += directory_files(folder)
    for name, value in named:
        files += [value] if name == "--config-file" else directory_files(value)
    return files


#: By unit: its main process, and when that began.
PROCESSES = {}


def began(pid):
    """When a process began, in the kernel's ticks; empty when there is none."""
    try:
        with open("/proc/%s/stat" % pid) as file:
            return file.read().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def main_process(unit):
    """The number of a unit's main process, or 0; as long as that lives, systemd is not asked again."""
    pid, since = PROCESSES.get(unit, ("0", ""))
    if not since or began(pid) != since:
        pid = once(shown, unit).get("MainPID", "0")
        PROCESSES[unit] = pid, began(pid)
    return pid


def do_chain(fields):
    unit, path, project, default = text(fields[0]), text(fields[1]), text(fields[2]), texts(fields[3])
    known = fields[4:]
    pid = main_process(unit)
    words = arguments(pid) if pid != "0" else []
    cwd, home = "/", "/root"
    if words:
        try:
            cwd = os.readlink("/proc/%s/cwd" % pid)
            home = account(str(os.stat("/proc/%s" % pid).st_uid)).pw_dir
        except (OSError, PayloadError):
            pass
    elif not default:
        words = planned_arguments(unit)
    if words:
        own = os.path.basename(path)
        programs = [own[: -len(".conf")] if own.endswith(".conf") else "", program_of(words)]
        files = reading_order(words, project, programs, home, cwd)
    else:
        files = default or [path]
    answer = []
    for name in files:
        try:
            data = read_file(name)
        except OSError:
            continue
        digest = sha256(data).encode()
        answer += [os.fsencode(name), digest, told(digest, data, known)]
    return 0, answer
