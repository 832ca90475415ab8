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


def test_each_credential_is_a_line_of_its_own() -> None:
    credentials = HtpasswdFile()
    first = credentials.add(60, prefix="foo")
    second = credentials.add(60, prefix="foo")
    text, _ = read(credentials.archive())
    lines = dict(line.split(":", 1) for line in text.splitlines())
    assert lines.keys() == {first.username, second.username}
    for credential in (first, second):
        password = credential.password
        assert len(password) >= 32
        assert bcrypt.checkpw(password.encode(), lines[credential.username].encode())


def test_the_file_s_time_moves_forward_each_time() -> None:
    credentials = HtpasswdFile()
    times = [read(credentials.archive())[1] for _ in range(5)]
    assert times == sorted(set(times))


def test_what_has_expired_is_dropped() -> None:
    credentials = HtpasswdFile()
    kept = credentials.add(60, prefix="foo")
    assert not credentials.drop_expired()
    credentials.add(-1, prefix="foo")
    assert credentials.drop_expired()
    assert read(credentials.archive())[0].startswith(f"{kept.username}:")
    assert read(credentials.archive())[0].count("\n") == 1
