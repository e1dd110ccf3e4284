"""The system user that an embedded server runs as, and the ways that are opened to it.

PostgreSQL refuses to run as root. Started by root, it runs as the owner of the data directory or,
for a new one, as the system user `pgserver`, made when absent. That user must reach the data and
the programs: directories above them get `o+x` where it lacks (to pass through, never to list), and
the wheel's own programs, libraries and shared files get `o+rX`. Nothing else is opened.
Started by anybody else, the server is theirs and no permission is changed.
"""

import contextlib
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

if sys.platform != "win32":
    import pwd

NAME = "pgserver"

READ = 0o4
PASS = 0o1


@dataclass(frozen=True)
class SystemUser:
    """A user and group of the operating system; `is_other` when root acts for them."""

    uid: int
    gid: int
    is_other: bool

    def run(
        self, command: Sequence[str | Path], *, keep: Collection[int] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Run a program as this user; with descriptors to `keep`, in a session of its own.

        The environment is ours, but for what would sway PostgreSQL: PG*, the locale, the time zone.
        """
        environment = {name: os.environ[name] for name in os.environ if not name.startswith("PG")}
        return subprocess.run(  # noqa: S603 -- no shell, and no word of it comes from a client
            command,
            cwd="/",
            env=environment | {"LC_ALL": "C", "PGCLIENTENCODING": "UTF8", "TZ": "UTC"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            encoding="utf-8",
            errors="replace",
            pass_fds=keep,
            start_new_session=bool(keep),
            umask=0o077,
            user=self.uid if self.is_other else None,
            group=self.gid if self.is_other else None,
            extra_groups=[] if self.is_other else None,
        )

    def own_directory(self, path: Path) -> None:
        """Make `path` a directory that only this user may enter. Raises PermissionError.

        It may exist if it is theirs: in a temporary directory somebody else may have been faster.
        """
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=0o700)
        status = path.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid not in (self.uid, os.geteuid()):
            raise PermissionError(f"{path} belongs to somebody else: remove it, or set TMPDIR")

        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            if self.is_other:
                os.fchown(handle, self.uid, self.gid)
            os.fchmod(handle, 0o700)
        finally:
            os.close(handle)

    def let_through(self, path: Path) -> None:
        """Let this user pass through the directories above `path`."""
        for directory in path.parents:
            self._let(directory, PASS)

    def let_read(self, tree: Path) -> None:
        """Let this user read all of `tree` and run the programs in it."""
        for directory, _, names in os.walk(tree):
            self._let(Path(directory), READ | PASS)
            for path in (Path(directory, name) for name in names):
                self._let(path, READ | (PASS if os.access(path, os.X_OK) else 0))

    def _let(self, path: Path, need: int) -> None:
        if not self.is_other:
            return

        status = path.stat()
        shift = 6 if status.st_uid == self.uid else 3 if status.st_gid == self.gid else 0
        if need & ~(status.st_mode >> shift):
            path.chmod(stat.S_IMODE(status.st_mode) | need)


def current_user() -> SystemUser:
    """Return the user that this process runs as."""
    return SystemUser(os.geteuid(), os.getegid(), is_other=False)


def user_for(data: Path) -> SystemUser:
    """Return the user to run the server on `data` as. Raises PermissionError."""
    owner = data.stat().st_uid if data.exists() else None
    if os.geteuid() != 0:
        if owner not in (None, os.geteuid()):
            raise PermissionError(f"{data} belongs to another user, number {owner}")
        return current_user()

    if owner == 0 and any(data.iterdir()):
        raise PermissionError(f"{data} belongs to root, as whom PostgreSQL refuses to run")

    with contextlib.suppress(KeyError):
        entry = pwd.getpwuid(owner) if owner else _entry() or _made_entry()
        return SystemUser(entry.pw_uid, entry.pw_gid, is_other=True)
    raise PermissionError(f"{data} belongs to a user that has no name here, number {owner}")


def _entry() -> "pwd.struct_passwd | None":
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(NAME)
    return None


def _made_entry() -> "pwd.struct_passwd":
    useradd = shutil.which("useradd", path="/usr/sbin:/usr/bin:/sbin:/bin")
    if useradd is None:
        raise PermissionError(f"PostgreSQL refuses to run as root, and there is no user {NAME}")

    options = ["--system", "--no-create-home", "--shell", "/bin/false"]
    done = current_user().run([useradd, *options, NAME])
    if entry := _entry():  # made here, or by another start at the same moment
        return entry
    raise PermissionError(f"cannot make the user {NAME}: {done.stderr.strip()}")
