"""systemd's units: how they are, and whether one stays up after a restart."""

import time

from .found import FOUND, once
from .processes import run
from .words import KILLED, PayloadError, facts, text

SHOWN = "LoadState,ActiveState,SubState,UnitFileState,MainPID,NRestarts,Result,Type"


def shown(unit, names=SHOWN):
    """What systemd says of a unit, as a dictionary."""
    status, out, err = run(["systemctl", "show", "-p", names, "--", unit], timeout=30.0, asks=True)
    if status:
        said = err.decode(errors="replace").strip()
        raise PayloadError(said or "`systemctl show %s` ended with status %d" % (unit, status))
    return dict(line.split("=", 1) for line in out.decode(errors="replace").splitlines() if "=" in line)


def do_unit(fields):
    return 0, [facts(once(shown, text(fields[0]))), b""]


def ill(now, first):
    """What is wrong with a unit that was restarted a moment ago; empty when nothing is."""
    state, sub = now.get("ActiveState"), now.get("SubState")
    # systemd before 235 does not count; and one that was waiting to start again keeps its count over a restart
    starts = int(now.get("NRestarts") or 0) - int(first.get("NRestarts") or 0)
    if starts > 0 or now.get("MainPID") != first.get("MainPID"):
        return "did not stay up: %s (%s), started %d times" % (state, sub, max(starts, 1) + 1)
    if state in ("active", "reloading"):
        return ""
    if now.get("Type") == "oneshot" and state == "inactive" and now.get("Result") == "success":
        return ""
    return "did not stay up: %s (%s), %s" % (state, sub, now.get("Result"))


def do_restart(fields):
    """Restart, then watch: one main process must live for ``settle`` seconds."""
    unit, settle, timeout, verb = text(fields[0]), float(fields[1]), float(fields[2]), text(fields[3])
    since = time.time()
    # systemctl only asks: the job is systemd's, and has its deadline there
    status, out, err = run(["systemctl", verb, "--", unit], timeout=timeout, asks=True)
    if status not in (0, KILLED) and shown(unit, "Result").get("Result", "").startswith("start-limit"):
        # it was begun too often of late, which says nothing of how it is now
        run(["systemctl", "reset-failed", "--", unit], timeout=30.0, asks=True)
        status, out, err = run(["systemctl", verb, "--", unit], timeout=timeout, asks=True)
    if status == KILLED:
        said = "%s: %s is not done after %g seconds and goes on; it is %s" % (
            unit,
            verb,
            timeout,
            shown(unit).get("ActiveState"),
        )
        return status, [b"", evidence(unit, since, said)]
    if status:
        said = (err or out).decode(errors="replace").strip().replace("\n", " ")
        return status, [b"", evidence(unit, since, said)]
    first = now = shown(unit)
    until = time.monotonic() + settle
    while True:
        found = ill(now, first)
        if found:
            return 1, [b"", evidence(unit, since, "%s %s" % (unit, found))]
        left = until - time.monotonic()
        if left <= 0:
            FOUND[shown, unit] = now
            return 0, [facts(now), b""]
        time.sleep(min(left, 0.25))
        now = shown(unit)


def evidence(unit, since, said):
    """The unit's last words in the journal since then, and what was found: the last line is the finding."""
    command = ["journalctl", "-u", unit, "--since", "@%d" % since, "-n", "30", "--no-pager", "-q", "-o", "cat"]
    _status, out, _err = run(command, timeout=20.0, asks=True)
    return out[-6000:] + b"\n" + said.encode(errors="replace")
