"""A terminal for the command line to run on, and what a person reads on it."""

import os
import pty
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

# A sequence that moves or erases, a control character, or text.
_PART = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])|([\r\n])|([^\x1b\r\n]+)")


def screen(written: str) -> list[str]:
    """Return the lines that a terminal shows after what was written to it.

    It is endlessly wide and high, and knows what progress is drawn with: carriage return, line
    feed, cursor up, and erasing of a line.
    """
    lines, row, column = [""], 0, 0
    for arguments, command, control, text in _PART.findall(written):
        if control == "\r":
            column = 0
        elif control == "\n":
            row += 1
            lines.extend([""] * (row + 1 - len(lines)))
        elif command == "A":
            row = max(0, row - int(arguments or 1))
        elif command == "K":
            lines[row] = "" if arguments == "2" else lines[row][:column]
        elif text:
            line = lines[row].ljust(column)
            lines[row] = line[:column] + text + line[column + len(text) :]
            column += len(text)
    return [line.rstrip() for line in lines]


class Terminal:
    """A process whose stdin, stdout and stderr are one terminal."""

    def __init__(self, process: subprocess.Popen[bytes], leader: int) -> None:
        self.process = process
        self.written = ""
        self._leader = leader

    @property
    def lines(self) -> list[str]:
        """What is on the screen now."""
        return screen(self.written)

    def type(self, line: str) -> None:
        """Type a line."""
        os.write(self._leader, f"{line}\n".encode())

    def read_until(self, text: str | None = None) -> None:
        """Read until the screen shows a text, or to the end."""
        with suppress(OSError):  # the end, as Linux has it
            while text is None or not any(text in line for line in self.lines):
                data = os.read(self._leader, 100_000)
                if not data:
                    return
                self.written += data.decode()


@contextmanager
def on_terminal(
    command: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Iterator[Terminal]:
    """Run a command on a terminal; at the end of the block, wait for its end."""
    leader, follower = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "200", **(env or {})}
    with subprocess.Popen(
        command, cwd=cwd, env=environment, stdin=follower, stdout=follower, stderr=follower
    ) as process:
        os.close(follower)
        terminal = Terminal(process, leader)
        yield terminal
        terminal.read_until()
    os.close(leader)
