"""README's file tree is complete and names nothing that is gone; tests read nothing beside the repository."""

import re
import subprocess
from pathlib import Path


def tree():
    block = re.search(r"## Where things are\n+```\n(.*?)```", Path("README.md").read_text(), re.S)
    assert block, "README has no file tree"
    return {line.split()[0].rstrip("/") for line in block[1].splitlines() if line.strip()}


def tracked():
    listed = subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True).stdout.split()
    return [Path(name) for name in listed]


def test_tree_names_every_top_level_entry_and_every_package_folder():
    wanted = {path.parts[0] for path in tracked() if not path.parts[0].startswith((".", "tbpsbench"))}
    wanted |= {str(path.parent) for path in tracked() if path.parts[0] == "tbpsbench" and len(path.parts) == 3}
    wanted |= {str(path) for path in tracked() if path.parent == Path("tbpsbench") and path.suffix == ".py"} - {
        "tbpsbench/__init__.py"
    }
    assert wanted <= tree(), f"README's tree lacks {sorted(wanted - tree())}"


def test_tree_names_nothing_that_is_gone():
    assert [name for name in tree() if not Path(name).exists()] == []


def test_links_of_all_documents_lead_somewhere():
    for page in [Path("README.md"), Path("CONTRIBUTING.md"), *Path("docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page}: {target}"


def test_tests_and_benchmarks_read_nothing_beside_the_repository():
    """Whatever lies there is absent elsewhere, where such a test would be skipped in silence."""
    folders = {"tests", "plugins", "benchmarks", "tools"}
    outside = "../" + "shared"
    named = [p for p in tracked() if p.suffix == ".py" and p.parts[0] in folders and outside in p.read_text()]
    assert named == []
