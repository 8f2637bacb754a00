"""Astra Linux: Debian's names, and no recommended packages pulled in by any other means."""

from dataclasses import replace

from cephdeploy.distros import Account
from cephdeploy.distros.debian import debian

astra = replace(
    debian,
    name="astra",
    packages={**debian.packages, "rbd-client": ("ceph-common", "python3-rbd")},
    accounts={"nova": Account("nova", "nova")},
)
