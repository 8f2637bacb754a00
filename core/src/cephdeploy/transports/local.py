"""This machine itself, without SSH: for a site whose hosts include the one that cephdeploy runs on."""

from __future__ import annotations

import getpass
import os

from ..errors import HostError
from . import Target
from .process import ProcessChannel

__all__ = ["LocalTransport"]


class LocalTransport:
    """The entry point ``local`` of ``cephdeploy.transports``."""

    def __init__(self, target: Target) -> None:
        self._target = target

    @property
    def user(self) -> str:
        if os.geteuid() == 0:
            return "root"
        try:
            return getpass.getuser()
        except (KeyError, OSError):  # a container's user that has no name
            return f"uid {os.geteuid()}"

    def start(self, command: str) -> ProcessChannel:
        """Start ``command``; see :class:`cephdeploy.transports.Transport`."""
        try:
            return ProcessChannel(["/bin/sh", "-c", f"exec {command}"], self._target.timeout)
        except OSError as error:
            raise HostError(self._target.name, f"can't start a process here: {error.strerror}") from error
