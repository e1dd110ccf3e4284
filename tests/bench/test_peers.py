"""The peers of the bench: that they describe themselves, and find what they read of Hearth's."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from app.db.queries import load_queries
from app.settings import sql_directory

# The schema is not what they are about.
pytestmark = pytest.mark.no_judge

PEERS = Path(__file__).parents[2] / "bench/peers"
DIRECTORIES = sorted(path.parent for path in PEERS.glob("*/peer.toml"))
SOURCES = sorted(
    path
    for directory in DIRECTORIES
    for suffix in ("py", "js", "go")
    for path in directory.rglob(f"*.{suffix}")
)

# A file of sql/queries/service and a name in it, then the parameters where a peer numbers them.
READ = re.compile(r"""\(\s*["'](\w+\.sql)["'],\s*["'](\w+)["']((?:,\s*["']\w+["'])*),?\s*\)""")


def description(directory: Path) -> dict[str, Any]:
    return tomllib.loads((directory / "peer.toml").read_text("utf-8"))


def test_there_are_the_peers_that_the_readme_lists() -> None:
    listed = re.findall(r"^\| `(\w+)` \|", (PEERS / "README.md").read_text("utf-8"), re.MULTILINE)

    assert sorted(listed) == [directory.name for directory in DIRECTORIES]


@pytest.mark.parametrize("directory", DIRECTORIES, ids=lambda directory: directory.name)
def test_a_peer_says_how_it_is_installed_started_and_asked(directory: Path) -> None:
    peer = description(directory)

    assert peer["title"]
    assert all(isinstance(command, str) for command in peer["needs"])
    assert all(peer["install"])
    assert peer["start"]
    assert all(peer["absent"].values())
    assert not peer["absent"].keys() & peer.get("requests", {}).keys()
    assert peer.get("answers", {}).keys() == peer.get("requests", {}).keys()
    for request in peer.get("requests", {}).values():
        json.loads(request["body"])


@pytest.mark.parametrize("directory", DIRECTORIES, ids=lambda directory: directory.name)
def test_a_peer_pins_what_it_is_made_of_and_names_no_registry(directory: Path) -> None:
    [pins] = [
        path
        for name in ("package-lock.json", "requirements.txt", "go.sum")
        if (path := directory / name).exists()
    ]
    text = pins.read_text("utf-8")

    assert '"resolved"' not in text
    if pins.name == "requirements.txt":
        assert all("==" in line for line in text.splitlines())


def test_a_query_of_hearth_that_a_peer_reads_is_there_with_its_parameters() -> None:
    queries = load_queries()
    service = sql_directory() / "queries/service"
    found = 0

    for path in SOURCES:
        for file, name, listed in READ.findall(path.read_text("utf-8")):
            found += 1
            parameters = re.findall(r"\w+", listed)
            assert f"-- name: {name}\n" in (service / file).read_text("utf-8"), path
            if path.suffix != ".py":
                assert sorted(parameters) == sorted(set(queries[name].parameters)), path

    assert found == 10
