"""A component and a distribution of somebody else's, built as packages and installed outside the tree."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import ROOT, Lab, addresses


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both examples installed from their wheels."""
    folder = tmp_path_factory.mktemp("elsewhere")
    for name in ("component", "distribution"):
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder)]
        subprocess.run([*pip, str(ROOT / "examples" / name)], check=True, capture_output=True)
    return folder


def test_a_foreign_component_on_a_foreign_distribution_plans_runs_and_verifies(
    lab: Lab, elsewhere: Path, tmp_path: Path
) -> None:
    site = tmp_path / "site.yml"
    text = lab.site.read_text().replace(
        "ceph1: {address: 10.77.0.10}", "ceph1: {address: 10.77.0.10, roles: [usage-exporter], distro: astra}"
    )
    site.write_text(text + "usage: {every: 5}\n")
    foreign = {"PYTHONPATH": str(elsewhere)}

    listed = json.loads(lab.cephdeploy("plugins", "-f", "json", environment=foreign).out)
    assert {"name": "usage", "distribution": "cephdeploy-usage", "version": "1.0.0"}.items() <= next(
        one for one in listed["plugins"] if one["name"] == "usage"
    ).items()
    planned = lab.cephdeploy("plan", "--plugins", "usage", "-f", "json", site=site, environment=foreign)
    assert planned.status == 0, planned.said
    found = addresses(json.loads(planned.out)["changes"])
    assert {"ceph1/user:client.usage", "ceph1/service:usage-exporter.service"} <= found
    ended = lab.cephdeploy("run", "--plugins", "usage", "--yes", site=site, environment=foreign)
    assert ended.status == 0, ended.said
    assert lab.on("ceph1", "systemctl is-active usage-exporter").strip() == "active"
    again = lab.cephdeploy("run", "--plugins", "usage", "--yes", "--detailed-exitcode", site=site, environment=foreign)
    assert again.status == 0, again.said
    assert "othing to do" in again.out
