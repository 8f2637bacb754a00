"""Who takes part, and how each is started.

Each is one command that does the job on all hosts and is done: the same for the first run and for the second, which
has nothing to do.
"""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import yaml

from .. import job
from ..farm import Farm

__all__ = ["CONTESTANTS", "Contestant", "Start"]

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
#: What the project does not need itself is in a virtual environment of its own.
VENV = ROOT / ".bench/venv"


@dataclass(frozen=True)
class Start:
    """A command line, and what its environment has beside PATH and a HOME of its own."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]


@dataclass(frozen=True)
class Contestant:
    """
    :param prepare: makes what it reads in a folder of its own, and says how it is started; a sentence if it can't
        take part.
    """

    name: str
    title: str
    prepare: Callable[[Farm, Path], Start | str]


def _ours(transport: str) -> Callable[[Farm, Path], Start | str]:
    def prepare(farm: Farm, folder: Path) -> Start | str:
        from importlib.metadata import entry_points

        program = os.environ.get("CEPHDEPLOY", f"{sysconfig.get_path('scripts')}/cephdeploy")
        if "CEPHDEPLOY" not in os.environ and transport not in entry_points(group="cephdeploy.transports").names:
            return f"no transport '{transport}' is installed"
        site = {
            # the first host is the admin host too, so that there are as many connections as for everybody else
            "ceph": {"admin": farm.hosts[0].name},
            "hosts": {
                host.name: {"address": host.address, "port": host.port, "roles": ["nova-compute"]}
                for host in farm.hosts
            },
            "ssh": {
                "user": "root",
                "key": str(farm.key),
                "known_hosts": str(farm.known_hosts),
                "config": str(folder / "no_config"),
            },
            # as for everybody else: all hosts at once, not batch after batch
            "serial": {"nova-compute": "100%"},
            "transport": transport,
        }
        (folder / "no_config").touch()
        (folder / "site.yml").write_text(yaml.safe_dump(site, sort_keys=False))
        # a plugin as an installed one: its metadata is found by the path
        metadata = folder / "plugin/compute_job-1.0.dist-info"
        metadata.mkdir(parents=True)
        (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: compute-job\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text("[cephdeploy.plugins]\ncompute_job = compute_job\n")
        shutil.copy(HERE / "compute_job.py", folder / "plugin")
        shutil.copy(HERE.parent / "job.py", folder / "plugin/the_job.py")
        argv = (program, "run", "--site", str(folder / "site.yml"), "--plugins", "compute_job", "--yes", "--no-verify")
        return Start(argv, {"PYTHONPATH": str(folder / "plugin")})

    return prepare


def _floor(farm: Farm, folder: Path) -> Start:
    return Start((sys.executable, "-m", "benchmarks.contestants.floor", str(farm.files)), {"PYTHONPATH": str(ROOT)})


def _naive_fabric(farm: Farm, folder: Path) -> Start:
    argv = (sys.executable, "-m", "benchmarks.contestants.naive_fabric", str(farm.files))
    return Start(argv, {"PYTHONPATH": str(ROOT)})


def _ansible(strategy: str) -> Callable[[Farm, Path], Start]:
    def prepare(farm: Farm, folder: Path) -> Start:
        (folder / "inventory").write_text(
            "".join(f"{host.name} ansible_host={host.address} ansible_port={host.port}\n" for host in farm.hosts)
        )
        values = {
            "files": [asdict(file) | {"mode": f"{file.mode:04o}"} for file in job.FILES],
            "directories": [asdict(one) | {"mode": f"{one.mode:04o}"} for one in job.DIRECTORIES],
            "options": job.OPTIONS,
            "nova_conf": job.NOVA_CONF,
            "unit": job.UNIT,
            "secret": {"uuid": job.SECRET_UUID, "xml": job.SECRET_XML, "value": job.SECRET_KEY},
        }
        (folder / "job.yml").write_text(yaml.safe_dump(values, sort_keys=False))
        shutil.copy(HERE / "ansible/playbook.yml", folder)
        plugins = VENV / f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages/ansible_mitogen/plugins"
        ssh = f"-F none -o UserKnownHostsFile={farm.known_hosts} -o PreferredAuthentications=publickey"
        (folder / "ansible.cfg").write_text(
            f"""\
[defaults]
inventory = inventory
remote_user = root
private_key_file = {farm.key}
forks = 25
gathering = explicit
interpreter_python = /usr/bin/python3
host_key_checking = True
retry_files_enabled = False
strategy_plugins = {plugins}/strategy
strategy = {strategy}

[ssh_connection]
pipelining = True
ssh_args = {ssh} -o ControlMaster=auto -o ControlPersist=60s
control_path_dir = {folder}/cp
"""
        )
        environment = {"ANSIBLE_CONFIG": str(folder / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
        return Start((str(VENV / "bin/ansible-playbook"), "playbook.yml"), environment)

    return prepare


def _pyinfra(farm: Farm, folder: Path) -> Start:
    data = {
        "ssh_user": "root",
        "ssh_key": str(farm.key),
        "ssh_known_hosts_file": str(farm.known_hosts),
        "ssh_strict_host_key_checking": "yes",
        "ssh_allow_agent": False,
        "ssh_look_for_keys": False,
    }
    hosts = [(host.address, {**data, "ssh_port": host.port}) for host in farm.hosts]
    (folder / "inventory.py").write_text(f"hosts = {hosts!r}\n")
    shutil.copy(HERE / "pyinfra_deploy.py", folder / "deploy.py")
    shutil.copy(HERE.parent / "job.py", folder / "the_job.py")
    return Start((str(VENV / "bin/pyinfra"), "-y", "inventory.py", "deploy.py"), {"PYTHONPATH": str(folder)})


CONTESTANTS = {
    one.name: one
    for one in (
        Contestant("floor", "one hand-written conversation", _floor),
        Contestant("ours", "cephdeploy", _ours("fabric")),
        Contestant("ours-asyncssh", "cephdeploy, transport asyncssh", _ours("asyncssh")),
        Contestant("ours-openssh", "cephdeploy, transport openssh", _ours("openssh")),
        Contestant("fabric", "fabric, step by step on a group", _naive_fabric),
        Contestant("pyinfra", "pyinfra", _pyinfra),
        Contestant("mitogen", "ansible-core with mitogen", _ansible("mitogen_linear")),
        Contestant("ansible", "ansible-core", _ansible("linear")),
    )
}
