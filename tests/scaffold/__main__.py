"""Write every file of a new table: `python -m tests.scaffold NAME FIELDS …`, or `make new`.

Exit codes: 0 written; 2 refused, with a line that says why, and nothing is written.
"""

import argparse
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from app.http.endpoint import Endpoint
from app.resources import ENDPOINTS
from app.settings import sql_directory
from tests.examples import EXAMPLE_OF
from tests.scaffold.table import Parent, RefusedError, Table, read_fields, read_name, singular_of

ROOT = sql_directory().parent

WIDTH = 100

# A template and the file it becomes.
FILES = {
    "migration.sql": "sql/migrations/{t.migration}.sql",
    "rollback.sql": "sql/migrations/{t.migration}.rollback.sql",
    "policies.sql": "sql/policies/{t.name}.sql",
    "json.sql": "sql/functions/json/{t.singular}_json.sql",
    "queries.sql": "sql/queries/service/{t.name}.sql",
    "purge.sql": "sql/queries/ops/purge_{t.name}.sql",
    "resource.py": "app/resources/{t.name}.py",
    "test.py": "tests/resources/test_{t.name}.py",
    "example.py": "tests/examples/{t.name}.py",
}


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="make new", description="Write a new table's files.")
    parser.add_argument("name", metavar="NAME", help="the table, a plural: shopping_items")
    parser.add_argument("fields", metavar="FIELDS", help="title:text:200 due_on:date?")
    parser.add_argument("--visibility", choices=("private", "family", "both"), default="both")
    parser.add_argument("--retired", choices=("yes", "no"), default="no")
    parser.add_argument("--parent", metavar="TABLE")
    return parser.parse_args(arguments)


def plan(options: argparse.Namespace) -> Table:
    """Return the table that is asked for.

    Raises:
        RefusedError: It cannot be made.
    """
    name = read_name(options.name)
    tables = dict(_tables())
    if name in tables:
        raise RefusedError(f"NAME: there is a table app.{name} already")
    parent = _parent(options.parent, options.visibility, tables) if options.parent else None
    last = sorted(path.stem for path in (ROOT / "sql/migrations").glob("*[a-z0-9].sql"))
    last = [stem for stem in last if not stem.endswith(".rollback")]
    table = Table(
        name=name,
        fields=read_fields(options.fields),
        visibility=options.visibility,
        retires=options.retired == "yes",
        parent=parent,
        number=f"{int(last[-1][:4]) + 1:04}",
        before=last[-1],
    )
    if parent and f"{parent.singular}_id" in {f.name for f in table.fields}:
        raise RefusedError(f"FIELDS: {parent.singular}_id is taken")
    for path in paths(table).values():
        if path.exists():
            raise RefusedError(f"NAME: {path.relative_to(ROOT)} exists already")
    return table


def _tables() -> Iterator[tuple[str, str]]:
    """Yield each table of the migrations with its definition."""
    for path in sorted((ROOT / "sql/migrations").glob("*.sql")):
        yield from re.findall(
            r"^create table app\.(\w+) \((.*?)^\)", path.read_text("utf-8"), re.M | re.S
        )


def _parent(name: str, visibility: str, tables: Mapping[str, str]) -> Parent:
    definition = tables.get(name)
    if definition is None:
        raise RefusedError(f"PARENT: there is no table app.{name}")
    if "primary key (family_id, id)" not in definition:
        raise RefusedError(f"PARENT: the rows of app.{name} have no id within a family")
    singular_of(name)
    if visibility != "private":
        policy = (ROOT / f"sql/policies/{name}.sql").read_text("utf-8")
        if visibility == "both" or "select_family" not in policy:
            raise RefusedError(
                f"VISIBILITY: what hangs on app.{name} can be private only, for its rows can be"
                if "select_family" not in policy
                else "VISIBILITY: what hangs on another table is private or family"
            )
    created = _creation_of(name)
    assert created.body is not None
    return Parent(
        table=name,
        retires="deleted_at" in definition,
        path=created.path,
        body=created.body.example,
        fact=str(EXAMPLE_OF[name].facts[f"{singular_of(name)}_id"]),
    )


def _creation_of(table: str) -> Endpoint:
    """Return the row that creates what the new table hangs on."""
    singular = singular_of(table)
    for row in ENDPOINTS:
        if row.query == f"create_{singular}" and row.body and "{" not in row.path:
            return row
    raise RefusedError(f"PARENT: no endpoint of its own creates {singular}")


def paths(table: Table) -> Mapping[str, Path]:
    """Return each template with the file it becomes."""
    return {
        template: ROOT / path.format(t=table)
        for template, path in FILES.items()
        if table.retires or template != "purge.sql"
    }


def write(table: Table) -> list[Path]:
    """Write the files, all or none, and return them."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - SQL and Python, not HTML
    )
    environment.globals |= {"listed": listed, "wrapped": wrapped}
    texts = {
        path: environment.get_template(f"{template}.j2").render(t=table)
        for template, path in paths(table).items()
    }
    for path, text in texts.items():
        texts[path] = _formatted(path, text) if path.suffix == ".py" else _narrow(text)
    for path, text in texts.items():
        path.write_text(text, "utf-8")
    return list(texts)


def listed(before: str, names: Sequence[str], after: str) -> str:
    """Return names in parentheses between two texts: in a line, or in as many as they need."""
    line = f"{before} ({', '.join(names)}){after}"
    if len(line) <= WIDTH:
        return line
    indent = " " * ((len(before) - len(before.lstrip()) + 3) // 4 * 4)
    return f"{wrapped(f'{before} (', names)}\n{indent}){after}"


def wrapped(before: str, names: Sequence[str]) -> str:
    """Return names after a text, in its line or in as many below it as they need."""
    line = f"{before} {', '.join(names)}"
    if len(line) <= WIDTH and not before.endswith("("):
        return line
    indent = " " * ((len(before) - len(before.lstrip()) + 3) // 4 * 4 + 4)
    lines = textwrap.wrap(", ".join(names), WIDTH, initial_indent=indent, subsequent_indent=indent)
    return "\n".join([before, *lines])


def _narrow(text: str) -> str:
    """Return SQL without lines that are too long: comments and clauses go on in the next one."""
    lines: list[str] = []
    for line in text.splitlines():
        if len(line) > WIDTH and line.startswith("-- "):
            lines += textwrap.wrap(line, WIDTH, subsequent_indent="-- ")
        elif len(line) > WIDTH:
            place = next(line.index(word) for word in (" where ", " on app.", " '") if word in line)
            lines += [line[:place], f"    {line[place + 1 :]}"]
        else:
            lines.append(line)
    return "\n".join([*lines, ""])


def _formatted(path: Path, text: str) -> str:
    for command in (["format"], ["check", "--fix"], ["format"]):
        run = [sys.executable, "-m", "ruff", *command, "--quiet", f"--stdin-filename={path}", "-"]
        done = subprocess.run(run, cwd=ROOT, input=text, capture_output=True, text=True, check=True)
        text = done.stdout
    return text


def main() -> int:
    """Write the table's files and say which."""
    options = parse(sys.argv[1:])
    try:
        table = plan(options)
    except RefusedError as error:
        sys.stderr.write(f"make new: {error}\n")
        return 2
    for path in write(table):
        sys.stdout.write(f"{path.relative_to(ROOT)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
