"""A network with a round-trip time, for kernels without netem: two network namespaces and a relay between them.

Each has a TUN device. The relay takes whole IP packets from one, holds them for half the time and gives them to the
other, so that handshakes, windows and acknowledgements all see the distance. In between is nothing that loses or
reorders.

The relay is a process of its own: it ends with its standard input, and the namespaces with it.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import select
import struct
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from . import namespaces

__all__ = ["Apart", "apart"]

_TUNSETIFF = 0x400454CA
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000
#: The hosts' addresses, and the client's.
HOSTS, CLIENT = "10.77.0.0/16", "10.76.0.1"


@dataclass(frozen=True)
class Apart:
    """Two network namespaces, as files, and what is in between."""

    client: str
    hosts: str
    _relay: subprocess.Popen[bytes]

    def round_trips(self) -> float:
        """How many were waited for, one after another, since this was asked last.

        It is the longest chain of packets each of which was sent when the one before had arrived: what the machine's
        load does to a wall, it does not do to this. Of use with one host only.
        """
        assert self._relay.stdin is not None and self._relay.stdout is not None
        self._relay.stdin.write(b"?")
        self._relay.stdin.flush()
        return int(self._relay.stdout.readline()) / 2


@contextmanager
def apart(rtt: float) -> Iterator[Apart]:
    """A client and hosts that are ``rtt`` milliseconds away from each other.

    :raises OSError: this machine has no TUN device, or lets nobody make namespaces.
    """
    relay = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.distance", str(rtt)],
        cwd=Path(__file__).parents[1],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for us, who end it in order
    )
    assert relay.stdin is not None and relay.stdout is not None
    try:
        ready = relay.stdout.readline().split()
        if not ready:
            raise OSError("no network of our own could be made here: that needs root, ip and /dev/net/tun")
        client, hosts = (f"/proc/{relay.pid}/fd/{int(number)}" for number in ready)
        yield Apart(client, hosts, relay)
    finally:
        relay.stdin.close()
        relay.wait()
        relay.stdout.close()


def _end(*commands: str) -> tuple[int, int]:
    """Go into a new network namespace; its TUN device, and the namespace itself."""
    namespaces.unshare(namespaces.NEWNET)
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH22x", b"far", _IFF_TUN | _IFF_NO_PI))
    for command in ("link set lo up", "link set far up txqueuelen 10000", *commands):
        subprocess.run(["ip", *command.split()], check=True)
    return device, os.open("/proc/self/ns/net", os.O_RDONLY)


def _relay(ends: tuple[int, int], delay: float) -> None:
    """Packets from each end to the other, ``delay`` seconds later, until standard input ends."""
    way = {ends[0]: ends[1], ends[1]: ends[0]}
    held: deque[tuple[float, int, int, bytes]] = deque()
    #: How long the chain is of which the last packet has arrived at an end.
    chain = dict.fromkeys(ends, 0)
    while True:
        wait = max(held[0][0] - time.monotonic(), 0) if held else None
        readable, _, _ = select.select([*ends, 0], [], [], wait)
        if 0 in readable:
            if not os.read(0, 1):
                return
            print(max(chain.values()), flush=True)
            chain = dict.fromkeys(ends, 0)
            held = deque((due, end, 0, packet) for due, end, _, packet in held)
        now = time.monotonic()
        for end in ends:
            while end in readable:
                try:
                    held.append((now + delay, way[end], chain[end] + 1, os.read(end, 65536)))
                except BlockingIOError:
                    break
        while held and held[0][0] <= now:
            _, end, length, packet = held.popleft()
            chain[end] = max(chain[end], length)
            os.write(end, packet)


def main() -> None:
    """The relay: says the numbers of its two handles, of the client's and the hosts' namespaces."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("rtt", type=float, help="milliseconds")
    delay = parser.parse_args().rtt / 2000
    near, client = _end(f"address add {CLIENT}/32 dev far", f"route add {HOSTS} dev far src {CLIENT}")
    far, hosts = _end(f"route add local {HOSTS} dev lo", "route add default dev far")
    print(client, hosts, flush=True)
    _relay((near, far), delay)


if __name__ == "__main__":
    main()
