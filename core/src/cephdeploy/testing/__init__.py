"""Fakes for tests of plugins and of core: state in, state out; no process, no network, no clock.

A plugin author's whole test::

    site = FakeSite({"ceph1": [], "controller1": ["glance-api"]}, release="zed", distro="debian")
    plan = apply_twice(site.deployment(["glance"]))
    assert site.ceph.users["client.glance"].caps["mon"] == "profile rbd"
    assert site.restarts == [("controller1", "glance-api.service")]
    assert_no_secrets(site, plan)

What the fake was not told to know it refuses by :class:`Unscripted`: it never guesses. A program of the
plugin's own is added by ``site.hosts["controller1"].programs["manila-manage"] = callable``.
"""

from __future__ import annotations

from ._ceph import FakeCeph, FakeImage, FakePool, FakeUser, cephx_key
from ._disk import FakeDirectory, FakeFile
from ._host import FakeHost
from ._libvirt import FakeSecret
from ._programs import Program, Said, Unscripted
from ._site import PASSWORD, FakeSite, apply_twice, assert_no_secrets, plugin_of
from ._systemd import FakeUnit

__all__ = [
    "PASSWORD",
    "FakeCeph",
    "FakeDirectory",
    "FakeFile",
    "FakeHost",
    "FakeImage",
    "FakePool",
    "FakeSecret",
    "FakeSite",
    "FakeUnit",
    "FakeUser",
    "Program",
    "Said",
    "Unscripted",
    "apply_twice",
    "assert_no_secrets",
    "cephx_key",
    "plugin_of",
]
