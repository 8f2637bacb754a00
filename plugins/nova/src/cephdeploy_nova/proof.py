"""The proof that nova-compute works: Nova's own word."""

from __future__ import annotations

from cephdeploy import Host
from cephdeploy.errors import ProofError
from cephdeploy.verify import Workbench

__all__ = ["compute_is_up"]


def compute_is_up(bench: Workbench, host: Host) -> str:
    """Waited for: a service reports every 10 s, and after a restart not at once."""

    def up() -> str | None:
        for service in bench.cloud.compute.services(binary="nova-compute"):
            if service.host == host.name and service.state == "up":
                return f"{service.status}, up"
        return None

    found = bench.wait(up, timeout=120, every=2)
    if found is None:
        raise ProofError(f"nova-compute on {host.name} is not up after 120 s; see /var/log/nova/nova-compute.log there")
    return found
