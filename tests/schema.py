"""Write what `sql/schema.sql` should be: `python -m tests.schema`, or `make schema`.

The dump is of PostgreSQL 18. The months of the audit trail are left out: which there are depends on
the day.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from app import embedded, migrations
from app.cluster import programs
from app.settings import sql_directory
from app.system_user import current_user
from tests.conftest import Cluster
from tests.fixtures import bootstrap

HEAD = """\
-- The whole schema as one dump, to read and to diff in a review.
-- Written by `make schema`, from a database made by `hearth migrate` on PostgreSQL 18. Do not edit.

"""


def dump(url: str) -> str:
    """Return the structure of a database, the same text for the same structure.

    Args:
        url: A login that may read the catalog.
    """
    pg_dump = programs(18, reader=current_user()) / "pg_dump"
    done = subprocess.run(
        [
            pg_dump,
            "--schema-only",
            "--schema=app",
            "--exclude-table=app.audit_log_2*",
            "--restrict-key=hearth",
            url,
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    # Which minor version dumped which does not matter, nor does psql's own protection of a restore.
    noise = re.compile(
        r"^(-- Dumped .*|\\(un)?restrict .*|SET .*|SELECT pg_catalog\.set_config.*)\n", re.M
    )
    text = noise.sub("", done.stdout)
    return HEAD + re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def main() -> None:
    """Make a database of the files as they are, and print its dump."""
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
