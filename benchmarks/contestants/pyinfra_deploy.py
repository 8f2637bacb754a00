"""The job for pyinfra: its own operations and facts."""

from io import StringIO

import the_job as job
from pyinfra import host
from pyinfra.api import FactBase
from pyinfra.operations import files, server


class SecretValue(FactBase):
    """What libvirt has for the secret; empty without one."""

    def command(self, uuid):
        return f"virsh -q secret-get-value {uuid} 2>/dev/null || true"

    def process(self, output):
        return "".join(output).strip()


changes = [
    files.put(
        name=file.path,
        src=StringIO(file.content),
        dest=file.path,
        user=file.owner,
        group=file.group,
        mode=f"{file.mode:o}",
    )
    for file in job.FILES
]

for directory in job.DIRECTORIES:
    files.directory(
        name=directory.path,
        path=directory.path,
        user=directory.owner,
        group=directory.group,
        mode=f"{directory.mode:o}",
    )

changes += [
    files.block(
        name=f"nova.conf, {section}",
        path=job.NOVA_CONF,
        content="\n".join(f"{name} = {value}" for name, value in options.items()),
        line=rf"^\[{section}\]$",
        after=True,
        marker="# {mark} Ceph, " + section,
    )
    for section, options in job.OPTIONS.items()
]

if host.get_fact(SecretValue, uuid=job.SECRET_UUID) != job.SECRET_KEY:
    server.shell(
        name="libvirt's secret",
        commands=[
            f"virsh -q secret-define /dev/stdin <<'END'\n{job.SECRET_XML}END",
            f"printf %s '{job.SECRET_KEY}' | virsh -q secret-set-value --secret {job.SECRET_UUID} --file /dev/stdin",
            f'test "$(virsh -q secret-get-value {job.SECRET_UUID})" = "{job.SECRET_KEY}"',
        ],
    )

server.shell(
    name="restart nova-compute",
    commands=[f"systemctl restart {job.UNIT}"],
    _if=lambda: any(change.did_change() for change in changes),
)
server.shell(name="nova-compute runs", commands=[f"systemctl is-active {job.UNIT}"])
