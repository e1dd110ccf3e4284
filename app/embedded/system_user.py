"""The system user that an embedded server runs as, and the ways that are opened to it.

PostgreSQL refuses to run as root. Started by root, it runs as the owner of the data directory or,
for a new one, as the system user `pgserver`, made when absent. That user must reach the data and
the programs: directories above them get `o+x` where it lacks (to pass through, never to list), and
the wheel's own programs, libraries and shared files get `o+rX`. Nothing else is opened, and each
change is told.
Started by anybody else, the server is theirs and no permission is changed.
"""

import contextlib
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

if sys.platform != "win32":
    import pwd

NAME = "pgserver"

READ = 0o4
PASS = 0o1


def silently(_: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class SystemUser:
    """A user and group of the operating system; `is_other` when root acts for them.

    `tell` gets a line for each change of permissions.
    """

    uid: int
    gid: int
    is_other: bool
    tell: Callable[[str], None] = field(default=silently, compare=False)

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
            if modes := self._let(directory, PASS):
                was, now = modes
                self.tell(
                    f"changed the mode of {directory} from {was:04o} to {now:04o}:"
                    f" PostgreSQL runs as {self.name} and must pass through it"
                )

    def let_read(self, tree: Path) -> None:
        """Let this user read all of `tree` and run the programs in it."""
        changed = 0
        for directory, _, names in os.walk(tree):
            changed += self._let(Path(directory), READ | PASS) is not None
            for path in (Path(directory, name) for name in names):
                need = READ | (PASS if os.access(path, os.X_OK) else 0)
                changed += self._let(path, need) is not None
        if changed:
            self.tell(f"made {changed} files of {tree} readable: PostgreSQL runs as {self.name}")

    @property
    def name(self) -> str:
        """The user's name, as the system has it."""
        return pwd.getpwuid(self.uid).pw_name

    def _let(self, path: Path, need: int) -> tuple[int, int] | None:
        """Give a path the permissions that this user lacks; return the modes before and after."""
        if not self.is_other:
            return None

        status = path.stat()
        shift = 6 if status.st_uid == self.uid else 3 if status.st_gid == self.gid else 0
        if not need & ~(status.st_mode >> shift):
            return None

        was = stat.S_IMODE(status.st_mode)
        path.chmod(was | need)
        return was, was | need


def current_user() -> SystemUser:
    """Return the user that this process runs as."""
    return SystemUser(os.geteuid(), os.getegid(), is_other=False)


def user_for(data: Path, *, tell: Callable[[str], None] = silently) -> SystemUser:
    """Return the user to run the server on `data` as. Raises PermissionError."""
    owner = data.stat().st_uid if data.exists() else None
    if os.geteuid() != 0:
        if owner not in (None, os.geteuid()):
            raise PermissionError(f"{data} belongs to another user (number {owner})")
        return current_user()

    if owner == 0 and any(data.iterdir()):
        raise PermissionError(f"{data} belongs to root, and PostgreSQL refuses to run as root")

    with contextlib.suppress(KeyError):
        entry = pwd.getpwuid(owner) if owner else _entry() or _made_entry(tell)
        return SystemUser(entry.pw_uid, entry.pw_gid, is_other=True, tell=tell)
    raise PermissionError(f"{data} belongs to user number {owner}, who has no name here")


def _entry() -> "pwd.struct_passwd | None":
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(NAME)
    return None


def _made_entry(tell: Callable[[str], None]) -> "pwd.struct_passwd":
    useradd = shutil.which("useradd", path="/usr/sbin:/usr/bin:/sbin:/bin")
    if useradd is None:
        raise PermissionError(
            f"PostgreSQL refuses to run as root: create a user named {NAME} for it"
        )

    options = ["--system", "--no-create-home", "--shell", "/bin/false"]
    done = current_user().run([useradd, *options, NAME])
    if entry := _entry():  # made here, or by another start at the same moment
        tell(f"created the system user {NAME}: PostgreSQL refuses to run as root")
        return entry
    raise PermissionError(f"cannot create the user {NAME}: {done.stderr.strip()}")
