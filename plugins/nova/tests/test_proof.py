"""What the proofs of Nova conclude from libvirt's and nova-compute's words."""

from __future__ import annotations

from cephdeploy_nova.proof import attached_by, how_it_went

XML = """
<domain><devices>
<disk type='network' device='disk'>
  <auth username='cinder'><secret type='ceph' uuid='11111111-3e39-529e-863c-0dd8b642ede4'/></auth>
  <source protocol='rbd' name='vms/d9f2_disk'/>
</disk>
<disk type='network' device='disk'>
  <auth username='cinder'><secret type='ceph' uuid='c6403ec0-3e39-529e-863c-0dd8b642ede4'/></auth>
  <source protocol='rbd' name='volumes/volume-8e1f'/>
</disk>
<disk type='file' device='cdrom'><source file='/x/plain-77'/></disk>
</devices></domain>
"""


def test_the_secret_is_that_of_the_volume_s_own_disk() -> None:
    assert attached_by(XML, "8e1f") == ("cinder", "c6403ec0-3e39-529e-863c-0dd8b642ede4")


def test_a_disk_that_is_not_there_and_one_without_a_secret_are_not_the_same() -> None:
    assert attached_by(XML, "ffff") is None
    assert attached_by(XML, "plain-77") == ("", "")


LOG = """\
INFO nova.compute.manager [None req-1] [instance: d9f2] instance snapshotting
INFO nova.virt.libvirt.driver [None req-1] [instance: d9f2] Beginning cold snapshot process
INFO nova.compute.manager [None req-2] [instance: d9f2] instance snapshotting
INFO nova.virt.libvirt.driver [None req-2] [instance: d9f2] Beginning live snapshot process
WARNING nova.virt.libvirt.driver [None req-2] Performing standard snapshot because direct snapshot failed: no write
""".splitlines()


def test_only_the_last_snapshot_of_the_guest_counts() -> None:
    assert how_it_went(LOG, "d9f2") == ("no write", False)
    assert how_it_went(LOG[:2], "d9f2") == ("", True)
    assert how_it_went(LOG, "another") == ("", False)
