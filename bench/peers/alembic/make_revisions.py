"""Make a revision of each migration, and one of all functions and policies, in versions/.

What they run are Hearth's own files, each by `op.execute`, as who writes SQL for Alembic does it.
The files come as lines of standard input: the revision, the owner or nothing, and the path.
"""

import sys
from itertools import groupby
from pathlib import Path

HEAD = '''"""{name}"""

from pathlib import Path

from alembic import op
from sqlalchemy import text

revision = {name!r}
down_revision = {before!r}


def run(path: str) -> None:
    op.execute(text(Path(path).read_text("utf-8").replace(":", "\\\\:")))


def become(role: str) -> None:
    op.execute("set local search_path to pg_catalog")
    op.execute("set local check_function_bodies to off")
    if role != "app_owner":
        op.execute("set local role app_owner")
        op.execute(f"grant create on schema app to {{role}}")
    op.execute(f"set local role {{role}}")


def leave(role: str) -> None:
    op.execute("reset role")
    if role not in ("", "app_owner"):
        op.execute("set local role app_owner")
        op.execute(f"revoke create on schema app from {{role}}")
        op.execute("reset role")
    op.execute("reset search_path")


def upgrade() -> None:
'''

versions = Path(__file__).parent / "versions"
versions.mkdir(exist_ok=True)
for old in versions.glob("*.py"):
    old.unlink()
before = None
lines = [line.rstrip("\n").split("\t") for line in sys.stdin]
for name, files in groupby(lines, key=lambda line: line[0]):
    body = ""
    for _, owner, path in files:
        if owner:
            body += f"    become({owner!r})\n"
        body += f"    run({path!r})\n    leave({owner!r})\n"
    text = HEAD.format(name=name, before=before) + body
    (versions / f"{name}.py").write_text(text, "utf-8")
    before = name
