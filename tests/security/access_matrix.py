"""Write what `docs/generated/access-matrix.md` should be: `python -m
tests.security.access_matrix`, or `make matrix`.

And read it again, for the test that holds it against the server.
"""

import asyncio
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from app import embedded, migrations
from app.settings import sql_directory
from tests.conftest import Cluster
from tests.security.access import CALLERS, LOGINS, Caller, Cell, Matrix, Section, measure
from tests.support.fixtures import bootstrap

PAGE = sql_directory().parent / "docs/generated/access-matrix.md"

Kind = tuple[str, str]  # of rows: whose, and in what state
Seen = dict[Kind, tuple[str, ...]]  # verdicts, in the order of the commands
Line = tuple[str, tuple[str, ...]]  # the same with kinds of rows taken together

OTHERS = ("the owner's", "the admin's", "the member's")
WHOSE = (
    *("own", *OTHERS, "the family's", "own in another family", "another family's"),
    *("nobody's", "anybody's"),
)
COMMANDS = ("select", "insert", "update", "delete")
REFUSED = "refused"
UNSHOWN = "Refused to everybody, hidden from app_owner: "
COLUMN_COMMANDS = ("select", "insert", "update")
ASSERTED = {"SELECT 1": "holds", "ZH001": "refused", "42501": "may not be called"}


# Writing.


def page(matrix: Matrix) -> str:
    """Return the file as it should be; the introduction is as somebody wrote it."""
    introduction, _, _ = PAGE.read_text("utf-8").partition("## Contexts\n")
    sections = [_section(title, section) for title, section in sorted(matrix.sections.items())]
    return "\n".join([introduction + "## Contexts\n", _contexts(matrix), *sections])


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _contexts(matrix: Matrix) -> str:
    rows: dict[tuple[str, str], list[str]] = {}
    for caller in CALLERS:
        asserted = ASSERTED[matrix.assertions[caller.name]]
        rows.setdefault((_circumstance(caller), asserted), []).append(caller.name)
    return _table(
        ["caller", "context", "`assert_membership()`"],
        ([_names(names), context, asserted] for (context, asserted), names in rows.items()),
    )


def _circumstance(caller: Caller) -> str:
    if caller.special == "removed":
        return "of a member whose membership was retired meanwhile"
    if caller.special == "wrong family":
        return "own user and session, but another family, in its owner's role"
    if caller.special == "empty":
        return "every setting an empty string"
    return f"of the {caller.member}" if caller.member else "never set"


def _section(title: str, section: Section) -> str:
    grants = []
    for login in LOGINS:
        granted = [_columns(section, login, command) for command in COLUMN_COMMANDS]
        if any(granted):
            grants.append([login, *granted])

    commands = {cell.command: False for cell in section.cells}
    for cell, verdict in section.cells.items():
        commands[cell.command] |= verdict != _unshown(cell)
    ordered = sorted(commands, key=lambda command: (*COMMANDS, command).index(command))
    shown = [command for command in ordered if commands[command]]
    others = [command for command in ordered if not commands[command]]
    rows = [
        [names if place == 0 else "", whose, *verdicts]
        for names, lines in _blocks(section, shown)
        for place, (whose, verdicts) in enumerate(lines)
    ]
    text = f"## {title}\n\n"
    text += _table(["role", "selects", "inserts", "updates"], grants)
    if shown:
        text += "\n" + _table(["caller", "row", *shown], rows)
    if others:
        text += f"\n{UNSHOWN}{', '.join(others)}\n"
    return text


def _unshown(cell: Cell) -> str:
    """Return the verdict of a cell in a column that is left out."""
    is_owners = cell.caller.startswith("app_owner")
    return "hidden" if is_owners and cell.command != "insert" else REFUSED


def _columns(section: Section, login: str, command: str) -> str:
    granted = section.columns[login, command]
    table = section.table
    is_all = len(granted) == len(table.columns if command == "select" else table.written)
    return "all" if is_all else ", ".join(granted)


def _blocks(section: Section, commands: Sequence[str]) -> Iterator[tuple[str, tuple[Line, ...]]]:
    """Yield callers who may do the same, and what that is."""
    together: list[tuple[list[Caller], Seen]] = []
    for caller in CALLERS:
        seen: dict[Kind, dict[str, str]] = {}
        for cell, verdict in section.cells.items():
            if cell.caller == caller.name:
                seen.setdefault((cell.whose, cell.state), {})[cell.command] = verdict
        rows = {kind: tuple(seen[kind][command] for command in commands) for kind in seen}
        for callers, theirs in together:
            # Members of a family do not all have the same kinds of rows before them.
            if _is_alike(caller, callers) and all(theirs.get(k, rows[k]) == rows[k] for k in rows):
                callers.append(caller)
                theirs.update(rows)
                break
        else:
            together.append(([caller], rows))
    blocks: dict[tuple[Line, ...], list[str]] = {}
    for callers, theirs in together:
        blocks.setdefault(_lines(theirs), []).extend(caller.name for caller in callers)
    return ((_names(callers), lines) for lines, callers in blocks.items())


def _is_alike(caller: Caller, others: Sequence[Caller]) -> bool:
    if caller.is_removed:
        return any(other.member == caller.member for other in others)
    return caller.is_member and others[0].is_member and caller.login == others[0].login


def _lines(seen: Seen) -> tuple[Line, ...]:
    alike: dict[tuple[str, ...], list[Kind]] = {}
    every = sorted(seen, key=lambda kind: WHOSE.index(kind[0]))
    for kind in every:
        alike.setdefault(seen[kind], []).append(kind)
    return tuple((_rows(kinds, every), verdicts) for verdicts, kinds in alike.items())


def _rows(kinds: Sequence[Kind], every: Sequence[Kind]) -> str:
    """Name rows by whose they are, and by their states unless these are all there are."""

    def states(whose: str, among: Sequence[Kind]) -> list[str]:
        return [state for of, state in among if of == whose]

    found = {}
    for whose, _ in kinds:
        is_all = states(whose, kinds) == states(whose, every)
        found[whose] = "" if is_all else f" ({'/'.join(states(whose, kinds))})"
    for whole, parts in (("anybody's", WHOSE), ("another's", OTHERS)):
        there = [whose for whose in parts if states(whose, every)]
        if there and set(there) <= set(found) and len({found[whose] for whose in there}) == 1:
            found = {
                whole if whose == there[0] else whose: suffix
                for whose, suffix in found.items()
                if whose not in there[1:]
            }
    return ", ".join(whose + suffix for whose, suffix in found.items())


def _names(callers: Sequence[str]) -> str:
    """Name callers; all of a role by the role, all without a person by "in no context"."""
    names = {name: name for name in callers}
    for login in LOGINS:
        for whole, parts in (
            (login, [c.name for c in CALLERS if c.login == login]),
            (
                f"{login} in no context",
                [c.name for c in CALLERS if c.login == login and not c.member],
            ),
        ):
            if len(parts) > 1 and set(parts) <= set(names):
                names |= dict.fromkeys(parts, whole)
                break
    return ", ".join(dict.fromkeys(names.values()))


# Reading.


@dataclass
class Written:
    """A section as the file has it."""

    columns: dict[str, list[str]] = field(default_factory=dict)  # by role
    lines: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    unshown: list[str] = field(default_factory=list)

    def verdict(self, cell: Cell) -> str:
        """Return what is expected of a cell."""
        if cell.command in self.unshown:
            return _unshown(cell)
        for callers, rows, verdicts in self.lines:
            if _has_caller(callers, cell.caller) and _has_row(rows, cell.whose, cell.state):
                return verdicts.get(cell.command, "no entry")
        return "no entry"


def _has_caller(names: str, name: str) -> bool:
    caller = next(caller for caller in CALLERS if caller.name == name)
    wholes = (
        {name, caller.login}
        if caller.member
        else {name, caller.login, f"{caller.login} in no context"}
    )
    return not wholes.isdisjoint(names.split(", "))


def _has_row(rows: str, whose: str, state: str) -> bool:
    for row in rows.split(", "):
        of, _, states = row.rstrip(")").partition(" (")
        is_whose = of in (whose, "anybody's") or (of == "another's" and whose in OTHERS)
        if is_whose and (not states or state in states.split("/")):
            return True
    return False


def read(text: str) -> dict[str, Written]:
    """Return the sections of the file by their titles."""
    sections: dict[str, Written] = {}
    for part in text.partition("\n## Contexts\n")[2].split("\n## ")[1:]:
        title, _, body = part.partition("\n")
        section = sections[title] = Written()
        head: list[str] = []
        callers = ""
        for line in body.splitlines():
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if line.startswith(UNSHOWN):
                section.unshown = line.removeprefix(UNSHOWN).split(", ")
            elif line.startswith(("| role", "| caller")):
                head = cells
            elif line.startswith("| ---") or not line.startswith("|"):
                continue
            elif head[0] == "role":
                section.columns[cells[0]] = cells[1:]
            else:
                callers = cells[0] or callers
                verdicts = dict(zip(head[2:], cells[2:], strict=True))
                section.lines.append((callers, cells[1], verdicts))
    return sections


def differences(title: str, expected: Written, found: Section) -> list[str]:
    """Return what is not as the file says: table, caller, row, command, expected and found."""
    lines = []
    for login in LOGINS:
        written = expected.columns.get(login, ["", "", ""])
        for command, columns in zip(COLUMN_COMMANDS, written, strict=True):
            granted = _columns(found, login, command)
            if granted != columns:
                lines.append(
                    f"{title}: {login} may {command} the columns: expected {columns or 'none'};"
                    f" found {granted or 'none'}"
                )
    for cell, verdict in found.cells.items():
        if (wanted := expected.verdict(cell)) != verdict:
            state = f" ({cell.state})" if cell.state else ""
            lines.append(
                f"{title}: {cell.caller}, row: {cell.whose}{state}, {cell.command}:"
                f" expected {wanted}, found {verdict}"
            )
    return lines


async def _measured(url: str) -> Matrix:
    connection = await asyncpg.connect(url, statement_cache_size=0)
    try:
        return await measure(connection)
    finally:
        await connection.close()


def main() -> None:
    """Make a database of the files as they are, and print its matrix."""
    with tempfile.TemporaryDirectory(prefix="hearth-matrix-") as place:
        server = embedded.start(Path(place, "data"), durable=False)
        try:
            cluster = Cluster(str(server.socket), 5432, "postgres")
            bootstrap(cluster, "hearth")
            migrations.migrate(cluster.url("hearth_deployer", "hearth"), sql_directory())
            sys.stdout.write(page(asyncio.run(_measured(cluster.url("postgres", "hearth")))))
        finally:
            embedded.stop(server)


if __name__ == "__main__":
    main()
