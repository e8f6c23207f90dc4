"""The package of docs/plugins.md that has one part of each kind."""

import re
from pathlib import Path


def guide_files():
    """Name -> text of every file of the package."""
    guide = Path("docs/plugins.md").read_text()
    return dict(re.findall(r"^`(my_parts/[\w./]+)`.*?\n```\w+\n(.*?)^```", guide, re.M | re.S))
