"""SSH through fabric, with what fabric lacks: strict host keys, also for jump hosts, and no Nagle delay.

Fabric accepts any host key and never reads known_hosts (fabric#1804, fabric#2071); here an unknown or
changed key ends the host before anything is sent. It never asks anything of a person.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

from . import _invoke  # noqa: F401

# isort: split
import fabric
import paramiko
from paramiko.auth_strategy import AuthSource, AuthStrategy, InMemoryPrivateKey, SourceResult
from paramiko.pkey import UnknownKeyType
from paramiko.ssh_exception import (
    AuthenticationException,
    BadHostKeyException,
    ChannelException,
    PasswordRequiredException,
    SSHException,
)

from ..errors import HostError
from . import PAUSES, TAIL, Target, refusals
from .hops import Hop
from .identities import EncryptedKey, Identities
from .known_hosts import allowed
from .proxy import Proxy
from .refusals import said
from .ssh_config import way

__all__ = ["FabricTransport"]

# paramiko logs a traceback for each refused connection; the HostError says it once
logging.getLogger("paramiko").setLevel(logging.CRITICAL)

#: Seconds between two looks of a silent line's thread at whether it was closed. paramiko's own tenth of one wakes the
#: threads of 200 lines 2,000 times a second.
_LOOKS = 2.0


class FabricTransport:
    """The entry point ``fabric`` of ``cephdeploy.transports``: the default.

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

    def start(self, command: str) -> FabricChannel:
        """Connect and start ``command``; see :class:`cephdeploy.transports.Transport`."""
        opened: list[fabric.Connection] = []
        try:
            for hop in self._way:
                self._open(hop, opened)
            return FabricChannel(opened, command, self._target)
        except HostError:
            _close(opened)
            raise
        except (SSHException, OSError, EOFError) as error:
            _close(opened)
            raise HostError(
                self._target.name, f"{self._way[-1]} let us in and opened no session: {said(error)}"
            ) from error
        except BaseException:
            _close(opened)
            raise

    def _open(self, hop: Hop, opened: list[fabric.Connection]) -> None:
        """Connect to the next hop on the way and log in; it is added to ``opened``.

        :raises HostError: in words for the person at the terminal.
        """
        begun = time.monotonic()
        try:
            for pause in (*PAUSES, None):
                begun = time.monotonic()
                connection = _connection(hop, self._target, opened[-1] if opened else None)
                opened.append(connection)
                try:
                    connection.open()
                    return
                except (SSHException, EOFError, ConnectionError) as error:
                    early = time.monotonic() - begun < self._target.timeout / 2
                    if pause is None or not early or not _is_dropped(error):
                        raise
                _close([opened.pop()])
                time.sleep(pause)
        except (BadHostKeyException, _UnknownKey) as error:
            why = refusals.other_key(hop, self._way, error.key.get_name(), refusals.fingerprint(error.key.asbytes()))
            raise self._error(hop, why) from error
        except AuthenticationException as error:
            raise self._error(hop, refusals.refused(hop, said(error))) from error
        except ChannelException as error:
            before = self._way[self._way.index(hop) - 1]
            if error.code == 1:
                why = refusals.not_let_through(hop, before)
            else:
                why = refusals.unreachable(hop, error.text, before=before)
            raise self._error(hop, why) from error
        except (socket.gaierror, UnicodeError) as error:
            raise self._error(hop, refusals.unresolved(hop)) from error
        except (SSHException, OSError, EOFError) as error:
            waited = time.monotonic() - begun
            if waited < self._target.timeout and _is_dropped(error) and not _greeted(hop, opened):
                raise self._error(hop, refusals.no_ssh(hop)) from error
            raise self._error(hop, refusals.unreachable(hop, self._why(error, waited))) from error

    def _why(self, error: BaseException, waited: float) -> str:
        if isinstance(error, ConnectionRefusedError):
            return refusals.NOTHING_LISTENS
        # by the clock: paramiko gives up a handshake without a word, and says something else of what is asked next
        if isinstance(error, TimeoutError) or waited >= self._target.timeout:
            return refusals.no_answer(self._target.timeout)
        return said(error)

    def _error(self, hop: Hop, why: str) -> HostError:
        return HostError(self._target.name, refusals.through(hop, self._way, why))


class FabricChannel:
    """One exec on a connection, raw bytes: fabric's own ``run`` feeds one character per 10 ms.

    :param opened: the connections on the way; closed with the channel.
    """

    def __init__(self, opened: list[fabric.Connection], command: str, target: Target) -> None:
        self.timeout = target.timeout
        self._opened = opened
        self._keepalive = target.keepalive
        self._errors = b""
        self._transport: paramiko.Transport = opened[-1].transport
        for connection in opened:
            connection.transport.set_keepalive(target.keepalive)
        # exec_command waits for its answer without a bound
        bound = threading.Timer(target.timeout, self._transport.close)
        bound.daemon = True
        bound.start()
        try:
            self._channel = self._transport.open_session(timeout=target.timeout)
            self._channel.exec_command(command)
        finally:
            bound.cancel()
        for connection in opened:
            connection.transport.sock.settimeout(_LOOKS)

    def send(self, data: bytes) -> None:
        view = memoryview(data)
        self._channel.settimeout(self._keepalive or None)
        while view:
            try:
                count = self._channel.send(bytes(view[: 1 << 15]))
            except TimeoutError:
                self._ask_for_life()
                continue
            if not count:
                raise ConnectionError("the host closed it")
            view = view[count:]

    def receive(self, count: int, timeout: float) -> bytes:
        until = time.monotonic() + timeout
        while (left := until - time.monotonic()) > 0:
            self._channel.settimeout(min(left, self._keepalive or left))
            try:
                data: bytes = self._channel.recv(count)
            except TimeoutError:
                self._take_errors()
                if self._keepalive and left > self._keepalive:
                    self._ask_for_life()
                continue
            self._take_errors()
            if not data and not self._transport.is_active():
                raise ConnectionError(said(self._transport.get_exception() or EOFError()))
            return data
        raise TimeoutError(f"nothing came for {timeout:.0f} s")

    def ending(self) -> tuple[int | None, bytes]:
        self._channel.status_event.wait(2)
        with contextlib.suppress(OSError):
            self._channel.settimeout(0.5)
            while data := self._channel.recv_stderr(TAIL):
                self._errors = (self._errors + data)[-TAIL:]
        status = self._channel.recv_exit_status() if self._channel.exit_status_ready() else -1
        return (status if status >= 0 else None), self._errors

    def close(self) -> None:
        with contextlib.suppress(OSError, EOFError):  # the line may be down already
            self._channel.close()
        _close(self._opened)

    def _take_errors(self) -> None:
        """What a host says on standard error is taken off the line, or it would fill the window and stop all."""
        while self._channel.recv_stderr_ready():
            self._errors = (self._errors + self._channel.recv_stderr(1 << 16))[-TAIL:]

    def _ask_for_life(self) -> None:
        """End a line whose other end no longer answers; paramiko's own keepalive asks for no answer.

        :raises ConnectionError: it gave no sign of life.
        """

        def ask() -> None:
            with contextlib.suppress(Exception):
                self._transport.global_request("keepalive@openssh.com", wait=True)

        asking = threading.Thread(target=ask, daemon=True, name="cephdeploy-keepalive")
        asking.start()
        asking.join(2 * self._keepalive)
        if asking.is_alive():
            self._transport.close()
            raise ConnectionAbortedError(refusals.no_sign_of_life(self._keepalive))


class _UnknownKey(SSHException):
    """A host proved a key that no known_hosts file has for it."""

    def __init__(self, key: paramiko.PKey) -> None:
        super().__init__("host key not known")
        self.key = key


class _Strict(paramiko.MissingHostKeyPolicy):
    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        raise _UnknownKey(key)


class _Login(AuthStrategy):
    """Log in by the keys of a hop, one after another."""

    def __init__(self, hop: Hop) -> None:
        super().__init__(paramiko.SSHConfig())
        self._hop = hop

    def authenticate(self, transport: paramiko.Transport) -> list[SourceResult]:
        """Log in.

        :raises AuthenticationException: with what would help.
        """
        with contextlib.closing(_agent()) as agent:
            held: dict[bytes, paramiko.PKey] = {key.asbytes(): key for key in agent.get_keys()}
            keys = Identities(self._hop, held, _private)
            for key in keys:
                try:
                    missing = InMemoryPrivateKey(self._hop.user, key).authenticate(transport)
                except SSHException as error:
                    if transport.is_active():
                        continue
                    if "imeout" in str(error):
                        raise AuthenticationException(refusals.NO_LOGIN_ANSWER) from error
                    raise AuthenticationException(refusals.too_many_keys(keys.tried)) from error
                if missing:
                    raise AuthenticationException(refusals.wants_more(missing))
                return []
        raise AuthenticationException(refusals.none_accepted(keys.unusable, keys.tried))

    def get_sources(self) -> Iterator[AuthSource]:
        return iter(())


def _agent() -> paramiko.Agent:
    try:
        return paramiko.Agent()
    except (SSHException, OSError):
        # an agent that is there and does not speak is as good as none
        agent = paramiko.Agent.__new__(paramiko.Agent)
        agent._conn, agent._keys = None, ()  # type: ignore[attr-defined]
        return agent


def _private(path: Path) -> paramiko.PKey:
    return _parsed(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=64)
def _parsed(path: Path, changed: int) -> paramiko.PKey:
    """A private key; read once a run and not once a host.

    :raises EncryptedKey: it needs a passphrase.
    :raises ValueError: it is no key.
    """
    try:
        return paramiko.PKey.from_path(path)
    except (PasswordRequiredException, TypeError) as error:
        raise EncryptedKey from error
    except (SSHException, UnknownKeyType) as error:
        raise ValueError(said(error)) from error


def _fabric() -> fabric.Config:
    """Fabric's defaults and nothing else: no ~/.fabric.py is run, no environment read, no ssh_config followed.

    One for each connection: a connection merges what it is given into its own.
    """
    return fabric.Config(ssh_config=paramiko.SSHConfig(), lazy=True)


def _connection(hop: Hop, target: Target, before: fabric.Connection | None) -> fabric.Connection:
    """A connection that is yet to be opened, with all its options by us and none by fabric's own lookups."""
    keys, _revoked = allowed(hop.known_hosts, hop.known_as, hop.port)
    types = list(dict.fromkeys(key.type for key in keys))
    options: dict[str, object] = {
        "timeout": target.timeout,
        "banner_timeout": target.timeout,
        "auth_timeout": target.timeout,
        "channel_timeout": target.timeout,
        "auth_strategy": _Login(hop),
        "transport_factory": _preferring(types),
    }
    if before is None:
        options["sock"] = Proxy(hop.command) if hop.command else _dialled(hop, target)
    connection = fabric.Connection(
        hop.host,
        user=hop.user,
        port=hop.port,
        config=_fabric(),
        gateway=before or False,
        forward_agent=False,
        connect_kwargs=options,
    )
    client = connection.client
    client.set_missing_host_key_policy(_Strict())
    asked_as = hop.host if hop.port == 22 else f"[{hop.host}]:{hop.port}"
    for key in keys:
        with contextlib.suppress(SSHException, UnknownKeyType):  # a type that paramiko does not know
            client.get_host_keys().add(asked_as, key.type, paramiko.PKey.from_type_string(key.type, key.blob))
    return connection


def _dialled(hop: Hop, target: Target) -> socket.socket:
    """A connected socket without Nagle's delay: it costs 40 ms in the handshake and again with each exec."""
    sock = socket.create_connection((hop.host, hop.port), target.timeout)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if target.keepalive and hasattr(socket, "TCP_USER_TIMEOUT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 3000 * target.keepalive)
    return sock


def _preferring(types: list[str]) -> Callable[..., paramiko.Transport]:
    """A factory of transports that ask for a key of a type that is known: the host may have several."""

    def make(sock: Any, **options: Any) -> paramiko.Transport:
        transport = paramiko.Transport(sock, **options)
        security = transport.get_security_options()
        known = {"rsa-sha2-512", "rsa-sha2-256"} if "ssh-rsa" in types else set()
        known.update(types)
        security.key_types = sorted(security.key_types, key=lambda name: name not in known)
        # what needs no MAC beside it comes first: paramiko compares each MAC byte by byte
        security.ciphers = sorted(security.ciphers, key=lambda name: "gcm" not in name)
        return transport

    return make


def _close(opened: list[fabric.Connection]) -> None:
    for connection in reversed(opened):
        if connection.transport is not None:
            with contextlib.suppress(OSError, EOFError):
                connection.transport.sock.shutdown(socket.SHUT_RDWR)  # its thread need not find that out by itself
        connection.client.close()
        with contextlib.suppress(KeyError, OSError):
            connection.connect_kwargs["sock"].close()


def _greeted(hop: Hop, opened: list[fabric.Connection]) -> bool:
    """Whether ``hop`` has said what it is; it is the last of those that were opened, if it took the connection."""
    transport = opened[-1].transport if opened and opened[-1].host == hop.host else None
    return transport is not None and bool(transport.remote_version)


def _is_dropped(error: BaseException) -> bool:
    """Whether the other side hung up before it said what it is."""
    return isinstance(error, (EOFError, ConnectionResetError, BrokenPipeError)) or "banner" in str(error)
