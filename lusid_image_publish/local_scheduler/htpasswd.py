"""The registry's htpasswd file: its users, and how long they may push.

A registry reads the file again when its time moves forward, and answers 400 if the file does not
exist (distribution, registry/auth/htpasswd/access.go). The engine removes a file before it unpacks
the next one, so the file has spare users and is seldom replaced.
"""

import io
import secrets
import tarfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

import bcrypt

_START_SECONDS: Final = int(time.time())
_BCRYPT_LEVEL: Final = 4  # the lowest: the passwords are random, and each request takes that time
_SPARE_COUNT: Final = 32
_NEVER: Final = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class RegistryUser:
    """A user and a password that the registry accepts until `expires` (in UTC).

    The password is not a `Secret`: a server issues many, shows none, and would keep them all.
    """

    username: str
    password: str = field(repr=False)
    expires: datetime


class HtpasswdFile:
    """The users that the registry accepts; their names start with `prefix`.

    `is_stale` is true if the registry does not have the latest ones.
    """

    def __init__(self, prefix: str) -> None:
        self.is_stale = False
        self._prefix = prefix
        self._lines: dict[str, tuple[str, datetime]] = {}
        self._spare: list[tuple[str, str]] = []
        self._serial = 0

    def issue(self, lifetime: float) -> RegistryUser:
        """Return a new user, valid for `lifetime` seconds."""
        if not self._spare:
            self._add_spare_users()
        username, password = self._spare.pop()
        expires = datetime.now(UTC) + timedelta(seconds=lifetime)
        self._lines[username] = (self._lines[username][0], expires)
        return RegistryUser(username, password, expires)

    def drop_expired(self) -> None:
        """Remove the users that have expired."""
        now = datetime.now(UTC)
        for user, (_, expires) in list(self._lines.items()):
            if expires <= now:
                del self._lines[user]
                self.is_stale = True

    def _add_spare_users(self) -> None:
        for _ in range(_SPARE_COUNT):
            username, password = f"{self._prefix}-{secrets.token_hex(4)}", secrets.token_urlsafe(32)
            hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(_BCRYPT_LEVEL)).decode()
            self._lines[username] = (f"{username}:{hashed}", _NEVER)
            self._spare.append((username, password))
        self.is_stale = True

    def archive(self) -> bytes:
        """Return a tar that replaces the registry's htpasswd file when it is unpacked at `/`.

        The name is a symbolic link to one of two files: the registry sees either the old or the
        new one, complete, and notices the change because the file's time moves by at least a
        second.
        """
        self._serial += 1
        name = f"htpasswd-{self._serial % 2}"
        text = "".join(f"{line}\n" for line, _ in self._lines.values())
        modified = _START_SECONDS + self._serial
        link = tarfile.TarInfo("auth/htpasswd")
        link.type, link.linkname, link.mtime = tarfile.SYMTYPE, name, modified
        return tar_of((tar_file(f"auth/{name}", text, modified), text), (link, ""))


def tar_file(name: str, text: str, modified: int = _START_SECONDS) -> tarfile.TarInfo:
    """Return the header of a file in a tar; `modified` is its time in seconds."""
    info = tarfile.TarInfo(name)
    info.size = len(text.encode())
    info.mtime = modified
    return info


def tar_of(*members: tuple[tarfile.TarInfo, str]) -> bytes:
    """Return a tar of files with these headers and texts."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for info, text in members:
            archive.addfile(info, io.BytesIO(text.encode()))
    return target.getvalue()
