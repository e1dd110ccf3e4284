"""The command line: `hearth up`, `serve`, `migrate`, `status`, `purge`, `psql` and so on.

Exit codes: 0 done; 1 failed, with a line that says why; 2 wrong usage; 3 the database
differs from the files (`status`, `migrate --plan`), or is not well (`doctor`); 130 interrupted.
"""

import os
import signal
import sys


def main() -> None:
    """Run the command line. A traceback is for developers: nobody else sees one."""
    stoppable = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if stoppable:  # at once, until there is something to stop in good order
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    from app import logs
    from app.cli.commands import cli
    from app.cli.shared import fail

    if stoppable:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        cli(prog_name="hearth")
    except Exception as error:
        if os.environ.get("DEBUG") == "true":
            raise
        place = logs.where(error)[-1]
        fail(f"this is a bug: {type(error).__name__} at {place} (DEBUG=true shows the traceback)")
        sys.exit(1)
