"""How the documentation is built: `make docs`. Tables of the reference come from the code, see _ext."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

from cephdeploy import __version__

project = "cephdeploy"
project_copyright = "the cephdeploy authors"
release = version = __version__

extensions = ["myst_parser", "sphinx_click", "from_code"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build", "_ext"]

html_theme = "furo"
html_title = f"cephdeploy {release}"
# nothing is loaded from elsewhere: the pages are read on networks without a way out
html_theme_options = {"navigation_with_keys": True}

man_pages = [("man", "cephdeploy", "make an existing OpenStack use an existing Ceph", "the cephdeploy authors", 1)]
