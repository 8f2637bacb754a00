"""Reads the site file into settings, or says all its faults, each with its place.

``_reading`` makes parts with places of its text, ``_judging`` settings of the parts by what ``_model`` says the file
may hold; ``_faults`` gathers what is wrong, in the words of ``_words``. ``writing`` is the way back: what
``cephdeploy init`` writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from ..errors import SiteFileError
from ..settings import Component, SiteSettings
from ._faults import Faults, printed
from ._judging import explained, judge
from ._reading import bytes_of, read

__all__ = ["load"]


def load(
    path_or_text: Path | str | bytes,
    components: Iterable[Component],
    name: str | None = None,
    folder: Path | None = None,
    all_components: Callable[[], Iterable[Component]] | None = None,
) -> SiteSettings:
    """Read the site file.

    :param path_or_text: the file as a ``Path``, or what stands in it as text or bytes.
    :param components: the sections and roles that plugins have.
    :param name: what faults call the file; by default the path as given, or ``site.yml`` for a text.
    :param folder: where relative paths begin; by default the file's own folder; for a text, none.
    :param all_components: gives more of them, asked only when the file names a section or a role that ``components``
        don't have.
    :raises SiteFileError: the file has faults: all of them, in the file's order.
    :raises SettingsError: there is no such file, or it can't be read.
    """
    known = Component.check(components)
    if isinstance(path_or_text, Path):
        content = bytes_of(path_or_text)
        name = name or str(path_or_text)
        folder = (folder or path_or_text.parent).absolute()
    else:
        # a lone surrogate is no text in any file: it becomes bytes that are refused below
        content = path_or_text if isinstance(path_or_text, bytes) else path_or_text.encode(errors="surrogatepass")
    faults = Faults(printed(name or "site.yml"))
    root = read(content, faults)
    if root is not None and all_components is not None and not explained(root, known):
        known = Component.check(all_components())
    site = judge(root, known, folder, faults) if root is not None else None
    if site is None or faults:
        raise SiteFileError(faults.sorted())
    return site
