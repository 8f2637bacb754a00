"""SSH through fabric, with what fabric lacks: strict host keys, also for jump hosts, and no Nagle delay.

Fabric accepts any host key and never reads known_hosts (fabric#1804, fabric#2071); here an unknown or
changed key ends the host before anything is sent. It never asks anything of a person.
"""

from __future__ import annotations

import base64
import contextlib
import logging
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

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
from . import Target
from .known_hosts import allowed
from .ssh_config import Hop, way

__all__ = ["FabricTransport"]

#: What was said on standard error is kept up to this many bytes, from its end.
_TAIL = 8192
#: A busy sshd drops connections before its banner (MaxStartups); nothing was sent, so another try harms nothing.
_PAUSES = (0.2, 1.0)

# paramiko logs a traceback for each refused connection; the HostError says it once
logging.getLogger("paramiko").setLevel(logging.CRITICAL)


class FabricTransport:
    """The entry point ``fabric`` of ``cephdeploy.transports``: the default.

    :raises HostError: the ssh configuration can't be followed.
    """

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
                self._target.name, f"{self._way[-1]} let us in and opened no session: {_said(error)}"
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
            for pause in (*_PAUSES, None):
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
        except BadHostKeyException as error:
            raise self._error(hop, _changed(hop, error)) from error
        except _UnknownKey as error:
            raise self._error(hop, _unknown(hop, error.key, self._way)) from error
        except AuthenticationException as error:
            raise self._error(hop, f"login as {hop.user} refused: {_said(error)}") from error
        except ChannelException as error:
            raise self._error(hop, _not_let_through(hop, self._way, error)) from error
        except (socket.gaierror, UnicodeError) as error:
            why = f"the name {hop.host} does not resolve; set its address in the site file, or HostName in ssh_config"
            raise self._error(hop, why) from error
        except (SSHException, OSError, EOFError) as error:
            why = self._why(error, time.monotonic() - begun)
            raise self._error(hop, f"not reachable at {hop}: {why}; check its address and that sshd runs") from error

    def _why(self, error: BaseException, waited: float) -> str:
        if isinstance(error, ConnectionRefusedError):
            return "nothing listens"
        # by the clock: paramiko gives up a handshake without a word, and says something else of what is asked next
        if isinstance(error, TimeoutError) or waited >= self._target.timeout:
            return f"no answer in {self._target.timeout:g} s"
        return _said(error)

    def _error(self, hop: Hop, why: str) -> HostError:
        through = "" if hop is self._way[-1] else f"on the way through {hop.host}: "
        return HostError(self._target.name, through + why)


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
                raise ConnectionError(_said(self._transport.get_exception() or EOFError()))
            return data
        raise TimeoutError(f"nothing came for {timeout:.0f} s")

    def ending(self) -> tuple[int | None, bytes]:
        self._channel.status_event.wait(2)
        with contextlib.suppress(OSError):
            self._channel.settimeout(0.5)
            while data := self._channel.recv_stderr(_TAIL):
                self._errors = (self._errors + data)[-_TAIL:]
        status = self._channel.recv_exit_status() if self._channel.exit_status_ready() else -1
        return (status if status >= 0 else None), self._errors

    def close(self) -> None:
        with contextlib.suppress(OSError, EOFError):  # the line may be down already
            self._channel.close()
        _close(self._opened)

    def _take_errors(self) -> None:
        """What a host says on standard error is taken off the line, or it would fill the window and stop all."""
        while self._channel.recv_stderr_ready():
            self._errors = (self._errors + self._channel.recv_stderr(1 << 16))[-_TAIL:]

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
            raise ConnectionAbortedError(f"no sign of life for {3 * self._keepalive} s")


class _UnknownKey(SSHException):
    """A host proved a key that no known_hosts file has for it."""

    def __init__(self, key: paramiko.PKey) -> None:
        super().__init__("host key not known")
        self.key = key


class _Strict(paramiko.MissingHostKeyPolicy):
    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        raise _UnknownKey(key)


class _Login(AuthStrategy):
    """The keys of a hop in an order that wastes no attempt: sshd allows six (MaxAuthTries).

    A key that the site file or ssh_config names comes first, by the agent where it holds it; the agent's
    other keys and the usual files follow unless only the named are wanted.
    """

    def __init__(self, hop: Hop) -> None:
        super().__init__(paramiko.SSHConfig())
        self._hop = hop
        self._unusable: list[str] = []

    def authenticate(self, transport: paramiko.Transport) -> list[SourceResult]:
        """Log in.

        :raises AuthenticationException: with what would help.
        """
        tried = 0
        with contextlib.closing(_agent()) as agent:
            for source in self._sources(agent):
                tried += 1
                try:
                    missing = source.authenticate(transport)
                except SSHException as error:
                    if transport.is_active():
                        continue
                    if "imeout" in str(error):
                        raise AuthenticationException("no answer to the login; look at the host's PAM") from error
                    raise AuthenticationException(
                        f"the host hung up after {tried} keys (MaxAuthTries); name the right one by ssh.key"
                    ) from error
                if missing:
                    wish = " and ".join(missing)
                    raise AuthenticationException(f"beside the key the host wants {wish}; exempt the login from it")
                return []
        offered = ("there is no key to offer", "the key that was offered is not accepted")
        why = offered[tried] if tried < 2 else f"none of the {tried} keys that were offered is accepted"
        raise AuthenticationException(
            "; ".join([*self._unusable, why])
            + "; set ssh.key, load the key into ssh-agent, or add it to the login's authorized_keys"
        )

    def get_sources(self) -> Iterator[AuthSource]:
        return iter(())

    def _sources(self, agent: paramiko.Agent) -> Iterator[AuthSource]:
        held = {key.asbytes(): key for key in agent.get_keys()}
        for path in self._hop.keys:
            yield from self._named(path, held, asked_for=True)
        if self._hop.only:
            return
        for key in list(held.values()):
            yield InMemoryPrivateKey(self._hop.user, key)
        if not self._hop.keys:
            for name in ("id_ed25519", "id_ecdsa", "id_rsa"):
                yield from self._named(Path.home() / ".ssh" / name, held, asked_for=False)

    def _named(self, path: Path, held: dict[bytes, paramiko.AgentKey], *, asked_for: bool) -> Iterator[AuthSource]:
        by_agent = held.pop(_public(path), None)
        if by_agent is not None:
            yield InMemoryPrivateKey(self._hop.user, by_agent)
            return
        try:
            key = _private(path, path.stat().st_mtime_ns)
        except FileNotFoundError:
            if asked_for:
                self._unusable.append(f"there is no key {path}")
        except (PasswordRequiredException, TypeError):
            self._unusable.append(f"the key {path} is encrypted, and ssh-agent does not hold it (ssh-add {path})")
        except (OSError, ValueError, SSHException, UnknownKeyType) as error:
            self._unusable.append(f"the key {path} can't be read ({_said(error)})")
        else:
            yield InMemoryPrivateKey(self._hop.user, key)


def _agent() -> paramiko.Agent:
    try:
        return paramiko.Agent()
    except (SSHException, OSError):
        # an agent that is there and does not speak is as good as none
        agent = paramiko.Agent.__new__(paramiko.Agent)
        agent._conn, agent._keys = None, ()  # type: ignore[attr-defined]
        return agent


def _public(path: Path) -> bytes:
    """The public half beside a private key; empty where it does not stand."""
    try:
        return base64.b64decode(path.with_name(path.name + ".pub").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return b""


@lru_cache(maxsize=64)
def _private(path: Path, changed: int) -> paramiko.PKey:
    """A private key; read once a run and not once a host."""
    return paramiko.PKey.from_path(path)


def _fabric() -> fabric.Config:
    """Fabric's defaults and nothing else: no ~/.fabric.py is run, no environment read, no ssh_config followed."""
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
        options["sock"] = _Proxy(hop.command) if hop.command else _dialled(hop, target)
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


class _Proxy(socket.socket):
    """The near end of a ProxyCommand, which has the far end as its standard input and output.

    paramiko's own spins at the end of the stream and leaves its process and pipes behind.
    """

    def __init__(self, command: str) -> None:
        near, far = socket.socketpair()
        super().__init__(fileno=near.detach())
        with far:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", f"exec {command}"],
                stdin=far.fileno(),
                stdout=far.fileno(),
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )

    def close(self) -> None:
        super().close()
        self._process.terminate()
        self._process.wait()


def _preferring(types: list[str]) -> Callable[..., paramiko.Transport]:
    """A factory of transports that ask for a key of a type that is known: the host may have several."""

    def make(sock: Any, **options: Any) -> paramiko.Transport:
        transport = paramiko.Transport(sock, **options)
        security = transport.get_security_options()
        known = {"rsa-sha2-512", "rsa-sha2-256"} if "ssh-rsa" in types else set()
        known.update(types)
        security.key_types = sorted(security.key_types, key=lambda name: name not in known)
        return transport

    return make


def _close(opened: list[fabric.Connection]) -> None:
    for connection in reversed(opened):
        connection.client.close()
        with contextlib.suppress(KeyError, OSError):
            connection.connect_kwargs["sock"].close()


def _is_dropped(error: BaseException) -> bool:
    """Whether the other side hung up before it said what it is."""
    return isinstance(error, (EOFError, ConnectionResetError)) or "banner" in str(error)


def _said(error: BaseException) -> str:
    """An error's words as the middle of a sentence."""
    if isinstance(error, EOFError):
        return "the host closed the connection"
    text = (getattr(error, "strerror", None) or str(error) or type(error).__name__).strip()
    return text.splitlines()[0].rstrip(".")[:300]


def _scan(hop: Hop, way: list[Hop]) -> str:
    """How the key of a hop comes into known_hosts."""
    file = hop.known_hosts[0] if hop.known_hosts else "~/.ssh/known_hosts"
    before = way[: way.index(hop)]
    if before:
        jump = ",".join(f"{one.user}@{one.host}:{one.port}" for one in before)
        return f"ssh -J {jump} -p {hop.port} -o UserKnownHostsFile={file} {hop.user}@{hop.host} true"
    port = "" if hop.port == 22 else f"-p {hop.port} "
    return f"ssh-keyscan {port}{hop.host} >> {file}"


def _unknown(hop: Hop, key: paramiko.PKey, way: list[Hop]) -> str:
    _keys, revoked = allowed(hop.known_hosts, hop.known_as, hop.port)
    if key.asbytes() in revoked:
        return f"its host key is revoked in known_hosts ({key.fingerprint}); nothing was sent"
    return (
        f"host key of {hop} is not known ({key.fingerprint} offered), and nothing was sent; "
        f"compare it with `ssh-keygen -lf` on the host itself, and add it: {_scan(hop, way)}"
    )


def _changed(hop: Hop, error: BadHostKeyException) -> str:
    name = hop.known_as if hop.port == 22 else f"'[{hop.known_as}]:{hop.port}'"
    file = f" -f {hop.known_hosts[0]}" if hop.known_hosts else ""
    return (
        f"host key of {hop} is not the one in known_hosts ({error.key.fingerprint} offered, "
        f"{error.expected_key.fingerprint} known), and nothing was sent; somebody may be in between. if the host was "
        f"reinstalled: ssh-keygen -R {name}{file}, then compare and add its new key"
    )


def _not_let_through(hop: Hop, way: list[Hop], error: ChannelException) -> str:
    before = way[way.index(hop) - 1]
    if error.code == 1:
        return f"{before.host} does not let connections through to {hop}; set AllowTcpForwarding yes in its sshd_config"
    return f"not reachable at {hop} from {before.host}: {error.text}; check its address and that sshd runs"
