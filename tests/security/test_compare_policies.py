"""tests/security/compare_policies.sh: what a review is shown of a change to policies, and what
fails it."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.newest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a repository with one commit: the files that make a database."""
    for name in ("app", "sql", "tests"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pgrls.toml", "pyproject.toml", "yoyo.ini"):
        shutil.copy2(ROOT / name, tmp_path / name)
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    author = ["-c", "user.name=Ann Example", "-c", "user.email=ann@example.com"]
    for command in (["init", "--quiet"], ["add", "app", "sql", "yoyo.ini", "pyproject.toml"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    subprocess.run(["git", *author, "commit", "--quiet", "-m", "Base"], cwd=tmp_path, check=True)
    return tmp_path


def compare(checkout: Path) -> subprocess.CompletedProcess[str]:
    """Compare the files as they are with the commit."""
    # A pager, a template or a hook of whoever runs the tests has no say here.
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null"}
    return subprocess.run(
        ["sh", "tests/security/compare_policies.sh", "HEAD"],
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_changes_no_policy_passes(checkout: Path) -> None:
    policies = checkout / "sql/policies/tasks.sql"
    policies.write_text("-- A comment.\n" + policies.read_text("utf-8"), "utf-8")

    done = compare(checkout)

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("no changes.\n")


def test_a_policy_that_lets_more_pass_fails_and_is_shown(checkout: Path) -> None:
    policies = checkout / "sql/policies/tasks.sql"
    text = policies.read_text("utf-8")
    loosened = text.replace("(visibility = 'family' or user_id = app.current_user_id())", "true", 1)
    assert loosened != text
    policies.write_text(loosened, "utf-8")

    done = compare(checkout)

    assert done.returncode == 1, done.stdout + done.stderr
    (dangerous,) = (line for line in done.stdout.splitlines() if "DANGEROUS" in line)
    assert "app.tasks.select_own_or_shared" in dangerous


def test_without_a_base_it_says_how_it_is_called(checkout: Path) -> None:
    done = subprocess.run(
        ["sh", "tests/security/compare_policies.sh"],
        cwd=checkout,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (
        2,
        "usage: sh tests/security/compare_policies.sh BASE\n",
    )
