"""The floor: one connection and one exec a host, and nothing that the job does not need.

Facts and digests come up, the difference is made here, and only where there is one it goes down; what is read
back must be what was wanted. No backup, no log, no lock, no graph, no plugin, no report: a product costs more.
"""

from __future__ import annotations

import ast
import base64
import hashlib
import json
import socket
import sys
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import fabric
import paramiko

from benchmarks import job

AT_ONCE = 32
PAYLOAD = zlib.compress(Path(__file__).with_name("floor_payload.py").read_bytes())
START = "import sys,zlib;i=sys.stdin.buffer;exec(zlib.decompress(i.read(int(i.readline()))))"
ASKED = {
    "files": [file.path for file in job.FILES],
    "directories": [directory.path for directory in job.DIRECTORIES],
    "names": sorted({name for one in (*job.FILES, *job.DIRECTORIES) for name in (one.owner, one.group)}),
    "conf": job.NOVA_CONF,
    "options": {(section, name) for section, part in job.OPTIONS.items() for name in part},
    "secret": job.SECRET_UUID,
    "unit": job.UNIT,
}


def difference(facts: dict[str, Any]) -> dict[str, Any]:
    """What is to be done for a host that is like this; empty values where nothing is."""
    users, groups = facts["ids"]
    seen = {path: (stat, digest) for path, stat, digest in facts["files"]}
    files = []
    for file in job.FILES:
        data = file.content.encode()
        rights = (file.mode, users[file.owner], groups[file.group])
        if seen[file.path] != (rights, hashlib.sha256(data).hexdigest()):
            files.append((file.path, data, *rights))
    directories = []
    for directory in job.DIRECTORIES:
        rights = (directory.mode, users[directory.owner], groups[directory.group])
        if dict(facts["directories"])[directory.path] != rights:
            directories.append((directory.path, *rights))
    options = {
        (section, name): value
        for section, part in job.OPTIONS.items()
        for name, value in part.items()
        if facts["options"].get((section, name)) != value
    }
    same = facts["secret"] == hashlib.sha256(job.SECRET_KEY.encode()).hexdigest()
    return {
        "files": files,
        "directories": directories,
        "options": options,
        "secret": None if same else (job.SECRET_XML.encode(), job.SECRET_KEY.encode()),
        "restart": bool(files or options) or facts["unit"] != b"active",
    }


def known_keys(path: str) -> dict[str, paramiko.PKey]:
    """The hosts' keys by what known_hosts calls them, read once."""
    found = {}
    for line in Path(path).read_text().splitlines():
        name, sort, key = line.split()
        found[name] = paramiko.PKey.from_type_string(sort, base64.b64decode(key))
    return found


#: Two threads in Python 3.11's parser at once end now and then in a SystemError.
ONE_AT_A_TIME = threading.Lock()


def heard(line: bytes) -> Any:
    with ONE_AT_A_TIME:
        return ast.literal_eval(line.decode())


def converse(host: dict[str, Any], key: paramiko.PKey, known: dict[str, paramiko.PKey]) -> str:
    """The job on one host."""
    line = socket.create_connection((host["address"], host["port"]), 10)
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    config = fabric.Config(lazy=True)
    connection = fabric.Connection(
        host["address"],
        user="root",
        port=host["port"],
        config=config,
        connect_kwargs={"sock": line, "pkey": key, "allow_agent": False, "look_for_keys": False},
    )
    connection.client.set_missing_host_key_policy(paramiko.RejectPolicy())
    name = host["address"] if host["port"] == 22 else f"[{host['address']}]:{host['port']}"
    connection.client.get_host_keys().add(name, known[name].get_name(), known[name])
    connection.open()
    channel = connection.transport.open_session()
    channel.exec_command(f'python3 -I -S -c "{START}"')
    channel.sendall(b"%d\n" % len(PAYLOAD) + PAYLOAD + repr(ASKED).encode() + b"\n")
    with channel.makefile("rb") as answers:
        facts = heard(answers.readline())
        plan = difference(facts)
        if not any(plan.values()):
            connection.close()
            return "nothing to do"
        channel.sendall(repr(plan).encode() + b"\n")
        left = difference(heard(answers.readline()))
    connection.close()
    return f"not done: {left}" if any(left.values()) else "changed"


def main() -> int:
    farm = json.loads(Path(sys.argv[1], "farm.json").read_text())
    key, known = paramiko.Ed25519Key.from_private_key_file(farm["key"]), known_keys(farm["known_hosts"])
    with ThreadPoolExecutor(AT_ONCE) as pool:
        results = list(pool.map(lambda host: converse(host, key, known), farm["hosts"]))
    for host, result in zip(farm["hosts"], results, strict=True):
        print(host["name"], result)
    return any(result.startswith("not done") for result in results)


if __name__ == "__main__":
    sys.exit(main())
