"""What SOURCE means."""

import bz2
import gzip
import lzma
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from lusid_image_publish.archives.foreign import STDIN
from lusid_image_publish.errors import ConfigurationError, InvalidNameError, SourceError
from lusid_image_publish.sources.archive_source import ArchiveSource
from lusid_image_publish.sources.build_recipe import BuildOptions
from lusid_image_publish.sources.dockerfile_source import DockerfileSource
from lusid_image_publish.sources.engine_source import EngineSource
from lusid_image_publish.sources.find_source import find_source, parse_name
from tests.archives import Image, containerd, folder_of, tar_of, zstd
from tests.systems import NEEDS_FIFOS, NEEDS_POSIX_FILES


@pytest.fixture
def dockerfile(tmp_path: Path) -> Path:
    folder = tmp_path / "job"
    folder.mkdir()
    file = folder / "Dockerfile"
    file.write_text("FROM scratch\n")
    return file


def test_a_dockerfile_is_built_in_its_own_directory(dockerfile: Path) -> None:
    source = find_source("job/Dockerfile")
    assert source == DockerfileSource(dockerfile, dockerfile.parent, BuildOptions())


def test_a_directory_means_the_dockerfile_in_it(dockerfile: Path) -> None:
    source = find_source("job")
    assert isinstance(source, DockerfileSource)
    assert source.dockerfile == dockerfile


@NEEDS_POSIX_FILES
def test_a_path_wins_over_an_image_of_that_name(dockerfile: Path) -> None:
    (dockerfile.parent.parent / "job:1").write_text("FROM scratch\n")
    assert isinstance(find_source("job:1"), DockerfileSource)


@pytest.mark.parametrize("context", [Path(), "."])
def test_another_context_can_be_named(
    dockerfile: Path, tmp_path: Path, context: Path | str
) -> None:
    source = find_source(str(dockerfile), BuildOptions(context=context))
    assert isinstance(source, DockerfileSource)
    assert source.context == tmp_path


@pytest.mark.parametrize("text", ["job:1", "registry.example.com/team/job:1", "sha256:abc", "abc1"])
def test_what_is_no_path_is_an_image_of_the_engine(text: str) -> None:
    assert find_source(text) == EngineSource(text)


@pytest.mark.parametrize(
    "text",
    [
        "./job:1",
        r".\job",
        r"job\image",
        r"C:\job",
        "../x",
        "/x/y",
        "~/x",
        "gone/Dockerfile",
        "Dockerfile",
        "gone.oci",
        "gone.tar.zst",
    ],
)
def test_what_looks_like_a_path_must_exist(text: str) -> None:
    with pytest.raises(SourceError, match="no file or directory"):
        find_source(text)


@pytest.mark.parametrize("text", ["$IMAGE", "./${FOLDER}/Dockerfile", "my-job:%TAG%"])
def test_a_variable_that_was_not_expanded_is_said(text: str) -> None:
    with pytest.raises(SourceError, match=r"was not expanded: [$%]") as caught:
        find_source(text)
    assert "single quotes" in caught.value.cause


def test_a_file_may_have_a_dollar_sign_in_its_name() -> None:
    Path("$name").write_text("FROM scratch\n")
    assert isinstance(find_source("$name"), DockerfileSource)


def test_a_directory_without_a_dockerfile_is_told(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no Dockerfile in"):
        find_source(str(tmp_path))


@pytest.mark.parametrize(
    "compress", [bytes, gzip.compress, bz2.compress, lzma.compress, zstd.compress]
)
@pytest.mark.parametrize("name", ["image.tar", "image", "Dockerfile", "job.1"])
def test_an_archive_is_known_by_its_content(
    tmp_path: Path, name: str, compress: Callable[[bytes], bytes]
) -> None:
    (tmp_path / name).write_bytes(compress(tar_of({"x": b""})))
    assert find_source(name) == ArchiveSource(tmp_path / name)


TEXTS: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "empty"),
    "blank": (b" \r\n\t\n", r"empty \(only zeros or blanks\)"),
    "zeros": (bytes(10240), r"empty \(only zeros or blanks\)"),
    "PowerShell 5's >": (
        "manifest.json".encode("utf-16"),
        "UTF-16 text, as `>` writes it in PowerShell",
    ),
    "big-endian": (b"\xfe\xff\0m", "UTF-16 text"),
    "Git LFS": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
        "a Git LFS pointer, not the file itself",
    ),
    "git-annex": (b"/annex/objects/SHA256E-s1--4d7a.tar\n", "a git-annex pointer"),
    "DVC": (b"outs:\n- md5: a304afb9\n  path: image.tar\n", "a DVC pointer"),
    "a page": (b"\n<!DOCTYPE html>\n<title>Sign in</title>", "a web page"),
    "XML": (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "an XML document"),
    "JSON": (b'{"message": "404 Not Found"}', "a JSON document"),
    "a ZIP": (b"PK\x03\x04" + bytes(100), "a ZIP file"),
    "lz4": (b"\x04\x22\x4d\x18" + bytes(100), "compressed with lz4"),
    "a program": (b"\x7fELF" + bytes(100), "a program"),
    "binary": (bytes(range(256)) * 8, "a binary file of an unknown kind"),
}


@pytest.mark.parametrize(("content", "words"), TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("name", ["image.tar", "image.TGZ", "out.oci", "image", "Dockerfile"])
def test_a_file_that_is_neither_is_named(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=rf"{name} is .*: it is {words}") as caught:
        find_source(name)
    assert caught.value.cause
    assert caught.value.hint
    assert caught.value.message.isprintable()


@pytest.mark.parametrize("name", ["image.tar", "image.tar.gz", "image.tgz", "image.tar.zst"])
def test_a_file_that_is_called_a_tar_is_no_dockerfile(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("FROM scratch\nRUN true\n" * 100)
    with pytest.raises(SourceError, match="not an image archive: it is the text of a Dockerfile"):
        find_source(name)


def test_a_message_in_place_of_an_archive_is_shown(tmp_path: Path) -> None:
    message = "Error response from daemon: No such image: job:1"
    (tmp_path / "image.tar").write_text(f"{message}\nmore\n")
    with pytest.raises(SourceError, match=f"it is text that begins with '{message}'"):
        find_source("image.tar")


def test_nothing_is_shown_of_a_file_that_was_to_be_no_archive(tmp_path: Path) -> None:
    for content in ('{"api": {"password": "hunter22"}}', "PASSWORD=hunter22\n"):
        (tmp_path / "secrets").write_text(content)
        with pytest.raises(SourceError, match="neither a Dockerfile nor an image") as caught:
            find_source("secrets")
        assert "hunter22" not in str(caught.value.diagnostics())


@pytest.mark.parametrize(
    "content",
    [
        b"FROM scratch",
        b"\xef\xbb\xbffrom scratch\n",
        b"# a comment\r\nARG BASE=x\r\n  From ${BASE}\r\n",
        b"ARG A=1 \\\n  B=2 \\\n# a comment\n\n  C=3\nFROM scratch\n",
        b"FROM \\\n  scratch\n",
        b"# syntax=example.com/other-frontend\nbuild: all\n",
        b"#!/usr/bin/env docker\n# syntax = docker.io/x/y\nimage: z\n",
        b"# \xe9t\xe9\nFROM scratch\n",
        b"#" * (1 << 19) + b"\nFROM scratch\n",
        b"FROM\\\nscratch\n",
    ],
)
def test_a_file_with_a_from_is_a_dockerfile(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "job.build").write_bytes(content)
    assert isinstance(find_source("job.build"), DockerfileSource)


@pytest.mark.parametrize(
    "content",
    [
        b"import os\nfrom pathlib import Path\n",
        b"# a job\nfrom pathlib import Path\n",
        b"RUN true\nFROM scratch\n",
        b"ARG A=1\n",
        b"# FROM scratch\n",
        b"FROMAGE\n",
        b"\\\nFROM scratch\n",
    ],
)
def test_a_text_that_does_not_begin_with_from_is_no_dockerfile(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "job.py").write_bytes(content)
    with pytest.raises(SourceError, match="text that does not begin with a FROM instruction"):
        find_source("job.py")


def test_a_dockerfile_of_a_folder_is_looked_at_as_well(dockerfile: Path) -> None:
    dockerfile.write_bytes(b"")
    with pytest.raises(SourceError, match=r"job.Dockerfile is .*: it is empty"):
        find_source("job")


def test_a_directory_may_be_an_archive(tmp_path: Path) -> None:
    folder = folder_of(containerd(a=Image()), tmp_path / "layout")
    assert find_source("layout") == ArchiveSource(folder)
    (folder / "oci-layout").unlink()
    assert find_source("layout") == ArchiveSource(folder)
    (folder / "index.json").unlink()
    with pytest.raises(SourceError, match="is not an image: it is an unpacked archive"):
        find_source("layout")


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["version", "manifest.json", "a" * 64], "skopeo output in its `dir:` format"),
        (["manifest.json", f"{'a' * 64}.json", "repositories"], "an unpacked archive"),
        (["bin", "etc", "usr"], "a root file system, as `docker export` writes it"),
        (["config.json", "rootfs"], "an OCI runtime bundle"),
    ],
)
def test_a_directory_of_something_else_is_named(
    tmp_path: Path, names: list[str], words: str
) -> None:
    for name in names:
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(SourceError, match=f"is not an image: it is {words}"):
        find_source(str(tmp_path))


@pytest.mark.parametrize("name", ["Containerfile", "job.Dockerfile", "image.tar"])
def test_a_directory_with_another_file_that_may_be_meant_names_that(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / "a.txt").touch()
    (tmp_path / name).touch()
    with pytest.raises(SourceError, match="no Dockerfile in") as caught:
        find_source(str(tmp_path))
    assert f"for example {tmp_path / name}. " in caught.value.hint


def test_a_directory_with_a_dockerfile_is_no_archive(dockerfile: Path) -> None:
    folder_of(containerd(a=Image()), dockerfile.parent)
    assert isinstance(find_source("job"), DockerfileSource)


@NEEDS_FIFOS
def test_a_pipe_is_an_archive(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert find_source("pipe") == ArchiveSource(Path("pipe"))


@NEEDS_POSIX_FILES
@pytest.mark.parametrize("path", ["/dev/zero", "/dev/tty", "/dev/null"])
def test_a_device_is_no_file(path: str, tmp_path: Path) -> None:
    (tmp_path / "link.tar").symlink_to(path)
    for text in (path, "link.tar"):
        with pytest.raises(SourceError, match="is a device, not a file"):
            find_source(text)


@pytest.mark.skipif(
    not hasattr(socket, "AF_UNIX"), reason="there are no sockets among the files of this system"
)
def test_a_socket_is_no_file(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        os.chdir(tmp_path)
        listening.bind("image.tar")
        with pytest.raises(SourceError, match="is a socket, not a file") as caught:
            find_source("image.tar")
    assert "image archive" in caught.value.hint


@NEEDS_FIFOS
def test_a_folder_with_pipes_and_devices_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "image.tar")
    (tmp_path / "Dockerfile").symlink_to("/dev/zero")
    with pytest.raises(SourceError, match="no Dockerfile in"):
        find_source(str(tmp_path))


@pytest.mark.parametrize(
    ("beginning", "words"),
    [
        (b"", r"it is empty \(only zeros or blanks\)"),
        (bytes(512) + b"text", "it is a binary file of an unknown kind"),
        (bytes(512) + tar_of({"x": b""}), "it is a binary file of an unknown kind"),
    ],
)
def test_a_large_file_with_holes_is_not_read(tmp_path: Path, beginning: bytes, words: str) -> None:
    with (tmp_path / "image.tar").open("wb") as file:
        file.write(beginning)
        file.truncate(10 << 30)
    with pytest.raises(SourceError, match=words):
        find_source("image.tar")


@pytest.mark.parametrize("text", ["-", "/dev/stdin"])
def test_stdin_is_an_archive_unless_it_is_a_terminal(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "isatty", lambda _: False)
    source = find_source(text, image="job:1")
    assert source == ArchiveSource(STDIN, "job:1")
    assert str(source) == "stdin"
    monkeypatch.setattr(os, "isatty", lambda number: number == 0)
    with pytest.raises(SourceError, match="SOURCE is stdin, but stdin is a terminal") as caught:
        find_source(text)
    assert "docker save" in caught.value.hint


@pytest.mark.usefixtures("dockerfile")
def test_an_image_is_chosen_in_an_archive_alone(tmp_path: Path) -> None:
    (tmp_path / "image.tar").write_bytes(tar_of({"x": b""}))
    source = find_source("image.tar", image="job:1")
    assert source == ArchiveSource(tmp_path / "image.tar", "job:1")
    with pytest.raises(ConfigurationError, match="--image is given, but job is a Dockerfile"):
        find_source("job", image="job:1")
    with pytest.raises(ConfigurationError, match="--image is given, but job:1 is not a path"):
        find_source("job:1", image="job:1")


def test_a_context_that_is_no_directory_is_refused(dockerfile: Path) -> None:
    with pytest.raises(SourceError, match="not a directory"):
        find_source("job", BuildOptions(context=dockerfile))


def test_build_options_for_an_image_are_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="not a path"):
        find_source("job:1", BuildOptions(no_cache=True))
    (tmp_path / "image.tar").write_bytes(tar_of({"x": b""}))
    with pytest.raises(ConfigurationError, match=r"image\.tar is an image archive"):
        find_source("image.tar", BuildOptions(labels={"a": "b"}))
    folder_of(containerd(a=Image()), tmp_path / "layout")
    with pytest.raises(ConfigurationError, match="layout is an image archive"):
        find_source("layout", BuildOptions(context=tmp_path))


def test_a_source_is_shown_as_what_it_is(dockerfile: Path, tmp_path: Path) -> None:
    assert str(find_source("job")) == str(dockerfile)
    assert str(find_source("job:1")) == "job:1"
    assert str(ArchiveSource(tmp_path)) == str(tmp_path)


@pytest.mark.parametrize("text", ["", " "])
def test_an_empty_source_is_told(text: str) -> None:
    with pytest.raises(SourceError, match="SOURCE is empty"):
        find_source(text)


@pytest.mark.parametrize("path", ["./Dockerfile", "image.tar", "Dockerfile", ".", "/a b/c", "job"])
def test_a_name_and_a_path_that_are_swapped_are_said_to_be(path: str) -> None:
    Path("job").mkdir()
    with pytest.raises(InvalidNameError, match="SOURCE and NAME:TAG are swapped") as caught:
        parse_name(path, "my-job:1.0.0")
    shown = f"'{path}'" if " " in path else path
    assert f"SOURCE comes first: `lusid-publish {shown} my-job:1.0.0`." in caught.value.hint


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("My-Job:1", "my-job:1.0.0"),
        ("", "my-job:1.0.0"),
        ("gone", "my-job:1.0.0"),
        ("a" * 300, "my-job:1.0.0"),
        ("a\0b", "my-job:1.0.0"),
    ],
)
def test_a_bad_name_that_is_not_swapped_is_refused_by_itself(name: str, source: str) -> None:
    with pytest.raises(InvalidNameError) as caught:
        parse_name(name, source)
    assert "swapped" not in caught.value.message


def test_a_good_name_is_one_also_where_a_path_is_called_so() -> None:
    Path("my-job:2").touch()
    assert str(parse_name("my-job:2", "my-job:1")) == "my-job:2"
