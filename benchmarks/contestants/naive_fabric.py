"""The job as people write it with fabric: step after step on a ThreadingGroup of all hosts."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import fabric
import paramiko

from benchmarks import job


class Connection(fabric.Connection):
    """As fabric's own, but a host whose key is not known is refused."""

    def open(self):
        self.client.set_missing_host_key_policy(paramiko.RejectPolicy())
        return super().open()


def group(farm: dict[str, object]) -> fabric.ThreadingGroup:
    connections = []
    for host in farm["hosts"]:
        arguments = {"key_filename": farm["key"], "allow_agent": False, "look_for_keys": False}
        config = fabric.Config(lazy=True)
        one = Connection(host["address"], user="root", port=host["port"], config=config, connect_kwargs=arguments)
        one.client.load_host_keys(farm["known_hosts"])
        connections.append(one)
    return fabric.ThreadingGroup.from_connections(connections)


def where(results, word):
    """The connections on which a command printed ``word``."""
    return {one for one, result in results.items() if word in result.stdout}


def main() -> None:
    hosts = group(json.loads(Path(sys.argv[1], "farm.json").read_text()))
    changed = set()

    def part(wanted):
        return fabric.ThreadingGroup.from_connections([one for one in hosts if one in wanted])

    def everywhere(command):
        return hosts.run(command, hide=True)

    for file in job.FILES:
        path, rights = file.path, f"{file.owner}:{file.group}"
        digest = f'test "$(cat {path} 2>/dev/null)" = {shlex.quote(file.content.rstrip())} || echo differs'
        stale = where(everywhere(digest), "differs")
        if stale:
            local = Path(path).name  # a file-like object would be read by all threads at once
            Path(local).write_text(file.content)
            part(stale).put(local, remote=path)
        fix = f"chown {rights} {path} && chmod {file.mode:o} {path} && echo fixed"
        test = f'test "$(stat -c %U:%G:%a {path})" = {rights}:{file.mode:o}'
        changed |= stale | where(everywhere(f"{test} || ({fix})"), "fixed")

    for directory in job.DIRECTORIES:
        path = directory.path
        everywhere(f"mkdir -p {path}")
        everywhere(f"chown {directory.owner}:{directory.group} {path} && chmod {directory.mode:o} {path}")

    for section, options in job.OPTIONS.items():
        for name, value in options.items():
            line = f"{name} = {value}"
            add = f"sed -i '/^\\[{section}\\]$/a {line}' {job.NOVA_CONF} && echo added"
            changed |= where(everywhere(f"grep -qx '{line}' {job.NOVA_CONF} || ({add})"), "added")

    value = f"virsh -q secret-get-value {job.SECRET_UUID}"
    missing = where(everywhere(f'test "$({value} 2>/dev/null)" = {job.SECRET_KEY} || echo missing'), "missing")
    if missing:
        some = part(missing)
        some.run(f"virsh -q secret-define /dev/stdin <<'END'\n{job.SECRET_XML}END", hide=True)
        setting = f"virsh -q secret-set-value --secret {job.SECRET_UUID} --file /dev/stdin"
        some.run(f"printf %s {job.SECRET_KEY} | {setting}", hide=True)
        some.run(f'test "$({value})" = {job.SECRET_KEY}', hide=True)

    if changed:
        part(changed).run(f"systemctl restart {job.UNIT}", hide=True)
    everywhere(f"systemctl is-active {job.UNIT}")
    for one in hosts:
        print(one.host, "changed" if one in changed else "ok")
    hosts.close()


if __name__ == "__main__":
    main()
