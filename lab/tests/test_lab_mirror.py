"""The mirror is the machine's own, whichever form its apt sources have."""

from __future__ import annotations

from pathlib import Path

import pytest

from cephdeploy_lab.errors import WrongUseError
from cephdeploy_lab.machine import kept_apt_settings
from cephdeploy_lab.mirror import checked, deb822_sources, debian_mirror, mirror_of_machine, one_line_sources

_STANZAS = """\
# a comment
Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main

Types: deb deb-src
# a comment within
URIs: http://mirror.example/debian
Suites: bookworm
 bookworm-updates
Components: main contrib
"""


def test_the_archive_itself_is_taken_and_not_its_security_part() -> None:
    assert debian_mirror(list(deb822_sources(_STANZAS))) == "http://mirror.example/debian"


def test_a_disabled_stanza_counts_for_nothing() -> None:
    text = "Types: deb\nURIs: http://a.example/debian\nSuites: sid\nComponents: main\nEnabled: no\n"
    assert debian_mirror(list(deb822_sources(text))) is None


def test_a_stanza_of_sources_only_counts_for_nothing() -> None:
    text = "Types: deb-src\nURIs: http://a.example/debian\nSuites: sid\nComponents: main\n"
    assert debian_mirror(list(deb822_sources(text))) is None


def test_one_line_sources_may_have_options_and_comments() -> None:
    text = (
        "# deb http://old.example/debian bookworm main\n"
        "deb-src http://source.example/debian bookworm main\n"
        "deb [arch=amd64 signed-by=/some/key.gpg] http://mirror.example/debian bookworm main # ours\n"
    )
    (source,) = one_line_sources(text)
    assert (source.uri, source.suite, source.components) == ("http://mirror.example/debian", "bookworm", ("main",))


def test_another_publisher_is_no_mirror_of_debian() -> None:
    text = "deb https://packages.example/apt tools-bookworm main\ndeb https://node.example/x nodistro main\n"
    assert debian_mirror(list(one_line_sources(text))) is None


def test_the_older_file_serves_where_no_stanza_does(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d" / "tools.sources").write_text("Types: deb\nURIs: https://x.example\nSuites: a\n")
    (tmp_path / "sources.list").write_text("deb http://mirror.example/debian bookworm main\n")
    assert mirror_of_machine(tmp_path) == "http://mirror.example/debian"


def test_a_machine_without_a_debian_archive_is_told_of_the_option(tmp_path: Path) -> None:
    with pytest.raises(WrongUseError, match="--mirror"):
        mirror_of_machine(tmp_path)


def test_a_mirror_that_is_no_address_is_refused() -> None:
    assert checked("https://mirror.example/debian") == "https://mirror.example/debian"
    with pytest.raises(WrongUseError, match="http://"):
        checked("mirror.example")


def test_the_way_to_the_mirror_is_kept_and_paths_of_this_machine_are_not() -> None:
    dump = (
        'APT::Architecture "amd64";\n'
        'Acquire::http::Proxy "http://proxy.example:3128";\n'
        'Acquire::https::CAInfo "/etc/ssl/some.pem";\n'
        'Acquire::Check-Valid-Until "false";\n'
        'Acquire::Languages "en";\n'
    )
    assert kept_apt_settings(dump).splitlines() == [
        'Acquire::http::Proxy "http://proxy.example:3128";',
        'Acquire::Check-Valid-Until "false";',
    ]
