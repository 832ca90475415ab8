"""The registry's htpasswd file: its users, and until when they may push.

A registry reads the file again whenever its time moves forward (distribution,
registry/auth/htpasswd/access.go).
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
_BCRYPT_LEVEL: Final = 4  # the lowest: the passwords are random, and each request pays


@dataclass(frozen=True)
class RegistryUser:
    """A user and a password that the registry accepts until `expires` (in UTC).

    The password is not a `Secret`: a server issues many, shows none, and would remember them all.
    """

    username: str
    password: str = field(repr=False)
    expires: datetime


class HtpasswdFile:
    """The users that the registry accepts now."""

    def __init__(self) -> None:
        self._lines: dict[str, tuple[str, datetime]] = {}
        self._serial = 0

    def add(self, lifetime: float, *, prefix: str) -> RegistryUser:
        """Return a new user, valid for `lifetime` seconds."""
        password = secrets.token_urlsafe(32)
        username = f"{prefix}-{secrets.token_hex(4)}"
        expires = datetime.now(UTC) + timedelta(seconds=lifetime)
        hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(_BCRYPT_LEVEL)).decode()
        self._lines[username] = (f"{username}:{hashed}", expires)
        return RegistryUser(username, password, expires)

    def drop_expired(self) -> bool:
        """Remove expired users; return whether there was one."""
        now = datetime.now(UTC)
        expired = [user for user, (_, expires) in self._lines.items() if expires <= now]
        for user in expired:
            del self._lines[user]
        return bool(expired)

    def archive(self) -> bytes:
        """Return a tar that replaces the registry's htpasswd file when it is unpacked at `/`.

        The name is a symbolic link to one of two files: the registry sees the old one or the new
        one whole, and notices it because the file's time moves by at least a second.
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
    """Return a tar of headers with their texts."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for info, text in members:
            archive.addfile(info, io.BytesIO(text.encode()))
    return target.getvalue()
