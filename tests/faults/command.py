"""The real command, in a process that can be told where to die: ``python command.py ARGUMENT...``.

The variable ``FAULT`` holds JSON: ``{"journal": 7, "when": "after"}`` ends the process by SIGKILL around its
seventh record (from 0), ``{"batch": 3, "cut": "sent"}`` takes the line away around its third batch, by whichever
transport: a batch is what is given to a channel at once.
``python command.py --serve`` imports everything once and then forks a process for each line of its standard input.

Services are watched for no time here: with the six seconds of each restart, hundreds of runs would take hours.
"""

from __future__ import annotations

import itertools
import json
import os
import select
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cephdeploy import cli, deployment, journal
from cephdeploy.kinds.services import Service
from cephdeploy.transports.asyncssh import AsyncsshChannel
from cephdeploy.transports.fabric import FabricChannel
from cephdeploy.transports.openssh import OpensshChannel

from ..ssh.lines import hang_up

#: What goes at a batch: the line before it left, with it on its way, with its answer on its way; the process on
#: the host that does it; this process, with it on its way.
CUTS = ("unsent", "sent", "answered", "payload", "killed")

(Service.__init__.__kwdefaults__ or {})["settle"] = 0.0


def die() -> None:
    """As by the out-of-memory killer: nothing is flushed, no handler runs."""
    os.kill(os.getpid(), signal.SIGKILL)


def die_at_record(number: int, when: str) -> None:
    """End this process before or after the record of that number is in the journal."""
    written = 0
    append = journal.Journal._append

    def counted(self: journal.Journal, event: str, several: Sequence[Mapping[str, object]]) -> None:
        nonlocal written
        for what in several:
            if written == number and when == "before":
                die()
            append(self, event, [what])
            if written == number and when == "after":
                die()
            written += 1

    journal.Journal._append = counted  # type: ignore[method-assign]


class Cutter:
    """Takes away the line, or a process, around the batch of that number.

    :param told: a file that gets a byte for each batch.
    """

    def __init__(self, number: int, cut: str, told: str = "") -> None:
        self._number = number
        self._cut = cut
        self._told = told
        self._counted = itertools.count()
        self._chosen: object = None
        self._names: dict[int, str] = {}

    def watch(self) -> None:
        """Stand in all that a transport's channel does."""
        for kind in (FabricChannel, OpensshChannel, AsyncsshChannel):
            self._watch_beginning(kind)
        for blocking in (FabricChannel, OpensshChannel):
            self._watch_blocking(blocking)
        self._watch_async(AsyncsshChannel)

    def _watch_beginning(self, kind: Any) -> None:
        begin = kind.__init__

        def begun(channel: object, *words: Any) -> None:
            self._names[id(channel)] = words[-1].name  # the target's
            begin(channel, *words)

        kind.__init__ = begun

    def _watch_blocking(self, kind: Any) -> None:
        send, receive = kind.send, kind.receive

        def cut_send(channel: object, data: bytes) -> None:
            self._before(channel)
            send(channel, data)
            self._after(channel)

        def cut_receive(channel: object, count: int, timeout: float) -> bytes:
            data: bytes = receive(channel, count, timeout)
            self._answered(channel)
            return data

        kind.send, kind.receive = cut_send, cut_receive

    def _watch_async(self, kind: Any) -> None:
        send, receive = kind.send, kind.receive

        async def cut_send(channel: object, data: bytes) -> None:
            self._before(channel)
            await send(channel, data)
            self._after(channel)

        async def cut_receive(channel: object, count: int, timeout: float) -> bytes:
            data: bytes = await receive(channel, count, timeout)
            self._answered(channel)
            return data

        kind.send, kind.receive = cut_send, cut_receive

    def _before(self, channel: object) -> None:
        if self._told:
            with open(self._told, "a") as file:
                file.write(".")
        if next(self._counted) == self._number:
            self._chosen = channel
            if self._cut == "unsent":
                hang_up(channel)
                raise ConnectionError("cut by the test before anything was sent")

    def _after(self, channel: object) -> None:
        if channel is not self._chosen:
            return
        if self._cut == "sent":
            hang_up(channel)
        elif self._cut == "killed":
            die()
        elif self._cut == "payload":
            time.sleep(0.01)  # in the middle of its work, or after it
            for pid in json.loads(os.environ["HOSTS"]).get(self._names[id(channel)], []):
                for one in _payloads(int(pid)):
                    os.kill(one, signal.SIGKILL)
        if self._cut != "answered":
            self._chosen = None

    def _answered(self, channel: object) -> None:
        if channel is self._chosen:
            self._chosen = None
            hang_up(channel)
            raise ConnectionError("cut by the test with the answer on its way")


def _payloads(pid: int) -> list[int]:
    """The processes of ours under a host's first one: those that have no such parent, so the serving one."""
    found = []
    for child in _children(pid):
        try:
            ours = b"zlib.decompress" in Path(f"/proc/{child}/cmdline").read_bytes()
        except OSError:
            continue
        found += [child] if ours else _payloads(child)
    return found


def _children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def command(words: Sequence[str], fault: dict[str, Any]) -> None:
    """Run the command line with what is to go wrong, and exit with its status."""
    if "journal" in fault:
        die_at_record(fault["journal"], fault["when"])
    if "batch" in fault:
        Cutter(fault["batch"], fault["cut"], fault.get("told", "")).watch()
    sys.argv = ["cephdeploy", *words]
    cli.main()


def serve() -> None:
    """Fork a process for each request, and tell when it ended and how; until standard input ends."""
    import cephdeploy.progress
    import cephdeploy.report.header
    import cephdeploy.report.plan_text
    import cephdeploy.report.recap  # noqa: F401

    deployment.components()
    running: dict[int, int] = {}
    waiting = b""
    while True:
        if select.select([0], [], [], 0.01 if running else None)[0]:
            data = os.read(0, 1 << 16)
            if not data:
                break
            waiting += data
        while b"\n" in waiting:
            line, _, waiting = waiting.partition(b"\n")
            asked = json.loads(line)
            child = os.fork()
            if child == 0:
                for number, name in enumerate((os.devnull, asked["out"], asked["err"])):
                    os.dup2(os.open(name, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), number)
                os.environ.clear()
                os.environ.update(asked["environment"])
                command(asked["words"], asked["fault"])
            running[child] = asked["id"]
            _tell({"id": asked["id"], "pid": child})
        while running:
            child, status = os.waitpid(-1, os.WNOHANG)
            if not child:
                break
            _tell({"id": running.pop(child), "status": os.waitstatus_to_exitcode(status)})
    for child in running:
        os.kill(child, signal.SIGKILL)


def _tell(what: dict[str, int]) -> None:
    os.write(1, json.dumps(what).encode() + b"\n")


if __name__ == "__main__":
    if sys.argv[1:] == ["--serve"]:
        serve()
    else:
        command(sys.argv[1:], json.loads(os.environ.get("FAULT", "{}")))
