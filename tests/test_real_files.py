"""The options that the plugins write, in the very files that distributions ship.

The files are those of the lab's bases, for each suite whose base is kept on this machine.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from oslo_config import iniparser

from cephdeploy.dialects import DIALECTS
from cephdeploy.kinds import IniOptions
from cephdeploy.testing import FakeSite
from cephdeploy.values import Default, Items

STATE = Path(os.environ.get("CEPHDEPLOY_LAB_STATE", "/var/lib/cephdeploy-lab"))
RELEASES = {"bookworm": "zed", "trixie": "2025.1", "sid": "2026.1"}
HOSTS = {"ceph1": [], "controller1": ["glance-api", "cinder-volume", "cinder-backup"], "compute1": ["nova-compute"]}
ALL = ["glance", "cinder", "cinder_backup", "nova", "libvirt"]


class Judge(iniparser.BaseParser):
    """oslo.config's own reader: every value of every option, in order."""

    def __init__(self, text: str) -> None:
        self.values: dict[tuple[str, str], list[str]] = {}
        self._section = ""
        self.parse(text.splitlines(keepends=True))

    def new_section(self, section: str) -> None:
        self._section = section

    def assignment(self, key: str, value: list[str]) -> None:
        self.values.setdefault((self._section, key), []).append("\n".join(value))

    def comment(self, comment: str) -> None:
        pass


def wanted(release: str) -> dict[str, dict[tuple[str, str], str | None]]:
    """What the plugins want of each file of a release."""
    found: dict[str, dict[tuple[str, str], str | None]] = {}
    with FakeSite(HOSTS, release=release).deployment(ALL) as deployment:
        for node in deployment.graph.nodes.values():
            if isinstance(node.resource, IniOptions):
                for section, options in node.resource.options.items():
                    for name, value in options.items():
                        text = ",".join(value.items) if isinstance(value, Items) else value
                        text = text.value if isinstance(text, Default) else text
                        if text is None or isinstance(text, str):
                            found.setdefault(node.resource.path, {})[section, name] = text
    return found


@pytest.mark.parametrize("suite", RELEASES)
@pytest.mark.parametrize("path", ["/etc/nova/nova.conf", "/etc/cinder/cinder.conf", "/etc/glance/glance-api.conf"])
def test_a_shipped_file_takes_our_options_and_keeps_all_else(suite: str, path: str) -> None:
    file = STATE / suite / "base/root" / path.lstrip("/")
    if not file.is_file():
        pytest.skip(f"no base of {suite} is kept here; cephdeploy lab base --suite {suite} makes one")
    before, changes, oslo = file.read_bytes(), wanted(RELEASES[suite])[path], DIALECTS["oslo"]

    after = oslo.edit(before, changes)

    old, new = Judge(before.decode()).values, Judge(after.decode()).values
    for option, value in changes.items():
        assert (new.get(option) or [None])[-1] == value
    assert {k: v for k, v in new.items() if k not in changes} == {k: v for k, v in old.items() if k not in changes}
    comments = [line for line in before.splitlines() if line.startswith(b"#")]
    assert [line for line in after.splitlines() if line.startswith(b"#")] == comments
    assert oslo.edit(after, changes) == after
