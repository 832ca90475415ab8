"""Recognise files, folders and tars that are not images, for the error about them."""

import codecs
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lusid_image_publish.archives.tars import BEGINNING_BYTES
from lusid_image_publish.errors import SourceError
from lusid_image_publish.text import plain

_EXCERPT_CHARACTERS: Final = 100
_MIN_REPLACEMENT_CHARACTERS: Final = 16  # so many are not an accident
_WRITE_AGAIN_HINT: Final = "Check the log of the step that writes it, and run that step again."

_ARCHIVE_NAME: Final = re.compile(
    r"\.(?:tar|tar\.\w+|tgz|tbz2?|txz|tzst|gz|bz2|xz|zst|zip|oci)$", re.IGNORECASE
)
# Not Python's `from ... import`.
_FROM: Final = re.compile(rb"from(?:\s+(?!\S+\s+import\b)|[\\`]$)", re.IGNORECASE)
# Other frontends of BuildKit have other instructions.
_SYNTAX: Final = re.compile(rb"\A(?:[ \t]*(?:#|//)[^\n]*\n)*?[ \t]*(?:#|//)[ \t]*syntax[ \t]*=")
_DIGEST_NAME: Final = re.compile(r"(?:sha256:)?[0-9a-f]{64}(?:\.json)?")
_ROOT_FOLDERS: Final = {
    *("bin", "boot", "dev", "etc", "home", "lib", "mnt", "opt", "proc", "root", "run", "sbin"),
    *("srv", "sys", "tmp", "usr", "var"),
}
_IMAGE_FILES: Final = {"index.json", "manifest.json", "oci-layout"}
_IMAGE_FILE_IN_FOLDER: Final = re.compile(r"[^/]+/(?:index\.json|manifest\.json|oci-layout)")
_MAX_WRAPPER_FILES: Final = 20  # in an archive of an archive

STDIN: Final = Path("-")
_PIPE_CAUSE: Final = "The command that writes to the pipe failed, or writes something else."
_PIPE_HINT: Final = (
    "Check the output of that command. A pipe takes an archive, as `docker save NAME:TAG` writes "
    "it; give a Dockerfile by its path."
)
_EMPTY_PIPE_CAUSE: Final = "No command writes to it, or that command failed."
_EMPTY_PIPE_HINT: Final = (
    "Start the command that writes to it first: `docker save NAME:TAG > PIPE &`."
)


@dataclass(frozen=True)
class Foreign:
    """Something that is not an image.

    `what` completes a sentence like "It is ..."; `cause` and `hint` are for an error about it.
    """

    what: str
    cause: str
    hint: str


def _pointer_of(tool: str, hint: str) -> Foreign:
    return Foreign(
        f"a {tool} pointer, not the file itself",
        "The checkout did not fetch the file.",
        hint,
    )


def _wrapped(form: str, hint: str = "Unpack it, and give the archive inside as SOURCE.") -> Foreign:
    return Foreign(form, "The archive was packed again, or the CI packed its artifact.", hint)


def _other_file(what: str) -> Foreign:
    return Foreign(
        what,
        "SOURCE is the wrong file.",
        "Give the archive that `docker save` or another tool wrote.",
    )


_SIGNS: Final = (
    (b"PK\x03\x04", _wrapped("a ZIP file")),
    (b"PK\x05\x06", _wrapped("an empty ZIP file", _WRITE_AGAIN_HINT)),
    (b"7z\xbc\xaf\x27\x1c", _wrapped("a 7z archive")),
    (b"Rar!\x1a\x07", _wrapped("a RAR archive")),
    (b"\x04\x22\x4d\x18", _wrapped("compressed with lz4", "Decompress it first: `lz4 -d FILE`.")),
    (b"LZIP", _wrapped("compressed with lzip", "Decompress it first: `lzip -d FILE`.")),
    (b"\x1f\x9d", _wrapped("compressed with compress", "Decompress it first: `uncompress FILE`.")),
    (b"\x7fELF", _other_file("a program")),
    (b"hsqs", _other_file("a SquashFS file system")),
    (b"QFI\xfb", _other_file("a disk image of a virtual machine")),
    (
        b"version https://git-lfs.github.com/",
        _pointer_of("Git LFS", "Run `git lfs pull`; in GitHub, give actions/checkout `lfs: true`."),
    ),
    (b"/annex/objects/", _pointer_of("git-annex", "Run `git annex get`.")),
    (b"outs:\n- md5:", _pointer_of("DVC", "Run `dvc pull`.")),
)
"""The first bytes of other files."""


def is_named_as_archive(name: str) -> bool:
    """Return whether `name` has the extension of an archive."""
    return bool(_ARCHIVE_NAME.search(name))


def is_dockerfile(beginning: bytes) -> bool:
    """Return whether a file that begins like this can be a Dockerfile.

    Its first instruction is FROM, after any ARG, or it names a frontend of BuildKit (`# syntax=`).
    """
    text = beginning.removeprefix(codecs.BOM_UTF8)
    if b"\0" in text:
        return False
    return bool(_SYNTAX.match(text) or _FROM.match(_first_line(text)))


def _first_line(text: bytes) -> bytes:
    """Return the first line of a Dockerfile that is not an ARG, empty without one."""
    continues = False
    for line in map(bytes.strip, text.splitlines()):
        if not line or line.startswith(b"#"):
            continue
        if not continues and line.split()[0].upper() != b"ARG":
            return line
        continues = line.endswith((b"\\", b"`"))  # either is an escape character of Dockerfiles
    return b""


def recognise_file(beginning: bytes, *, quoted: bool) -> Foreign:
    """Recognise a file that is neither an archive nor a Dockerfile by its beginning.

    `quoted` shows the first line of a text. Set it only if an archive was expected: then the line
    is a message, otherwise it may be a secret.
    """
    if not beginning.strip(b"\0 \t\r\n"):
        zeros = " (only zeros or blanks)" if beginning else ""
        cause = "The step that should write it failed, or wrote another file."
        return Foreign(f"empty{zeros}", cause, _WRITE_AGAIN_HINT)
    for sign, foreign in _SIGNS:
        if beginning.startswith(sign):
            return foreign
    if beginning.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return Foreign(
            "UTF-16 text, as `>` writes it in PowerShell",
            "PowerShell treats the output of a command as text, and encodes it.",
            "For an archive use `docker save -o FILE NAME:TAG` instead of `>`; save a Dockerfile "
            "as UTF-8.",
        )
    try:
        text = beginning.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # The last character may be cut.
        is_cut = len(beginning) - error.start < 4 and len(beginning) == BEGINNING_BYTES  # noqa: PLR2004
        text = beginning[: error.start].decode() if is_cut else "\0"
    if "\0" in text:
        return _other_file("a binary file of an unknown kind")
    return _recognise_text(text.strip(), quoted=quoted)


def _recognise_text(text: str, *, quoted: bool) -> Foreign:
    lowered = text[:1000].lower()
    begins = (
        f" that begins with {plain(text.splitlines()[0], longest=_EXCERPT_CHARACTERS)!r}"
        if quoted
        else ""
    )
    message = "A command wrote a message instead of the image."
    if lowered.startswith(("<!doctype html", "<html")):
        cause = "It was downloaded from a URL that is wrong or needs a login."
        return Foreign(f"a web page{begins}", cause, _WRITE_AGAIN_HINT)
    if lowered.startswith("<"):
        return Foreign(f"an XML document{begins}", message, _WRITE_AGAIN_HINT)
    if lowered.startswith(("{", "[")):
        return Foreign(f"a JSON document{begins}", message, _WRITE_AGAIN_HINT)
    if is_dockerfile(text.encode()):
        return Foreign(
            "the text of a Dockerfile",
            "The file has the name of an archive, or SOURCE is the wrong file.",
            "Rename the file, for example to Dockerfile.",
        )
    if quoted:
        return Foreign(f"text{begins}", message, _WRITE_AGAIN_HINT)
    return Foreign(
        "text that does not begin with a FROM instruction",
        "SOURCE is the wrong file, or the Dockerfile is incomplete.",
        "Give a Dockerfile or an image archive.",
    )


def recognise_tar(names: Collection[str]) -> Foreign | None:
    """Recognise a tar by the names of its files, None for an unknown one."""
    top = {name.partition("/")[0] for name in names}
    if foreign := _recognise_top(top):
        return foreign
    if top & _IMAGE_FILES or _any_is_digest(top):
        return None
    below = {name.partition("/")[0] for name in names if _IMAGE_FILE_IN_FOLDER.fullmatch(name)}
    if len(below) == 1:
        folder = plain(below.pop(), longest=_EXCERPT_CHARACTERS)
        return Foreign(
            f"an archive of the folder {folder}, which contains the image",
            "The folder itself was packed instead of its contents.",
            "Pack the contents of the folder: `tar -C FOLDER -cf image.tar .`",
        )
    inner = sorted(name for name in names if is_named_as_archive(name))
    if inner and len(names) <= _MAX_WRAPPER_FILES:
        return _wrapped(
            f"an archive that contains another one, {plain(inner[0], longest=_EXCERPT_CHARACTERS)}"
        )
    return None


def recognise_folder(names: Collection[str]) -> Foreign | None:
    """Recognise a folder by the names of its files, None for an unknown one."""
    is_docker_archive = "blobs" in names or _any_is_digest(names)
    if "manifest.json" in names and "version" not in names and is_docker_archive:
        return Foreign(
            "an unpacked archive",
            "Only an OCI image layout can be published from a directory.",
            "Give the archive itself, or pack it again: `tar -C FOLDER -cf image.tar .`",
        )
    return _recognise_top(set(names))


def _recognise_top(top: set[str]) -> Foreign | None:
    """Recognise a tar or a folder by the names at its top."""
    if {"version", "manifest.json"} <= top and _any_is_digest(top):
        return Foreign(
            "skopeo output in its `dir:` format",
            "Only skopeo and tools based on it read this format.",
            "Write an archive instead: `skopeo copy dir:FOLDER oci-archive:image.tar`.",
        )
    if {"config.json", "rootfs"} <= top:
        return Foreign(
            "an OCI runtime bundle, as `umoci unpack` writes it",
            "It has the files of an image, but no layers.",
            "Give the OCI image layout that it was unpacked from.",
        )
    if ".dockerenv" in top or len(top & _ROOT_FOLDERS) > 2:  # noqa: PLR2004  # two may be a project's
        return Foreign(
            "a root file system, as `docker export` writes it",
            "`docker export` saves the files of a container; `docker save` saves an image.",
            "Use `docker save` instead of `docker export`, or make an image of the files with "
            "`docker import FILE NAME:TAG`.",
        )
    return None


def was_reencoded(beginning: bytes) -> bool:
    """Return whether a shell read binary data as text and replaced the bytes that are not.

    `>` in PowerShell 7 before 7.4 does so.
    """
    return beginning.count(b"\xef\xbf\xbd") >= _MIN_REPLACEMENT_CHARACTERS


def _any_is_digest(names: Iterable[str]) -> bool:
    return any(_DIGEST_NAME.fullmatch(name) for name in names)


def not_an_image_error(
    path: Path, beginning: bytes, *, is_piped: bool = False, is_compressed: bool = False
) -> SourceError:
    """Return the error for a file that is neither an archive nor a Dockerfile.

    `is_compressed` says that `beginning` is decompressed.
    """
    is_archive = is_piped or is_compressed or is_named_as_archive(path.name)
    foreign = recognise_file(beginning, quoted=is_archive)
    name = "The data from the pipe" if is_piped else str(path)
    expected = "not an image archive" if is_archive else "neither a Dockerfile nor an image archive"
    it = "decompressed, it" if is_compressed else "it"
    cause, hint = foreign.cause, foreign.hint
    if is_piped:
        cause, hint = _PIPE_CAUSE, _PIPE_HINT
        if path != STDIN and not beginning:
            cause, hint = _EMPTY_PIPE_CAUSE, _EMPTY_PIPE_HINT
    return SourceError(f"{name} is {expected}: {it} is {foreign.what}.", cause=cause, hint=hint)
