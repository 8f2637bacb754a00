"""What the lab asks of its own OpenStack over plain HTTP, and the clouds.yaml that lets others ask."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cephdeploy_lab.errors import LabError

REGION = "RegionOne"
# every lab has the same one: it guards nothing, and what is prepared beforehand may contain it
PASSWORD = "lab-password"


def clouds_document(controller: str) -> str:
    """Render clouds.yaml: `lab` is the administrator, `lab-member` an ordinary user of an ordinary project."""
    return "clouds:\n" + _cloud("lab", controller, "admin", "admin") + _cloud("lab-member", controller, "demo", "demo")


def _cloud(name: str, controller: str, project: str, user: str) -> str:
    return f"""\
  {name}:
    auth:
      auth_url: http://{controller}:5000/v3
      project_name: {project}
      project_domain_name: Default
      username: {user}
      user_domain_name: Default
      password: {PASSWORD}
    region_name: {REGION}
    identity_api_version: 3
"""


@dataclass
class Cloud:
    """The lab's OpenStack as its administrator sees it."""

    controller: str
    _token: str = ""
    _project: str = ""
    # a proxy of the machine's has no way into the lab
    _opener: urllib.request.OpenerDirector = field(
        default_factory=lambda: urllib.request.build_opener(urllib.request.ProxyHandler({}))
    )

    def compute_services(self) -> Mapping[str, tuple[str, str]]:
        """Return host -> (status, state) of each nova-compute."""
        services = self._get(8774, "/v2.1/os-services?binary=nova-compute")["services"]
        return {service["host"]: (service["status"], service["state"]) for service in services}

    def hypervisors(self) -> frozenset[str]:
        """Return the hypervisors that Nova's scheduler can know: those of a discovered host."""
        found = self._get(8774, "/v2.1/os-hypervisors")["hypervisors"]
        return frozenset(hypervisor["hypervisor_hostname"] for hypervisor in found)

    def volume_services(self) -> Mapping[str, str]:
        """Return binary -> state of each of Cinder's services."""
        services = self._get(8776, "/v3/{project}/os-services")["services"]
        return {service["binary"]: service["state"] for service in services}

    def images(self) -> int:
        """Return how many images there are."""
        return len(self._get(9292, "/v2/images")["images"])

    def resource_providers(self) -> frozenset[str]:
        """Return the hypervisors that reported to Placement."""
        found = self._get(8778, "/resource_providers")["resource_providers"]
        return frozenset(provider["name"] for provider in found)

    def _get(self, port: int, path: str) -> Any:
        if not self._token:
            self._log_in()
        request = urllib.request.Request(
            f"http://{self.controller}:{port}{path.format(project=self._project)}",
            headers={"X-Auth-Token": self._token, "Accept": "application/json"},
        )
        with self._opener.open(request, timeout=20) as answer:
            return json.load(answer)

    def _log_in(self) -> None:
        domain = {"id": "default"}
        body = {
            "auth": {
                "identity": {
                    "methods": ["password"],
                    "password": {"user": {"name": "admin", "domain": domain, "password": PASSWORD}},
                },
                "scope": {"project": {"name": "admin", "domain": domain}},
            }
        }
        request = urllib.request.Request(
            f"http://{self.controller}:5000/v3/auth/tokens",
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with self._opener.open(request, timeout=20) as answer:
            self._token = answer.headers["X-Subject-Token"]
            self._project = json.load(answer)["token"]["project"]["id"]


def wait_until(what: str, seen: Callable[[], bool], *, timeout: float, stopped: Callable[[], bool]) -> None:
    """Ask again until it is so; an API that does not answer yet is asked again too."""
    deadline = time.monotonic() + timeout
    last = ""
    while time.monotonic() < deadline and not stopped():
        try:
            if seen():
                return
        except (OSError, urllib.error.URLError, KeyError, json.JSONDecodeError) as error:
            last = f" (last answer: {error})"
        time.sleep(0.3)
    raise LabError(f"{what}: not within {timeout:.0f} s{last}; see /var/log on the lab's controller1")
