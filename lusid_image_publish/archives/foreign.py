"""Files, folders and tars that hold no image: what they are, so that an error can say it."""

import codecs
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lusid_image_publish.archives.tars import BEGINNING_BYTES
from lusid_image_publish.errors import SourceError
from lusid_image_publish.redact import plain

_EXCERPT: Final = 100  # characters
_REPLACEMENTS: Final = 16  # so many are no accident
_WRITE_AGAIN: Final = "See what the step that writes it says, and run it again."

_ARCHIVE_NAME: Final = re.compile(
    r"\.(?:tar|tar\.\w+|tgz|tbz2?|txz|tzst|gz|bz2|xz|zst|zip|oci)$", re.IGNORECASE
)
# Python has a word of that name, too.
_FROM: Final = re.compile(rb"from(?:\s+(?!\S+\s+import\b)|[\\`]$)", re.IGNORECASE)
# Another frontend of BuildKit has instructions of its own.
_SYNTAX: Final = re.compile(rb"\A(?:[ \t]*(?:#|//)[^\n]*\n)*?[ \t]*(?:#|//)[ \t]*syntax[ \t]*=")
_HEX: Final = re.compile(r"(?:sha256:)?[0-9a-f]{64}(?:\.json)?")
_OF_A_ROOT: Final = {
    *("bin", "boot", "dev", "etc", "home", "lib", "mnt", "opt", "proc", "root", "run", "sbin"),
    *("srv", "sys", "tmp", "usr", "var"),
}
_OF_AN_IMAGE: Final = {"index.json", "manifest.json", "oci-layout"}
_BELOW: Final = re.compile(r"[^/]+/(?:index\.json|manifest\.json|oci-layout)")
_MOST_FILES_AROUND: Final = 20  # in an archive of an archive

STDIN: Final = Path("-")
_CAUSE_OF_A_PIPE: Final = "The command that writes into the pipe failed, or writes something else."
_HINT_OF_A_PIPE: Final = (
    "See what that command says. A pipe takes an archive, as `docker save NAME:TAG` writes it; a "
    "Dockerfile is named by its path."
)
_CAUSE_OF_AN_EMPTY_PIPE: Final = "No command writes into it, or the one that does failed."
_HINT_OF_AN_EMPTY_PIPE: Final = (
    "Start the command that writes into it first: `docker save NAME:TAG > PIPE &`."
)


@dataclass(frozen=True)
class Foreign:
    """Something that holds no image.

    `what` ends a sentence as "It is ..."; `cause` and `hint` are those of an error about it.
    """

    what: str
    cause: str
    hint: str


def _pointer(tool: str, hint: str) -> Foreign:
    return Foreign(
        f"a pointer of {tool}, and not the file itself",
        "The checkout did not fetch the file.",
        hint,
    )


def _packed(form: str, hint: str = "Unpack it, and name the archive that is in it.") -> Foreign:
    return Foreign(form, "The archive was packed once more, or a CI packed its artifact.", hint)


def _other(what: str) -> Foreign:
    return Foreign(
        what,
        "SOURCE names another file than the image's.",
        "Name the archive that `docker save`, or another builder, wrote.",
    )


_SIGNS: Final = (
    (b"PK\x03\x04", _packed("a ZIP file")),
    (b"PK\x05\x06", _packed("an empty ZIP file", _WRITE_AGAIN)),
    (b"7z\xbc\xaf\x27\x1c", _packed("a 7z archive")),
    (b"Rar!\x1a\x07", _packed("a RAR archive")),
    (b"\x04\x22\x4d\x18", _packed("compressed with lz4", "Decompress it first: `lz4 -d FILE`.")),
    (b"LZIP", _packed("compressed with lzip", "Decompress it first: `lzip -d FILE`.")),
    (b"\x1f\x9d", _packed("compressed with compress", "Decompress it first: `uncompress FILE`.")),
    (b"\x7fELF", _other("a program")),
    (b"hsqs", _other("a SquashFS file system")),
    (b"QFI\xfb", _other("a disk image of a virtual machine")),
    (
        b"version https://git-lfs.github.com/",
        _pointer("Git LFS", "Run `git lfs pull`; in GitHub, give actions/checkout `lfs: true`."),
    ),
    (b"/annex/objects/", _pointer("git-annex", "Run `git annex get`.")),
    (b"outs:\n- md5:", _pointer("DVC", "Run `dvc pull`.")),
)
"""How files of other kinds begin."""


def is_named_as_archive(name: str) -> bool:
    """Return whether a file of this name is meant to be an archive."""
    return bool(_ARCHIVE_NAME.search(name))


def is_dockerfile(beginning: bytes) -> bool:
    """Return whether a file that begins so can be a Dockerfile.

    Its first instruction is FROM, after any ARG. One that names a frontend of BuildKit's
    (`# syntax=`) may have others.
    """
    text = beginning.removeprefix(codecs.BOM_UTF8)
    if b"\0" in text:
        return False
    return bool(_SYNTAX.match(text) or _FROM.match(_first_line(text)))


def _first_line(text: bytes) -> bytes:
    """Return the first line of a Dockerfile with another instruction than ARG, empty without."""
    continues = False
    for line in map(bytes.strip, text.splitlines()):
        if not line or line.startswith(b"#"):
            continue
        if not continues and line.split()[0].upper() != b"ARG":
            return line
        continues = line.endswith((b"\\", b"`"))  # either is an escape character of Dockerfiles
    return b""


def recognise_file(beginning: bytes, *, quoted: bool) -> Foreign:
    """Return what a file is that begins so, and is neither an archive nor a Dockerfile.

    `quoted` allows to show the beginning of a text: what was to be an archive is a message then,
    and anything else may be a secret.
    """
    if not beginning.strip(b"\0 \t\r\n"):
        zeros = ": it has nothing but zeros or blanks" if beginning else ""
        cause = "The step that should write it failed, or wrote another file."
        return Foreign(f"empty{zeros}", cause, _WRITE_AGAIN)
    for sign, foreign in _SIGNS:
        if beginning.startswith(sign):
            return foreign
    if beginning.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return Foreign(
            "UTF-16 text, as `>` of PowerShell writes it",
            "PowerShell takes for text what a command writes, and encodes it.",
            "For an archive use `docker save -o FILE NAME:TAG` in place of `>`; save a Dockerfile "
            "as UTF-8.",
        )
    try:
        text = beginning.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # The last character may be cut.
        is_cut = len(beginning) - error.start < 4 and len(beginning) == BEGINNING_BYTES  # noqa: PLR2004
        text = beginning[: error.start].decode() if is_cut else "\0"
    if "\0" in text:
        return _other("a binary file of an unknown kind")
    return _recognise_text(text.strip(), quoted=quoted)


def _recognise_text(text: str, *, quoted: bool) -> Foreign:
    lowered = text[:1000].lower()
    begins = f" that begins {plain(text.splitlines()[0], longest=_EXCERPT)!r}" if quoted else ""
    message = "A command wrote a message where the image belongs."
    if lowered.startswith(("<!doctype html", "<html")):
        cause = "It was downloaded from an address that needs a login, or that is wrong."
        return Foreign(f"a web page{begins}", cause, _WRITE_AGAIN)
    if lowered.startswith("<"):
        return Foreign(f"an XML document{begins}", message, _WRITE_AGAIN)
    if lowered.startswith(("{", "[")):
        return Foreign(f"a JSON document{begins}", message, _WRITE_AGAIN)
    if is_dockerfile(text.encode()):
        return Foreign(
            "the text of a Dockerfile",
            "The name of the file is an archive's, or SOURCE names another file.",
            "Give the file another name, as Dockerfile.",
        )
    if quoted:
        return Foreign(f"text{begins}", message, _WRITE_AGAIN)
    return Foreign(
        "a text without a FROM instruction at its beginning",
        "SOURCE names another file, or the Dockerfile is not complete.",
        "Name a Dockerfile, or an archive of an image.",
    )


def recognise_tar(names: Collection[str]) -> Foreign | None:
    """Return what a tar is that has these files, None when that is not known."""
    top = {name.partition("/")[0] for name in names}
    if foreign := _recognise(top):
        return foreign
    if top & _OF_AN_IMAGE or _any_hex(top):
        return None
    below = {name.partition("/")[0] for name in names if _BELOW.fullmatch(name)}
    if len(below) == 1:
        folder = plain(below.pop(), longest=_EXCERPT)
        return Foreign(
            f"an archive of the folder {folder}, and the image is in that",
            "The folder was packed, and not what is in it.",
            "Pack what is in the folder: `tar -C FOLDER -cf image.tar .`",
        )
    inner = sorted(name for name in names if is_named_as_archive(name))
    if inner and len(names) <= _MOST_FILES_AROUND:
        return _packed(f"an archive with another one in it, {plain(inner[0], longest=_EXCERPT)}")
    return None


def recognise_folder(names: Collection[str]) -> Foreign | None:
    """Return what a folder is that has these files, None when that is not known."""
    is_docker_archive = "blobs" in names or _any_hex(names)
    if "manifest.json" in names and "version" not in names and is_docker_archive:
        return Foreign(
            "an archive that was unpacked",
            "Only an OCI image layout can be published from a directory.",
            "Name the archive itself, or pack it again: `tar -C FOLDER -cf image.tar .`",
        )
    return _recognise(set(names))


def _recognise(top: set[str]) -> Foreign | None:
    """Return what a tar or a folder is that has these names at its top."""
    if {"version", "manifest.json"} <= top and _any_hex(top):
        return Foreign(
            "what skopeo writes to `dir:`",
            "That format is skopeo's own: only skopeo and what builds on it read it.",
            "Write an archive instead: `skopeo copy dir:FOLDER oci-archive:image.tar`.",
        )
    if {"config.json", "rootfs"} <= top:
        return Foreign(
            "a bundle for a runtime, as `umoci unpack` writes it",
            "It has the files of an image, and no layers.",
            "Name the OCI image layout that it was made from.",
        )
    if ".dockerenv" in top or len(top & _OF_A_ROOT) > 2:  # noqa: PLR2004  # two may be a project's
        return Foreign(
            "a root file system, as `docker export` writes it",
            "`docker export` saves the files of a container, and `docker save` an image.",
            "Use `docker save` in place of `docker export`; `docker import FILE NAME:TAG` makes an "
            "image of a root file system.",
        )
    return None


def was_reencoded(beginning: bytes) -> bool:
    """Return whether a shell took binary data that begins so for text, and replaced what is none.

    So does `>` in PowerShell 7 before 7.4.
    """
    return beginning.count(b"\xef\xbf\xbd") >= _REPLACEMENTS


def _any_hex(names: Iterable[str]) -> bool:
    return any(_HEX.fullmatch(name) for name in names)


def not_an_image_error(
    path: Path, beginning: bytes, *, is_piped: bool = False, is_compressed: bool = False
) -> SourceError:
    """Return the error for a file that begins so, and is neither an archive nor a Dockerfile.

    `is_compressed` says that it begins so when it is decompressed.
    """
    is_archive = is_piped or is_compressed or is_named_as_archive(path.name)
    foreign = recognise_file(beginning, quoted=is_archive)
    name = "What comes through the pipe" if is_piped else str(path)
    expected = "not an image archive" if is_archive else "neither a Dockerfile nor an image archive"
    it = "decompressed, it" if is_compressed else "it"
    cause, hint = foreign.cause, foreign.hint
    if is_piped:
        cause, hint = _CAUSE_OF_A_PIPE, _HINT_OF_A_PIPE
        if path != STDIN and not beginning:
            cause, hint = _CAUSE_OF_AN_EMPTY_PIPE, _HINT_OF_AN_EMPTY_PIPE
    return SourceError(f"{name} is {expected}: {it} is {foreign.what}.", cause=cause, hint=hint)
