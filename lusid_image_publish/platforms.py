"""Platforms: what an image runs on, as OS/ARCH[/VARIANT]."""

from collections.abc import Container, Iterable, Mapping
from typing import Any, Final

from lusid_image_publish.errors import PlatformError
from lusid_image_publish.redact import plain

DEFAULT_PLATFORM = "linux/amd64"
"""The platform that LUSID's jobs run on."""


_SYSTEMS: Final = {
    *("aix", "android", "darwin", "freebsd", "illumos", "linux", "netbsd", "openbsd", "windows"),
}
_ARCHITECTURES: Final = {
    *("386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle", "ppc64"),
    *("ppc64le", "riscv64", "s390x", "wasm"),
}
"""The names that images have for what they run on: those of Go (image-spec, config.md)."""

_PARTS: Final = ("os", "architecture")
_KNOWN: Final = (_SYSTEMS, _ARCHITECTURES)
_OTHER_NAMES: Final = {
    **dict.fromkeys(("x86_64", "x86-64", "x64"), "amd64"),
    **dict.fromkeys(("aarch64", "arm64v8"), "arm64"),
    **dict.fromkeys(("i386", "i486", "i586", "i686", "x86"), "386"),
    **dict.fromkeys(("armhf", "armel", "armv7", "armv7l"), "arm"),
    "macos": "darwin",
}


def platform_error(found: Iterable[str], platform: str, *, cause: str, hint: str) -> PlatformError:
    """Return the error for an image that is for none but the platforms `found`.

    They are as `platform_of` gives them. `cause` and `hint` are those for another kind of machine:
    what an image leaves out, or spells as Go does not, has its own.
    """
    given = sorted(set(found))
    shown = ", ".join(plain(each) for each in given if each) or "an unknown platform"
    message = f"The image is for {shown}, not for {platform}."
    if len(given) == 1:
        parts = [*given[0].split("/"), ""][:2]
        if missing := [name for name, part in zip(_PARTS, parts, strict=True) if not part]:
            words = " and no ".join(missing)
            return PlatformError(
                f"The image does not say what it is for: its config has no {words}.",
                cause="The tool that made the image left it out.",
                hint=f"Let that tool set os and architecture for {platform}, and build it again.",
            )
        named = [_go_name(part, known) for part, known in zip(parts, _KNOWN, strict=True)]
        misspelt = [
            f"{plain(part)} is not a name that Docker knows{f': {name} is' if name else ''}."
            for part, name in zip(parts, named, strict=True)
            if part != name
        ]
        if misspelt:
            if platform_covers(platform, "/".join(named)):
                hint = f"Let the tool that made the image write {' and '.join(named)}."
                cause = ""
            return PlatformError(message, cause=" ".join([*misspelt, cause]).strip(), hint=hint)
    return PlatformError(message, cause=cause, hint=hint)


def _go_name(word: str, known: Container[str]) -> str:
    """Return what Go calls an operating system or an architecture, empty when that is not known."""
    name = _OTHER_NAMES.get(word.lower(), word.lower())
    return name if name in known else ""


def platform_of(parts: Mapping[str, Any]) -> str:
    """Return `os/architecture[/variant]` as `parts` name them, empty where they name none.

    What is missing of the first two is empty, as in `linux/`.
    """
    system, architecture, variant = (
        str(parts.get(name) or "") for name in ("os", "architecture", "variant")
    )
    if not (system or architecture or variant):
        return ""
    return f"{system}/{architecture}" + (f"/{variant}" if variant else "")


def platform_covers(wanted: str, found: str) -> bool:
    """Return whether `found` is `wanted`, or a variant of it where none is wanted."""
    return f"{found}/".startswith(f"{wanted}/")
