"""Drift: what somebody changed by hand in the structure. It is told of and left alone.

Pure: it compares what was recorded with what `structure` has seen.
"""

from collections.abc import Iterator
from difflib import unified_diff

from app.migrations.sources import MigrationError, Tree
from app.migrations.state import State
from app.migrations.steps import Step

# How many differences an error names.
SHOWN = 5

_BESIDE = "no file makes it"


def differences(state: State) -> Iterator[Step]:
    """List what somebody did to ours, which `differs`, and made beside it, which is `unmanaged`."""
    if not state.recorded:
        return
    standing = {name: part for name, part in state.recorded.items() if part.definition is not None}
    for name, was in standing.items():
        now, verb = state.structure.get(name), _verb(name)
        if now is None and (was.parent is None or was.parent in state.structure):
            says = f"{name} {'are' if verb == 'were' else 'is'} missing"
            yield Step.of_migration(was.migration, "differs", says)
        elif now is not None and now.definition != was.definition:
            change = _change(was.definition or "", now.definition or "")
            says = f"{name} {verb} changed by hand: {change}"
            yield Step.of_migration(was.migration, "differs", says)
    for name, now in state.structure.items():
        if name not in standing and now.parent in standing:
            migration = standing[now.parent].migration
            if now.parent == "schema app":
                yield Step("migration", migration, "unmanaged", _BESIDE, name)
            else:
                says = f"{name} {_verb(name)} added by hand"
                yield Step.of_migration(migration, "differs", says)


def diff(state: State) -> Iterator[str]:
    """Yield the lines of a unified diff: what was recorded, and what people have made of it."""
    pairs = [
        (f"{key[0]} {key[1]}", record.definition, state.definition(key))
        for key, record in state.records.items()
        if key[0] != "migration"
    ]
    names = dict.fromkeys([*state.recorded, *state.structure]) if state.recorded else ()
    for name in names:
        was, now = state.recorded.get(name), state.structure.get(name)
        # What is beside ours is nobody's change.
        parent = now.parent if now is not None else None
        if was is not None or (parent in state.recorded and parent != "schema app"):
            old, new = (part.definition if part else None for part in (was, now))
            pairs.append((name, old, new))
    for name, old, new in pairs:
        yield from unified_diff(
            (old or "").splitlines(),
            (new or "").splitlines(),
            f"recorded: {name}" if old else "/dev/null",
            f"in the database: {name}" if new else "/dev/null",
            lineterm="",
        )


def refuse_upgraded(state: State) -> None:
    """Raise MigrationError if a record that another server made is not what there is now.

    A dump that was restored, or an upgrade, may have lost something on its way; or the newer server
    says the same in other words, which people can tell and nobody else.
    """
    if state.is_recorded or not (found := list(differences(state))):
        return
    says = "; ".join(step.reason for step in found[:SHOWN])
    more = f"; and {len(found) - SHOWN} more (`hearth status`)" if len(found) > SHOWN else ""
    raise MigrationError(
        f"this server is not the one that recorded the structure, and what it has differs: {says}"
        f"{more}. Put it right, or take it as it is with --baseline"
    )


def unmanaged(tree: Tree, state: State) -> list[Step]:
    """List the functions that no file makes or ever made."""
    known = {*state.records, *tree.requires}
    names = [name for kind, name in state.live if kind == "function" and (kind, name) not in known]
    return [Step("function", name, "unmanaged", _BESIDE, f"function app.{name}") for name in names]


def _verb(name: str) -> str:
    return "were" if name.startswith(("default privileges", "partitions of ")) else "was"


def _change(was: str, now: str) -> str:
    """Say in one line which lines of a definition became which."""
    old, new = was.splitlines(), now.splitlines()
    gone = ", ".join(line for line in old if line not in new)
    come = ", ".join(line for line in new if line not in old)
    if gone and come:
        return f"{gone} became {come}"
    if gone or come:
        return f"removed {gone}" if gone else f"added {come}"
    return "the same lines in another order"
