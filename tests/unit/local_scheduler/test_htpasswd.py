"""The lines of the htpasswd file, and the tar that brings them into the registry."""

import io
import tarfile

import bcrypt

from lusid_image_publish.local_scheduler.htpasswd import HtpasswdFile


def read(archive: bytes) -> tuple[str, int]:
    """Return what the link in the tar leads to, and the time that file has."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        file, link = tar.getmembers()
        assert (link.name, link.issym()) == ("auth/htpasswd", True), "the link comes last"
        assert file.name == f"auth/{link.linkname}"
        content = tar.extractfile(file)
        assert content
        return content.read().decode(), int(file.mtime)


def users(credentials: HtpasswdFile) -> dict[str, str]:
    """Return the users that the registry would accept, and their hashes."""
    lines = read(credentials.archive())[0].splitlines()
    return dict(line.split(":", 1) for line in lines)


def test_each_credential_is_a_line_of_its_own() -> None:
    credentials = HtpasswdFile("foo")
    first, second = credentials.issue(60), credentials.issue(60)
    assert first.username != second.username
    hashes = users(credentials)
    for credential in (first, second):
        password = credential.password
        assert credential.username.startswith("foo-")
        assert len(password) >= 32
        assert bcrypt.checkpw(password.encode(), hashes[credential.username].encode())


def test_the_file_s_time_moves_forward_each_time() -> None:
    credentials = HtpasswdFile("foo")
    times = [read(credentials.archive())[1] for _ in range(5)]
    assert times == sorted(set(times))


def test_the_file_is_seldom_replaced() -> None:
    """The registry answers 400 while the engine replaces it."""
    credentials, files = HtpasswdFile("foo"), 0
    known: dict[str, str] = {}
    for _ in range(100):
        issued = credentials.issue(60)
        credentials.drop_expired()
        if credentials.is_stale:
            files += 1
            known = users(credentials)
            credentials.is_stale = False
        assert issued.username in known
    assert files < 5


def test_what_has_expired_is_dropped() -> None:
    credentials = HtpasswdFile("foo")
    kept = credentials.issue(60)
    credentials.is_stale = False
    credentials.drop_expired()
    assert not credentials.is_stale
    dropped = credentials.issue(-1)
    credentials.drop_expired()
    assert credentials.is_stale
    assert kept.username in users(credentials)
    assert dropped.username not in users(credentials)
