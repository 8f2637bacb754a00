"""SSH through fabric, with what fabric lacks: strict host keys, also for jump hosts, and no Nagle delay.

Fabric accepts any host key and never reads known_hosts (fabric#1804, fabric#2071); here an unknown or
changed key ends the host before anything is sent.
"""

from __future__ import annotations

import contextlib
import logging
import socket
from pathlib import Path
from typing import Any, NoReturn

import fabric
import paramiko
from paramiko.ssh_exception import (
    AuthenticationException,
    BadHostKeyException,
    NoValidConnectionsError,
    PasswordRequiredException,
    SSHException,
)

from ..errors import HostError
from . import Target

__all__ = ["FabricTransport"]

#: What sshd wrote on standard error is kept up to this many bytes.
_TAIL = 8192

# paramiko logs a traceback for each refused connection; the HostError says it once
logging.getLogger("paramiko").setLevel(logging.CRITICAL)


class FabricChannel:
    """One exec on a connection, raw bytes: fabric's own ``run`` feeds one character per 10 ms."""

    def __init__(self, connection: fabric.Connection, command: str) -> None:
        self._connection = connection
        transport = connection.client.get_transport()
        assert transport is not None
        self._channel = transport.open_session()
        self._channel.exec_command(command)

    def send(self, data: bytes) -> None:
        self._channel.sendall(data)

    def receive(self, count: int) -> bytes:
        return self._channel.recv(count)

    def ending(self) -> tuple[int | None, bytes]:
        errors = b""
        with contextlib.suppress(OSError):
            self._channel.settimeout(2)
            while data := self._channel.recv_stderr(_TAIL):
                errors = (errors + data)[-_TAIL:]
        status = self._channel.recv_exit_status() if self._channel.exit_status_ready() else None
        return status, errors

    def close(self) -> None:
        self._channel.close()
        self._connection.close()


class FabricTransport:
    """The entry point ``fabric`` of ``cephdeploy.transports``: the default."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._connection = _connection(target)

    @property
    def user(self) -> str:
        return str(self._connection.user)

    def start(self, command: str) -> FabricChannel:
        """Connect and start ``command``; see :class:`cephdeploy.transports.Transport`."""
        name = self._target.name
        try:
            self._open()
            return FabricChannel(self._connection, command)
        except BadHostKeyException as error:
            _refuse_key(name, error)
        except PasswordRequiredException as error:
            raise HostError(name, "the private key is encrypted; load it into ssh-agent") from error
        except AuthenticationException as error:
            raise HostError(
                name,
                f"login as {self.user} refused: no key that was offered is accepted; "
                "set ssh.key, or load the key into ssh-agent",
            ) from error
        except SSHException as error:
            raise HostError(name, self._ssh_sentence(str(error))) from error
        except NoValidConnectionsError as error:
            raise HostError(name, self._unreachable("nothing listens")) from error
        except TimeoutError as error:
            raise HostError(name, self._unreachable(f"no answer in {self._target.timeout:g} s")) from error
        except socket.gaierror as error:
            raise HostError(name, f"the name {self._connection.host} does not resolve; set its address") from error
        except OSError as error:
            raise HostError(name, self._unreachable(str(error))) from error

    def _open(self) -> None:
        connection: Any = self._connection
        while connection is not None:
            _be_strict(connection, self._target)
            connection = connection.gateway
        self._connection.open()
        transport = self._connection.client.get_transport()
        assert transport is not None
        transport.set_keepalive(self._target.keepalive)
        with contextlib.suppress(OSError, AttributeError):  # a channel through a jump host is no socket
            transport.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _unreachable(self, why: str) -> str:
        where = f"{self._connection.host} port {self._connection.port}"
        return f"not reachable at {where}: {why}; check its address and that sshd runs"

    def _ssh_sentence(self, said: str) -> str:
        if "not found in known_hosts" in said:
            host, port = self._connection.host, self._connection.port
            scan = f"ssh-keyscan -p {port} {host}" if port != 22 else f"ssh-keyscan {host}"
            return (
                f"its host key is not known, and nothing was sent; compare and add it: {scan} >> "
                f"{self._target.known_hosts or '~/.ssh/known_hosts'}"
            )
        return self._unreachable(said)


def _connection(target: Target) -> fabric.Connection:
    """A fabric connection by ssh_config and the site file; the site file wins."""
    ssh_config = paramiko.SSHConfig()
    path = target.config or Path("~/.ssh/config").expanduser()
    if path.is_file():
        ssh_config = paramiko.SSHConfig.from_path(str(path))
    config = fabric.Config(ssh_config=ssh_config, lazy=True)
    config.load_ssh_config = False  # type: ignore[attr-defined]
    gateway = None
    for hop in (target.jump or "").split(","):
        if hop:
            gateway = fabric.Connection(hop.strip(), gateway=gateway, config=config, connect_timeout=int(target.timeout))
            gateway.connect_kwargs.update(_login(target))
    connection = fabric.Connection(
        target.address,
        user=target.user,
        port=target.port,
        config=config,
        gateway=gateway,
        connect_timeout=int(target.timeout),
    )
    connection.connect_kwargs.update(_login(target))
    return connection


def _login(target: Target) -> dict[str, object]:
    kwargs: dict[str, object] = {"banner_timeout": target.timeout, "auth_timeout": target.timeout}
    if target.key is not None:
        kwargs |= {"key_filename": str(target.key)}
    return kwargs


def _be_strict(connection: fabric.Connection, target: Target) -> None:
    client = connection.client
    if target.known_hosts is not None:
        files = [target.known_hosts]
    else:
        lookup = connection.ssh_config.get("userknownhostsfile", "~/.ssh/known_hosts").split()
        files = [Path(name).expanduser() for name in (*lookup, "/etc/ssh/ssh_known_hosts")]
    for path in files:
        if path.is_file():
            client.load_system_host_keys(str(path))
    client.set_missing_host_key_policy(paramiko.RejectPolicy())


def _refuse_key(name: str, error: BadHostKeyException) -> NoReturn:
    raise HostError(
        name,
        f"host key is not the one in known_hosts ({error.key.fingerprint} offered, "
        f"{error.expected_key.fingerprint} known); nothing was sent. if the host was reinstalled: "
        f"ssh-keygen -R {error.hostname}, then add its new key",
    ) from error
