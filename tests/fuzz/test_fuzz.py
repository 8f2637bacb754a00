"""The fuzz targets hold for what they begin with and for arbitrary bytes; and, where atheris is, for what it finds."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .target import SEEDS, TARGETS

ROOT = Path(__file__).parents[2]
#: Seconds for each target.
SECONDS = os.environ.get("CEPHDEPLOY_TEST_FUZZ_SECONDS", "5")


@pytest.mark.parametrize("name", TARGETS)
def test_what_the_search_begins_with_is_fine(name: str) -> None:
    for seed in SEEDS[name]:
        TARGETS[name](seed)
        for end in range(0, len(seed), 7):
            TARGETS[name](seed[:end])


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_bytes_near_a_good_text_are_read_or_refused(name: str, data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(SEEDS[name]))
    at, end = sorted(data.draw(st.tuples(st.integers(0, len(text)), st.integers(0, len(text)))))
    signs = st.sampled_from([b"\t", b"&a ", b"*a", b"{[", b"\xff", b": ", b"!!"])
    put = data.draw(st.one_of(st.binary(max_size=12), signs))
    TARGETS[name](text[:at] + put + text[end:])


@pytest.mark.fault("F40")
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None,
    reason="atheris is not installed; it has wheels for Python 3.11 to 3.13: pip install atheris",
)
def test_a_search_by_coverage_finds_nothing(name: str, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for number, seed in enumerate(SEEDS[name]):
        (corpus / str(number)).write_bytes(seed)
    options = [f"-max_total_time={SECONDS}", "-timeout=60", "-rss_limit_mb=4096", f"-artifact_prefix={tmp_path}/"]
    ended = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.target", name, *options, str(corpus)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=float(SECONDS) + 800,
    )
    found = [path.name for path in tmp_path.iterdir() if path.is_file()]
    assert ended.returncode == 0, f"{found}: {ended.stderr[-3000:]}"
    assert "Done " in ended.stderr
