"""The processor time of processes, from /proc."""

import os
from collections.abc import Mapping
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(root: int) -> float:
    """Return what a process and all that come from it have taken, user and system, in seconds.

    Those that have ended count as well, once their parent has waited for them.
    """
    # One that its parent has waited for between our looks at both would be in neither.
    for _ in range(10):
        before, table = _of_children(root), _processes()
        if _of_children(root) == before:
            break
    return seconds_of_tree(root, table)


def machine_seconds() -> float:
    """Return what all processes of the machine have taken, and what a host took from it."""
    fields = Path("/proc/stat").read_text("utf-8").split("\n", 1)[0].split()[1:]
    user, nice, system, _, _, irq, soft_irq, steal = map(int, fields[:8])
    return (user + nice + system + irq + soft_irq + steal) / _TICKS


def seconds_of_tree(root: int, processes: Mapping[int, tuple[int, int]]) -> float:
    """Return the same of a table of processes: by id, the parent's id and the ticks taken."""
    children: dict[int, list[int]] = {}
    for process, (parent, _) in processes.items():
        children.setdefault(parent, []).append(process)
    ticks, waiting = 0, [root]
    while waiting:
        process = waiting.pop()
        ticks += processes.get(process, (0, 0))[1]
        waiting += children.get(process, [])
    return ticks / _TICKS


def _of_children(process: int) -> int:
    """Return the ticks of the children that a process has waited for."""
    try:
        text = Path(f"/proc/{process}/stat").read_text("utf-8", "replace")
    except OSError:
        return 0
    return sum(map(int, text.rpartition(")")[2].split()[13:15]))


def _processes() -> Mapping[int, tuple[int, int]]:
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                # What the parentheses hold is the program's name, with blanks if it likes.
                fields = (entry / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
            except OSError:
                continue  # it has ended
            # Field 4 is the parent; 14 to 17 are the ticks: its own, and its ended children's.
            found[int(entry.name)] = (int(fields[1]), sum(map(int, fields[11:15])))
    return found
