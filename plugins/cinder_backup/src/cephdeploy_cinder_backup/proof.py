"""The proof that cinder-backup runs: Cinder's own word, since systemd calls a crash loop active."""

from __future__ import annotations

from cephdeploy import Host
from cephdeploy.errors import ProofError
from cephdeploy.verify import Workbench

__all__ = ["service_is_up"]


def service_is_up(bench: Workbench, host: Host) -> str:
    """Waited for: a service reports every 10 s, and after a restart not at once."""

    def up() -> str | None:
        for service in bench.cloud.block_storage.services(binary="cinder-backup"):
            if service.host == host.name and service.state == "up":
                return f"{service.status}, up"
        return None

    found = bench.wait(up, timeout=90, every=2)
    if found is None:
        raise ProofError(f"cinder-backup on {host.name} is not up after 90 s; see /var/log/cinder/cinder-backup.log")
    return found
