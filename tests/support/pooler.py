"""PgBouncer, run as docker-compose.yml runs it: with deploy/pgbouncer.sh and deploy/pgbouncer.ini.

But on a Unix socket, and one that is older than 1.21 is not told of prepared statements.
"""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from configparser import ConfigParser
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest

from app.embedded.cluster import PORT
from app.embedded.system_user import SystemUser, user_for
from tests.support.deployers import until

DEPLOY = Path(__file__).parents[2] / "deploy"
PATH = f"{os.environ['PATH']}:/usr/sbin"
PROGRAM = shutil.which("pgbouncer", path=PATH)
API_PASSWORD = """p@ss "w/o'rd" %41 ;#"""

requires_pgbouncer = pytest.mark.skipif(PROGRAM is None, reason="pgbouncer is not installed")


def follows_prepared_statements() -> bool:
    """Tell whether this PgBouncer is 1.21 or later."""
    assert PROGRAM is not None, "pgbouncer is not installed"
    said = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True).stdout
    major, minor = said.split()[1].split(".")[:2]
    return (int(major), int(minor)) >= (1, 21)


@dataclass(frozen=True)
class Pooler:
    """A PgBouncer that is configured: its directory, which has its socket, and who it runs as."""

    home: Path
    user: SystemUser
    password: str

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        """Run it, from when it listens; whatever happens, it is gone afterwards."""
        user, home = self.user, self.home
        with (
            (home / "log").open("a+", encoding="utf-8") as log,
            subprocess.Popen(
                ["/bin/sh", home / "pgbouncer.sh"],
                cwd="/",
                env={"PATH": PATH, "TMPDIR": str(home), "API_PASSWORD": self.password},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=user.uid if user.is_other else None,
                group=user.gid if user.is_other else None,
                extra_groups=[] if user.is_other else None,
            ) as process,
        ):
            try:
                until(lambda: self._listens(process))
                yield process
            finally:
                process.kill()

    def _listens(self, process: subprocess.Popen[bytes]) -> bool:
        assert process.poll() is None, (self.home / "log").read_text(encoding="utf-8")
        with suppress(OSError), socket.socket(socket.AF_UNIX) as client:
            client.connect(f"{self.home}/.s.PGSQL.{PORT}")
            return True
        return False


@contextmanager
def configured(name: str, where: str, password: str, **changes: object) -> Iterator[Pooler]:
    """Configure PgBouncer for one database, or for all with the name `*`.

    Args:
        name: Of the database.
        where: How PgBouncer reaches its server, in libpq's words.
        password: Of app_api, here and on the server.
        changes: Of settings in the section `pgbouncer`.
    """
    with tempfile.TemporaryDirectory(prefix="hearth-pooler-") as place:
        # Like PostgreSQL, it refuses to run as root; and it must reach the server's socket.
        user = user_for(Path(place, "data"))
        home = Path(place, "home")
        user.let_through(home)
        user.own_directory(home)

        ini = ConfigParser(interpolation=None, delimiters="=", comment_prefixes=";")
        ini.read(DEPLOY / "pgbouncer.ini", encoding="utf-8")
        ini["databases"] = {name: where}
        ini["pgbouncer"].update(
            listen_addr="",
            listen_port=str(PORT),
            unix_socket_dir=str(home),
            auth_file=str(home / "userlist.txt"),
            **{key: str(value) for key, value in changes.items()},
        )
        if not follows_prepared_statements():
            del ini["pgbouncer"]["max_prepared_statements"]
        with (home / "pgbouncer.ini").open("w", encoding="utf-8") as file:
            ini.write(file)
        shutil.copy(DEPLOY / "pgbouncer.sh", home)
        yield Pooler(home, user, password)


@contextmanager
def pooler(name: str, where: str, password: str, **changes: object) -> Iterator[Path]:
    """Run PgBouncer as `configured` says; yield the directory of its socket."""
    with configured(name, where, password, **changes) as pgbouncer, pgbouncer.running():
        yield pgbouncer.home


def pooled_url(home: Path | str, database: str, user: str = "app_api") -> str:
    """Return the URL of a login through the pooler."""
    login = f"{user}:{quote(API_PASSWORD, safe='')}"
    return f"postgresql://{login}@/{database}?host={quote(str(home))}&port={PORT}"
