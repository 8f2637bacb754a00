"""SSH through asyncssh: one event loop for all hosts and no thread for each, for sites of hundreds of hosts.

Host keys, keys and the way to a host are judged by the same modules as fabric's. asyncssh's own reading of
known_hosts, ssh_config and key folders is switched off.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import socket
import time
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

try:
    import asyncssh
except ModuleNotFoundError as error:
    raise ImportError("install cephdeploy-core[asyncssh], or your distribution's python3-asyncssh") from error

from ..errors import HostError
from . import PAUSES, TAIL, Target, background, refusals
from .hops import Hop
from .identities import EncryptedKey, Identities
from .known_hosts import allowed
from .proxy import Proxy
from .refusals import said
from .ssh_config import way

__all__ = ["AsyncsshTransport"]

#: Bytes that a host may send before they are taken off the line: what a connection may cost us in memory.
_WINDOW = 1 << 18
#: Host key types that are accepted at all; no certificate, as known_hosts is read without its authorities.
_TYPES = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
)
#: asyncssh's ciphers with the cheapest of them first; chacha20 takes four calls where this takes one.
_CIPHERS = "^aes128-gcm@openssh.com,aes256-gcm@openssh.com"
#: Seconds that a connection may take to say goodbye.
_GOODBYE = 2.0

_Key = asyncssh.SSHKey | asyncssh.SSHKeyPair

# what it would log of each connection, the HostError says once
logging.getLogger("asyncssh").setLevel(logging.CRITICAL)


class AsyncsshTransport:
    """The entry point ``asyncssh`` of ``cephdeploy.transports``; also an ``AsyncTransport``.

    :raises HostError: the ssh configuration can't be followed.
    """

    #: File descriptors of a line.
    descriptors: ClassVar[int] = 1

    def __init__(self, target: Target) -> None:
        self._target = target
        self._way = way(target)

    @property
    def user(self) -> str:
        return self._way[-1].user

    def start(self, command: str) -> background.BlockingChannel:
        """Connect and start ``command``; see :class:`cephdeploy.transports.Transport`."""
        return background.BlockingChannel(background.result(self.open(command)))

    async def open(self, command: str) -> AsyncsshChannel:
        """Connect, in the running loop, and start ``command``."""
        opened: list[asyncssh.SSHClientConnection] = []
        try:
            for hop in self._way:
                opened.append(await self._connected(hop, opened[-1] if opened else None))
            async with asyncio.timeout(self._target.timeout):
                streams = _Streams()
                await opened[-1].create_session(
                    lambda: streams, command, encoding=None, window=_WINDOW, request_pty=False
                )
            return AsyncsshChannel(opened, streams, self._target)
        except HostError:
            await _closed(opened)
            raise
        except (asyncssh.Error, OSError) as error:
            await _closed(opened)
            why = refusals.no_answer(self._target.timeout) if isinstance(error, TimeoutError) else said(error)
            raise HostError(self._target.name, f"{self._way[-1]} let us in and opened no session: {why}") from error
        except BaseException:
            await _closed(opened)
            raise

    async def _connected(self, hop: Hop, before: asyncssh.SSHClientConnection | None) -> asyncssh.SSHClientConnection:
        """Connect to the next hop on the way and log in.

        :raises HostError: in words for the person at the terminal.
        """
        pauses = iter(PAUSES)
        while True:
            begun = time.monotonic()
            login = _Login(hop, self._target.timeout)
            try:
                return await self._attempt(hop, before, login)
            except (asyncssh.Error, OSError, ValueError) as error:
                early = time.monotonic() - begun < self._target.timeout / 2
                dropped = isinstance(error, (asyncssh.ConnectionLost, ConnectionResetError)) and not login.greeted
                pause = next(pauses, None) if early and dropped else None
                if pause is None:
                    why = refusals.through(hop, self._way, self._why(hop, login, error))
                    raise HostError(self._target.name, why) from error
            await asyncio.sleep(pause)

    async def _attempt(
        self, hop: Hop, before: asyncssh.SSHClientConnection | None, login: _Login
    ) -> asyncssh.SSHClientConnection:
        proxy = Proxy(hop.command) if hop.command and before is None else None
        try:
            async with login.bound(), login:
                connection = await asyncssh.connect(
                    hop.host,
                    hop.port,
                    sock=proxy,
                    tunnel=before or (),
                    config=None,
                    username=hop.user,
                    client_factory=lambda: login,
                    known_hosts=((), (), ()),
                    server_host_key_algs=login.types,
                    encryption_algs=_CIPHERS,
                    x509_trusted_certs=None,
                    client_keys=None,
                    public_key_auth=True,
                    host_based_auth=False,
                    gss_host=None,
                    agent_path=None,
                    compression_algs=None,
                    login_timeout=0,
                    keepalive_interval=self._target.keepalive,
                    keepalive_count_max=2,
                )
        except BaseException:
            if proxy is not None:
                proxy.close()
            raise
        sock = connection.get_extra_info("socket")
        if sock is not None and proxy is None and self._target.keepalive and hasattr(socket, "TCP_USER_TIMEOUT"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 3000 * self._target.keepalive)
        return connection

    def _why(self, hop: Hop, login: _Login, error: Exception) -> str:
        if login.offered is not None:
            blob = login.offered.public_data
            return refusals.other_key(hop, self._way, login.offered.get_algorithm(), refusals.fingerprint(blob))
        if login.begun:
            return refusals.refused(hop, login.why_not(error))
        if isinstance(error, asyncssh.ChannelOpenError):
            before = self._way[self._way.index(hop) - 1]
            if error.code == asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED:
                return refusals.not_let_through(hop, before)
            return refusals.unreachable(hop, said(error), before=before)
        if isinstance(error, (socket.gaierror, UnicodeError)):
            return refusals.unresolved(hop)
        if f"[Errno {errno.ECONNREFUSED}]" in str(error):  # of several addresses it is one error of no type
            return refusals.unreachable(hop, refusals.NOTHING_LISTENS)
        if isinstance(error, TimeoutError):
            return refusals.unreachable(hop, refusals.no_answer(self._target.timeout))
        if not login.greeted and isinstance(error, (asyncssh.DisconnectError, ConnectionError)):
            return refusals.no_ssh(hop)
        return refusals.unreachable(hop, said(error))


class AsyncsshChannel:
    """One session on a connection as an :class:`cephdeploy.transports.AsyncChannel`.

    :param opened: the connections on the way; closed with the channel.
    """

    def __init__(self, opened: list[asyncssh.SSHClientConnection], streams: _Streams, target: Target) -> None:
        self.timeout = target.timeout
        self._opened = opened
        self._streams = streams
        self._keepalive = target.keepalive

    async def send(self, data: bytes) -> None:
        self._raise_if_down()
        self._streams.channel.write(data)
        while not self._streams.writable and not self._streams.closed:
            await self._streams.news()
        self._raise_if_down()

    async def receive(self, count: int, timeout: float) -> bytes:
        streams = self._streams
        if not streams.out and not streams.ended:
            try:
                async with asyncio.timeout(timeout):
                    while not streams.out and not streams.ended:
                        await streams.news()
            except TimeoutError:
                raise TimeoutError(f"nothing came for {timeout:.0f} s") from None
        if data := streams.taken(count):
            return data
        self._raise_if_down()
        return b""

    async def ending(self) -> tuple[int | None, bytes]:
        streams = self._streams
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2):
                while not streams.closed:
                    await streams.news()
        return streams.channel.get_exit_status() if streams.told_status else None, bytes(streams.errors)

    async def close(self) -> None:
        self._streams.channel.close()
        await _closed(self._opened)

    def _raise_if_down(self) -> None:
        """:raises ConnectionError: the connection is gone, and did not come to its end."""
        error = self._streams.error
        if error is None:
            return
        if "keepalive" in str(error):
            raise ConnectionAbortedError(refusals.no_sign_of_life(self._keepalive))
        raise ConnectionError(said(error))


class _Streams(asyncssh.SSHClientSession[bytes]):
    """What comes from a command, until it is taken; and whether more may be sent."""

    channel: asyncssh.SSHClientChannel[bytes]

    def __init__(self) -> None:
        self.out = bytearray()
        self.errors = bytearray()
        self.writable = True
        #: There will be no more output.
        self.ended = False
        self.closed = False
        self.told_status = False
        self.error: Exception | None = None
        self._paused = False
        self._waiting: list[asyncio.Future[None]] = []

    def connection_made(self, chan: asyncssh.SSHClientChannel[bytes]) -> None:
        self.channel = chan

    def data_received(self, data: bytes, datatype: int | None) -> None:
        if datatype == asyncssh.EXTENDED_DATA_STDERR:
            self.errors = (self.errors + data)[-TAIL:]
            return
        self.out += data
        if len(self.out) >= _WINDOW:
            self._paused = True
            self.channel.pause_reading()
        self._tell()

    def taken(self, count: int) -> bytes:
        """Up to ``count`` bytes of what came."""
        data = bytes(self.out[:count])
        del self.out[:count]
        if self._paused and len(self.out) < _WINDOW:
            self._paused = False
            self.channel.resume_reading()
        return data

    def eof_received(self) -> bool:
        self.ended = True
        self._tell()
        return True

    def exit_status_received(self, status: int) -> None:
        self.told_status = True

    def pause_writing(self) -> None:
        self.writable = False

    def resume_writing(self) -> None:
        self.writable = True
        self._tell()

    def connection_lost(self, exc: Exception | None) -> None:
        self.error = exc
        self.ended = self.closed = True
        self._tell()

    async def news(self) -> None:
        """Wait until something has come or changed."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        await future

    def _tell(self) -> None:
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)


class _Login(asyncssh.SSHClient):
    """One attempt to log in to a hop: judges its host key, gives out our keys. Holds the agent's line meanwhile."""

    def __init__(self, hop: Hop, timeout: float) -> None:
        known, _revoked = allowed(hop.known_hosts, hop.known_as, hop.port)
        types = {key.type for key in known}
        types |= {"rsa-sha2-512", "rsa-sha2-256"} if "ssh-rsa" in types else set()
        #: Types of host keys, those that are known first: the host may have several.
        self.types = sorted(_TYPES, key=lambda name: name not in types)
        self._known = {key.blob for key in known}
        self._hop = hop
        self._timeout = timeout
        self._bound = asyncio.timeout(timeout)
        self._agent = contextlib.AsyncExitStack()
        self._keys: Identities[_Key] | None = None
        self._left: Iterator[_Key] = iter(())
        self._exhausted = False
        self._wanted: list[str] = []
        self._connection: asyncssh.SSHClientConnection | None = None
        #: A host key that was not accepted.
        self.offered: asyncssh.SSHKey | None = None
        #: The host has proved its key, and the login has begun.
        self.begun = False

    def bound(self) -> asyncio.Timeout:
        """The limit of the connection attempt, and then of the login."""
        return self._bound

    async def __aenter__(self) -> None:
        return None

    async def __aexit__(self, *error: object) -> None:
        await self._agent.aclose()

    @property
    def greeted(self) -> bool:
        """Whether the other side has said what it is."""
        return self._connection is not None and bool(self._connection.get_extra_info("server_version"))

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        self._connection = conn

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        if key.public_data in self._known:
            return True
        self.offered = key
        return False

    def begin_auth(self, username: str) -> None:
        self.begun = True
        if not self._bound.expired():
            self._bound.reschedule(asyncio.get_running_loop().time() + self._timeout)

    async def public_key_auth_requested(self) -> _Key | None:
        if self._keys is None:
            self._keys = Identities(self._hop, await self._held(), _private)
            self._left = iter(self._keys)
        key = next(self._left, None)
        self._exhausted = key is None
        return key

    def password_auth_requested(self) -> None:
        self._more("password")

    def kbdint_auth_requested(self) -> None:
        self._more("keyboard-interactive")

    def why_not(self, error: Exception) -> str:
        """Why the login did not come to its end."""
        tried = self._keys.tried if self._keys else 0
        if isinstance(error, TimeoutError):
            return refusals.NO_LOGIN_ANSWER
        if self._wanted:
            return refusals.wants_more(self._wanted)
        if isinstance(error, asyncssh.PermissionDenied):
            return refusals.none_accepted(self._keys.unusable if self._keys else [], tried)
        return refusals.too_many_keys(tried) if isinstance(error, asyncssh.DisconnectError) else said(error)

    def _more(self, kind: str) -> None:
        """Another kind of login is asked for: while keys are left only if one of them was accepted."""
        if self._keys is not None and not self._exhausted:
            self._wanted.append(kind)

    async def _held(self) -> dict[bytes, _Key]:
        path = os.environ.get("SSH_AUTH_SOCK")
        if not path:
            return {}
        try:
            agent = await self._agent.enter_async_context(asyncssh.connect_agent(path))
            return {key.public_data: key for key in await agent.get_keys()}
        except (OSError, ValueError, asyncssh.Error):
            return {}  # an agent that is there and does not speak is as good as none


def _private(path: Path) -> _Key:
    return _parsed(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=64)
def _parsed(path: Path, changed: int) -> _Key:
    """A private key; read once a run and not once a host.

    :raises EncryptedKey: it needs a passphrase.
    :raises ValueError: it is no key.
    """
    try:
        return asyncssh.read_private_key(path)
    except asyncssh.KeyEncryptionError as error:
        raise EncryptedKey from error
    except asyncssh.KeyImportError as error:
        if "assphrase" in str(error):
            raise EncryptedKey from error
        raise


async def _closed(opened: list[asyncssh.SSHClientConnection]) -> None:
    """Close connections, the last one first; one that does not answer is let go."""
    while opened:
        connection = opened.pop()
        connection.close()
        try:
            async with asyncio.timeout(_GOODBYE):
                await connection.wait_closed()
        except TimeoutError:
            connection.abort()
