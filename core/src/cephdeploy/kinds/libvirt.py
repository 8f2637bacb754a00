"""The secret under which libvirt keeps a cephx key for QEMU, defined and set through standard input."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from ..requests import MISSING, Answer, Kept, Ran, Request, Run
from ..resource import Resource, State, Unfit, Upstream, Value
from ..values import Fingerprint, Ref, Secret, Unknown

if TYPE_CHECKING:
    from ..site import Host, Site

__all__ = ["LibvirtSecret", "Present", "keeping", "present", "probe", "set_value"]

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
#: What stands between the key, which is in base64, and what else libvirt is asked in the same breath.
_APART = ":and:"
_XML = """<secret ephemeral='no' private='no'>
  <uuid>{uuid}</uuid>
  <usage type='ceph'>
    <name>{usage}</name>
  </usage>
</secret>
"""


@dataclass(frozen=True)
class Present:
    """What libvirt says of a secret.

    :param xml: its definition; empty: there is none.
    :param listed: the uuid and the usage name of every secret.
    """

    xml: str
    value: Fingerprint | None
    listed: tuple[tuple[str, str], ...]


def probe(uuid: str) -> Run:
    """Ask for a secret: in one process, as each begins a conversation with libvirt; the status is of its last word."""
    asked = f"secret-get-value {uuid}; echo {_APART}; secret-dumpxml {uuid}; secret-list"
    return Run(argv=("virsh", "-q", asked), keep="digest", until=_APART, accept=(0, 1))


def present(answer: Answer) -> Present:
    """What :func:`probe` was answered.

    :raises Unfit: there is no virsh, or libvirt does not answer.
    """
    assert isinstance(answer, Ran)
    if answer.status == MISSING:
        raise Unfit("there is no virsh; install libvirt, or take the role nova-compute from the host")
    if answer.status != 0:
        raise Unfit(f"libvirt does not answer: {answer.reason}; look at libvirtd, or virtsecretd")
    value, _, rest = answer.text.partition(_APART)
    xml, end, _ = rest.partition("</secret>")
    return Present(xml if end else "", Fingerprint(value) if value else None, tuple(_listed(rest)))


def keeping(uuid: str) -> tuple[Run, Run]:
    """Make the host keep a secret for a rollback, for root alone: its definition, and its value if it has one."""
    virsh = ("virsh", "-q")
    return (
        Run(argv=(*virsh, "secret-dumpxml", uuid), keep="nothing", save=f"secret-xml {uuid}"),
        Run(argv=(*virsh, "secret-get-value", uuid), keep="nothing", save=f"secret {uuid}", accept=(1,)),
    )


def set_value(uuid: str, *, stdin: Secret | bytes = b"", feed: Kept | None = None) -> Run:
    """Set a secret's value from standard input, or from what the host kept."""
    argv = ("virsh", "-q", "secret-set-value", "--secret", uuid, "--file", "/dev/stdin")
    return Run(argv=argv, stdin=stdin, feed=feed)


@dataclass(frozen=True, kw_only=True)
class LibvirtSecret(Resource):
    """A persistent libvirt secret that holds a cephx key.

    ``virsh secret-set-value`` accepts garbage with status 0, so the value is read back and compared, as
    a digest that the host makes: the key never comes back up the line. Secrets of others are never
    touched.

    :param uuid: what ``rbd_secret_uuid`` of cinder.conf and nova.conf says.
    :param usage: libvirt's usage name, unique on a host.
    :param value: the key, in base64 as cephx has it.
    """

    kind: ClassVar[str] = "secret"
    slow: ClassVar[bool] = True

    uuid: str
    usage: str
    value: Secret | Ref | Unknown

    @classmethod
    def of(cls, site: Site, host: Host, entity: str) -> Self:
        """The secret for a cephx user such as ``client.cinder``, with the usage that Ceph's manual gives it."""
        return cls(host=host.name, uuid=site.secret_uuid(entity), usage=f"{entity} secret", value=site.key(entity))

    @property
    def name(self) -> str:
        return self.uuid

    def probe(self) -> Sequence[Request]:
        return (probe(self.uuid),)

    def read(self, answers: Sequence[Answer]) -> State | None:
        said = present(answers[0])
        for uuid, usage in said.listed:
            if usage == self.usage and uuid != self.uuid:
                raise Unfit(
                    f"libvirt's secret {uuid} has the usage '{self.usage}' already, and {self.uuid} is wanted; "
                    f"keep the old one by ceph.secret_uuids in the site file, or "
                    f"virsh secret-undefine {uuid} if nothing uses it"
                )
        if not said.xml:
            return None
        found = re.search(r"<usage type='\w+'>\s*<\w+>([^<]*)<", said.xml)
        values: dict[str, Value] = {
            "usage": found.group(1) if found else None,
            "ephemeral": "yes" if "ephemeral='yes'" in said.xml else "no",
            "value": said.value,
        }
        if "private='yes'" in said.xml:
            raise Unfit(
                f"libvirt's secret {self.uuid} is private and can't be compared; virsh secret-undefine {self.uuid}"
            )
        if values["usage"] != self.usage:
            raise Unfit(
                f"libvirt's secret {self.uuid} is in use for '{values['usage']}', and '{self.usage}' is wanted; "
                "pin another uuid by ceph.secret_uuids in the site file"
            )
        return State(values)

    def want(self, have: State | None, upstream: Upstream) -> State:
        assert not isinstance(self.value, Ref)
        value = self.value.fingerprint if isinstance(self.value, Secret) else self.value
        return State({"usage": self.usage, "ephemeral": "no", "value": value})

    def change(self, have: State | None, want: State) -> Sequence[Request]:
        assert isinstance(self.value, Secret)
        requests = list(keeping(self.uuid)) if have is not None else []
        if have is None or have.values["ephemeral"] != "no":
            xml = _XML.format(uuid=self.uuid, usage=self.usage).encode()
            requests.append(Run(argv=("virsh", "-q", "secret-define", "/dev/stdin"), stdin=xml))
        return [*requests, set_value(self.uuid, stdin=self.value)]


def _listed(text: str) -> list[tuple[str, str]]:
    """The uuid and usage name of each line that is of ``virsh secret-list``: ``UUID  ceph client.cinder secret``."""
    found = []
    for line in text.splitlines():
        words = line.split(maxsplit=2)
        if len(words) == 3 and _UUID.fullmatch(words[0]):
            found.append((words[0], words[2].strip()))
    return found
