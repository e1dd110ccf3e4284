"""Write what `sql/schema.sql` should be: `python -m tests.sql.schema`, or `make schema`.

The dump is of PostgreSQL 18. The months of the audit trail are left out: which there are depends on
the day. With the URL of a database, write instead all that the server says of it.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from app import embedded, migrations
from app.embedded.cluster import programs
from app.embedded.system_user import current_user
from app.settings import sql_directory
from tests.conftest import Cluster
from tests.support.fixtures import bootstrap

HEAD = """\
-- The whole schema as one dump, to read and to diff in a review.
-- Written by `make schema`, from a database made by `hearth migrate` on PostgreSQL 18. Do not edit.
"""

# What pg_dump puts above each entry: its name, kind, schema and owner.
ENTRY = re.compile(r"^--\n-- Name: .*; Type: (.*); Schema: .*; Owner: .*\n--\n", re.M)
SETTING = re.compile(r"^SET .*\n", re.M)

MONTHS = "app.audit_log_2*"


def dump(url: str) -> str:
    """Return the structure of a database, the same text for the same structure.

    Args:
        url: A login that may read the catalog.
    """
    text = _run("pg_dump", "--schema-only", "--schema=app", f"--exclude-table={MONTHS}", url)
    # What stands before the first header and after the last statement is for psql to restore it.
    _, *entries = ENTRY.split(text.partition("\n--\n-- PostgreSQL database dump complete\n")[0])
    lines, before = [HEAD.strip()], ""
    for kind, entry in zip(entries[::2], entries[1::2], strict=True):
        statements = re.sub(r";\n+(?=ALTER )", ";\n", SETTING.sub("", entry).strip())
        # Together stand the lines of a kind, the grants on a table, a comment and its subject.
        group = kind if kind != "ACL" else statements.partition(" ON ")[2].partition(" TO ")[0]
        is_line = kind == "ACL" or "\n" not in statements
        lines += ([] if kind == "COMMENT" or (is_line and group == before) else [""]) + [statements]
        before = group
    return "\n".join(lines) + "\n"


def everything(url: str, *, role: str | None = None) -> str:
    """Return all that the server says of a database but its rows.

    Structure, owners, comments, grants, default privileges, the database's own settings and grants,
    and every role with its settings. Not the bookkeeping, which remembers how it came to this.

    Args:
        url: A login that may read the catalog.
        role: What it has to become for that.
    """
    become = [f"--role={role}"] if role else []
    left_out = ["--exclude-schema=yoyo", f"--exclude-table={MONTHS}"]
    text = _run("pg_dump", "--create", "--schema-only", *left_out, *become, url)
    text += _run("pg_dumpall", "--roles-only", "--no-role-passwords", f"--dbname={url}")
    # A mark that PostgreSQL 15.20 gives columns by itself, another one each time.
    return re.sub(r"^.*SET \(pg_attver=.*\n", "", text, flags=re.M)


def _run(program: str, *arguments: str) -> str:
    # Those of 18 know every older server too.
    path = str(programs(18, reader=current_user()) / program)
    run = [path, "--restrict-key=hearth", *arguments]
    done = subprocess.run(run, capture_output=True, text=True, check=True)
    return done.stdout


def main() -> None:
    """Print the dump of a new database, made of the files as they are, or of the one given."""
    if sys.argv[1:]:
        sys.stdout.write(everything(sys.argv[1], role="app_owner"))
        return
    with tempfile.TemporaryDirectory(prefix="hearth-schema-") as place:
        server = embedded.start(Path(place, "data"), durable=False)
        try:
            cluster = Cluster(str(server.socket), 5432, "postgres")
            bootstrap(cluster, "hearth")
            migrations.migrate(cluster.url("hearth_deployer", "hearth"), sql_directory())
            sys.stdout.write(dump(cluster.url("postgres", "hearth")))
        finally:
            embedded.stop(server)


if __name__ == "__main__":
    main()
