"""Platforms of images, as OS/ARCH[/VARIANT]."""

from collections.abc import Container, Iterable, Mapping
from typing import Any, Final

from lusid_image_publish.errors import PlatformError
from lusid_image_publish.text import plain

DEFAULT_PLATFORM = "linux/amd64"
"""The platform that LUSID's jobs run on."""

_SYSTEMS: Final = {
    *("aix", "android", "darwin", "freebsd", "illumos", "linux", "netbsd", "openbsd", "windows"),
}
_ARCHITECTURES: Final = {
    *("386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle", "ppc64"),
    *("ppc64le", "riscv64", "s390x", "wasm"),
}
"""Go's names of operating systems and architectures (image-spec, config.md)."""

_CONFIG_KEYS: Final = ("os", "architecture")
_KNOWN_NAMES: Final = (_SYSTEMS, _ARCHITECTURES)
_OTHER_NAMES: Final = {
    **dict.fromkeys(("x86_64", "x86-64", "x64"), "amd64"),
    **dict.fromkeys(("aarch64", "arm64v8"), "arm64"),
    **dict.fromkeys(("i386", "i486", "i586", "i686", "x86"), "386"),
    **dict.fromkeys(("armhf", "armel", "armv7", "armv7l"), "arm"),
    "macos": "darwin",
}


def platform_error(found: Iterable[str], platform: str, *, cause: str, hint: str) -> PlatformError:
    """Return the error for an image that is only for the platforms `found`.

    These are as `platform_of` returns them. `cause` and `hint` are used for another kind of
    machine, not for a missing or misspelled platform.
    """
    platforms = sorted(set(found))
    shown = ", ".join(plain(each) for each in platforms if each) or "an unknown platform"
    message = f"The image is for {shown}, not for {platform}."
    if len(platforms) == 1:
        parts = [*platforms[0].split("/"), ""][:2]
        if missing := [name for name, part in zip(_CONFIG_KEYS, parts, strict=True) if not part]:
            words = " and no ".join(missing)
            return PlatformError(
                f"The image does not name its platform: its config has no {words}.",
                cause="The tool that built the image left it out.",
                hint=f"Set os and architecture for {platform} in that tool, and build again.",
            )
        named = [_go_name(part, known) for part, known in zip(parts, _KNOWN_NAMES, strict=True)]
        misspelt = [
            f"{plain(part)} is not a name that Docker knows{f'; use {name}' if name else ''}."
            for part, name in zip(parts, named, strict=True)
            if part != name
        ]
        if misspelt:
            if platform_covers(platform, "/".join(named)):
                hint = f"Set {' and '.join(named)} in the tool that built the image."
                cause = ""
            return PlatformError(message, cause=" ".join([*misspelt, cause]).strip(), hint=hint)
    return PlatformError(message, cause=cause, hint=hint)


def _go_name(word: str, known: Container[str]) -> str:
    """Return Go's name of an operating system or an architecture, empty for an unknown one."""
    name = _OTHER_NAMES.get(word.lower(), word.lower())
    return name if name in known else ""


def platform_of(parts: Mapping[str, Any]) -> str:
    """Return `os/architecture[/variant]` of a document, empty if it has none of them.

    A missing os or architecture is empty, as in `linux/`.
    """
    system, architecture, variant = (
        str(parts.get(name) or "") for name in ("os", "architecture", "variant")
    )
    if not (system or architecture or variant):
        return ""
    return f"{system}/{architecture}" + (f"/{variant}" if variant else "")


def platform_covers(wanted: str, found: str) -> bool:
    """Return whether `found` is `wanted`, or a variant of it if `wanted` has none."""
    return f"{found}/".startswith(f"{wanted}/")
