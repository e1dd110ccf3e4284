"""What pgrls finds in a database, and the exceptions of pgrls.toml, by rule and pattern.

    python -m tests.security.judges postgresql://…

prints what it finds and nothing excepts, then what is excepted and not found any more; by either
it fails. It may be run on any database of ours, and only reads.
"""

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import psycopg

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "pgrls.toml"
FACTS = Path(__file__).with_name("judges.sql")


@dataclass(frozen=True)
class Finding:
    """What a rule of pgrls says of an object, and what the catalog knows of that object."""

    rule: str
    name: str
    message: str
    facts: dict[str, list[str]]

    def __str__(self) -> str:
        return f"{self.rule} {self.name}: {self.message}"


@dataclass(frozen=True)
class Excepted:
    """One entry of `exceptions` in pgrls.toml: for each condition, the patterns it may match."""

    rules: list[str]
    conditions: dict[str, list[str]]
    reason: str

    @classmethod
    def read(cls, entry: dict[str, Any]) -> "Excepted":
        """Read an entry; raise ValueError where it excepts a whole rule or gives no reason."""
        conditions = {key: _texts(value) for key, value in entry.items()}
        rules, reason = conditions.pop("rules", []), " ".join(conditions.pop("reason", []))
        if not (rules and reason and conditions and all(conditions.values())):
            raise ValueError(f"{CONFIG.name}: rules, a condition and a reason are needed: {entry}")
        return cls(rules, conditions, reason)

    def covers(self, finding: Finding) -> bool:
        """Say whether all the entry asks is true of what was found."""
        return finding.rule in self.rules and all(
            _match(finding.facts.get(key, []), patterns)
            for key, patterns in self.conditions.items()
        )

    def parts(self) -> Iterator["Excepted"]:
        """Yield the entry with one of its rules, and of one condition one pattern, at a time."""
        for rule in self.rules:
            for key, patterns in self.conditions.items():
                for pattern in patterns:
                    yield Excepted([rule], {**self.conditions, key: [pattern]}, self.reason)

    def __str__(self) -> str:
        asked = (f"{key} = {' or '.join(found)}" for key, found in self.conditions.items())
        return f"{self.rules[0]} {', '.join(asked)}"


def _texts(value: object) -> list[str]:
    """Return a value of TOML or JSON as a list: of itself, if it is none."""
    values = value if isinstance(value, list) else [value]
    return [str(each).strip() for each in values]


def _match(values: list[str], patterns: list[str]) -> bool:
    """Say whether there is a value, and a pattern for each of them."""
    return bool(values) and all(
        any(_match_name(value, pattern) for pattern in patterns) for value in values
    )


def _match_name(name: str, pattern: str) -> bool:
    parts, patterns = name.split("."), pattern.split(".")
    return len(parts) == len(patterns) and all(map(fnmatchcase, parts, patterns))


EXCEPTIONS = [Excepted.read(each) for each in tomllib.loads(CONFIG.read_text())["exceptions"]]


def ask(url: str, program: str, *arguments: str) -> Any:
    """Run a judge on a database and return its JSON; fail with what it says if there is none."""
    done = subprocess.run(
        [Path(sys.executable).with_name(program), *arguments],
        env={**os.environ, "DATABASE_URL": url},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr  # 1: it has found something
    return json.loads(done.stdout)


def lint(url: str) -> list[Finding]:
    """Return all that the rules of pgrls find, excepted or not."""
    with psycopg.connect(url) as connection:
        known: dict[str, dict[str, Any]] = dict(connection.execute(FACTS.read_bytes()).fetchall())
    findings = []
    for each in ask(url, "pgrls", "lint", "--format=json")["violations"]:
        name = each["location"]
        facts = {key: _texts(value) for key, value in known.get(name, {}).items()}
        findings.append(
            Finding(each["rule_id"], name, each["message"], {"object": [name], **facts})
        )
    return findings


def unexcepted(findings: list[Finding]) -> list[Finding]:
    """Return what is to be mended in sql/, or excepted in pgrls.toml with the reason."""
    return [each for each in findings if not any(some.covers(each) for some in EXCEPTIONS)]


def needless(findings: list[Finding]) -> list[str]:
    """Return what is to be taken out of pgrls.toml: it covers no finding any more."""
    parts = (part for some in EXCEPTIONS for part in some.parts())
    return sorted({str(part) for part in parts if not any(map(part.covers, findings))})


def complaints(findings: list[Finding]) -> list[str]:
    """Say both in lines to be read."""
    mend = f"mend it in sql/, or except it in {CONFIG.name}"
    drop = f"finds nothing, take it out of {CONFIG.name}"
    return [
        *(f"{mend}: {each}" for each in unexcepted(findings)),
        *(f"{drop}: {each}" for each in needless(findings)),
    ]


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m tests.security.judges URL")
    sys.exit("\n".join(complaints(lint(sys.argv[1]))) or None)
