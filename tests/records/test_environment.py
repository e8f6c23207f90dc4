"""The commit that a record names is of the code that ran."""

import subprocess

import pytest

from tbpsbench.records import environment
from tbpsbench.records.environment import version_of

NONE = {"commit": None, "dirty": None}


@pytest.fixture
def repository(tmp_path):
    """A repository with a package, a plug-in and, ignored, an environment that holds the same package."""

    def git(*arguments):
        own = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
        done = subprocess.run(["git", "-C", tmp_path, *own, *arguments], check=True, capture_output=True, text=True)
        return done.stdout.strip()

    for folder in ("tbpsbench", "plugins", ".venv/lib/tbpsbench"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "__init__.py").write_text("")
    (tmp_path / ".gitignore").write_text(".venv\n")
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "first")
    return tmp_path, git("rev-parse", "HEAD")


def test_a_checkout_is_its_commit_and_whether_it_was_changed(repository):
    root, commit = repository
    file = root / "tbpsbench" / "__init__.py"
    assert version_of(file) == {"commit": commit, "dirty": False}
    (root / "notes.txt").write_text("no code")
    assert version_of(file) == {"commit": commit, "dirty": False}
    (root / "plugins" / "__init__.py").write_text("changed = True\n")
    assert version_of(file) == {"commit": commit, "dirty": True}


def test_the_repository_that_an_environment_lies_in_is_not_the_code_s(repository):
    root, _ = repository
    assert version_of(root / ".venv/lib/tbpsbench/__init__.py") == NONE
    assert version_of(root.parent / "__init__.py") == NONE


def test_a_package_within_another_repository_counts_its_own_changes(repository):
    root, commit = repository
    (root / "plugins" / "new.py").write_text("")
    (root / "tbpsbench" / "new.py").write_text("")
    assert version_of(root / "tbpsbench" / "__init__.py") == {"commit": commit, "dirty": True}


def test_a_pointer_to_another_repository_is_not_followed(repository, monkeypatch, tmp_path_factory):
    root, commit = repository
    monkeypatch.setenv("GIT_DIR", str(tmp_path_factory.mktemp("other")))
    assert version_of(root / "tbpsbench" / "__init__.py")["commit"] == commit


@pytest.mark.parametrize("script", ["sleep 30", "exit 3", "printf '\\377'; exit 0"])
def test_a_git_that_is_slow_or_broken_leaves_the_commit_open(repository, monkeypatch, tmp_path_factory, script):
    root, _ = repository
    folder = tmp_path_factory.mktemp("bin")
    (folder / "git").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setattr(environment, "GIT_SECONDS", 0.3)
    assert version_of(root / "tbpsbench" / "__init__.py") == NONE
