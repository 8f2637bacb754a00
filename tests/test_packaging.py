"""The distributions fit together, build, and are found when they are installed."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECTS = sorted(
    path.parent
    for path in [
        *ROOT.glob("core/pyproject.toml"),
        *ROOT.glob("plugins/*/pyproject.toml"),
        *ROOT.glob("lab/pyproject.toml"),
    ]
)
EXAMPLES = sorted(path.parent for path in ROOT.glob("examples/*/pyproject.toml"))
LICENCE = (ROOT / "LICENSE").read_bytes()


def tracked() -> list[Path]:
    """Every file that git tracks or would track."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
    )
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def project(folder: Path) -> dict[str, object]:
    """The ``[project]`` table of a distribution."""
    table: dict[str, object] = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    return table


def test_all_distributions_have_one_version() -> None:
    assert len({str(project(folder)["version"]) for folder in PROJECTS}) == 1


def test_the_development_set_up_names_every_distribution() -> None:
    named = set(re.findall(r"^-e \./([\w/]+)", (ROOT / "dev.txt").read_text(), re.MULTILINE))
    assert named == {str(folder.relative_to(ROOT)) for folder in PROJECTS}


def test_the_constraints_pin_versions_and_name_no_place_to_get_them_from() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.+-]+", line) for line in lines), lines


def test_no_file_names_a_registrys_host_or_a_developers_folder() -> None:
    bad = re.compile(r"https?://(?:deb|security|snapshot|files|registry|pypi)\.|https?://[\w.-]+/simple|/root/\.pyenv")
    found = []
    for path in tracked():
        text = path.read_bytes().decode(errors="replace")
        if path != Path(__file__) and bad.search(text):
            found.append(str(path.relative_to(ROOT)))
    assert found == []


def copied(folder: Path, target: Path) -> Path:
    """``target`` with what git has of a folder, and no build folder of before."""
    for path in tracked():
        if folder in path.parents:
            copy = target / path.relative_to(folder)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    return target


@pytest.mark.parametrize("folder", [*PROJECTS, *EXAMPLES], ids=lambda folder: str(folder.relative_to(ROOT)))
def test_sdist_and_wheel_hold_the_licence_and_nothing_in_their_making_is_deprecated(
    folder: Path, tmp_path: Path
) -> None:
    pytest.importorskip("build", reason="sdists are made by build")
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(tmp_path / "made")]
    copy = copied(folder, tmp_path / folder.name)
    ended = subprocess.run([*build, str(copy)], capture_output=True, text=True)
    said = ended.stdout + ended.stderr
    assert ended.returncode == 0, said
    assert "deprecat" not in said.lower(), said
    (sdist,), (wheel,) = (tmp_path / "made").glob("*.tar.gz"), (tmp_path / "made").glob("*.whl")
    with tarfile.open(sdist) as held:
        packed = held.extractfile(f"{sdist.name.removesuffix('.tar.gz')}/LICENSE")
        assert packed is not None and packed.read() == LICENCE
    with zipfile.ZipFile(wheel) as unpacked:
        info = f"{sdist.name.removesuffix('.tar.gz')}.dist-info"
        assert unpacked.read(f"{info}/licenses/LICENSE") == LICENCE
        metadata = unpacked.read(f"{info}/METADATA").decode().splitlines()
    assert {"License-Expression: Apache-2.0", "License-File: LICENSE", "Author: the cephdeploy authors"} < {*metadata}


def test_cores_sdist_knows_every_mark_that_the_checkout_knows() -> None:
    conftest = (ROOT / "core/tests/conftest.py").read_text()
    marks = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]["markers"]
    assert all(f'"{mark}"' in conftest for mark in marks)
    assert "include tests/conftest.py" in (ROOT / "core/MANIFEST.in").read_text()


def test_what_is_asked_of_setuptools_knows_a_licence_by_its_name_and_is_what_the_page_names() -> None:
    asked = {
        str(tomllib.loads((folder / "pyproject.toml").read_text())["build-system"]["requires"])
        for folder in [*PROJECTS, *EXAMPLES]
    }
    assert asked == {"['setuptools>=77']"}
    (pinned,) = re.findall(r"^setuptools==(\d+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert int(pinned) >= 77
    assert "setuptools 77 or newer" in (ROOT / "docs/packaging.md").read_text()


@pytest.mark.timeout(300)
def test_wheels_build_without_a_network_and_are_found_where_they_are_unpacked(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    wheels, vendor = tmp_path / "wheels", tmp_path / "vendor"
    build = [*pip, "wheel", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", str(wheels)]
    copies = [copied(folder, tmp_path / folder.name) for folder in PROJECTS]
    subprocess.run([*build, *map(str, copies)], check=True, capture_output=True)
    built = sorted(wheels.glob("*.whl"))
    assert len(built) == len(PROJECTS)
    subprocess.run(
        [*pip, "install", "--no-deps", "--no-index", "--target", str(vendor), *map(str, built)],
        check=True,
        capture_output=True,
    )
    # the libraries from this environment, ours from the folder alone
    program = (
        "import sys; sys.path = [p for p in sys.path if not p.endswith('/src')]\n"
        "sys.meta_path = [f for f in sys.meta_path if 'editable' not in repr(f)]\n"
        f"sys.path.insert(0, {str(vendor)!r})\n"
        "import cephdeploy, cephdeploy.plugins as p, cephdeploy.sitefile.writing as s, cephdeploy.deployment as d\n"
        "print(cephdeploy.__file__); print(*p.installed()); print(*p.installed('cephdeploy.distros'))\n"
        "print(len(s.template(d.components())))"
    )
    ended = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    home, plugins, distros, length = ended.stdout.splitlines()
    assert home.startswith(str(vendor))
    assert plugins.split() == ["cinder", "cinder_backup", "glance", "libvirt", "nova"]
    assert {"debian", "ubuntu", "rhel", "centos7"} <= set(distros.split())
    assert int(length) > 1000


def test_every_entry_point_imports_and_is_what_its_group_says() -> None:
    from cephdeploy.distros import Distro
    from cephdeploy.plugins import Plugins, driver, installed

    for name in installed("cephdeploy.distros"):
        assert isinstance(driver("cephdeploy.distros", name), Distro)
    for name in installed("cephdeploy.transports"):
        assert callable(driver("cephdeploy.transports", name).start)
    assert Plugins(list(installed())).components()
