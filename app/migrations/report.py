"""The report of `hearth status`: where a database stands, and how it differs from the files."""

from dataclasses import dataclass

from app.migrations import bookkeeping, drift, lock, steps
from app.migrations.bookkeeping import Event
from app.migrations.sources import Tree
from app.migrations.statements import Connection
from app.migrations.steps import Step


@dataclass(frozen=True)
class Status:
    """Where a database stands. `migrations` gives each one's state, `items` all that differs.

    `diff` is what was changed by hand, as the lines of a unified diff.
    """

    is_consistent: bool
    version: str | None
    made_on: str
    migrations: dict[str, str]
    items: list[Step]
    deployer: str | None
    history: list[Event]
    diff: list[str]


def compare(connection: Connection, tree: Tree, *, uuidv7: bool = True, lines: int = 20) -> Status:
    """Compare what an open transaction sees with the files."""
    deployer = lock.deployer(connection)
    state = bookkeeping.look(connection, uuidv7=uuidv7, trusting=deployer is not None)
    history = bookkeeping.history(connection, lines)
    names = [file.name for file in tree.migrations]
    items = [
        *steps.refusals(tree, state),
        *steps.moves(tree, state, len(names)),
        *steps.changes(tree, state, names),
    ]
    aside = [*drift.differences(state), *drift.unmanaged(tree, state)]
    items += [step for step in aside if step.action == "differs"]
    return Status(
        is_consistent=not items,
        version=max(state.marked, default=None),
        made_on=state.made_on,
        migrations={name: state.of(name) for name in names},
        items=[*items, *(step for step in aside if step.action == "unmanaged")],
        deployer=deployer,
        history=history,
        diff=list(drift.diff(state)),
    )
