"""The rooms of the package import downwards only."""

import ast
from collections.abc import Iterator
from pathlib import Path

import lusid_image_publish

PACKAGE = Path(lusid_image_publish.__file__).parent
ORDER = [
    "system",
    "errors",
    "redact",
    "names",
    "platforms",
    "credential",
    "hosts",
    "progress",
    "interrupts",
    "waiting",
    "config_values",
    "config_sources",
    "config",
    "environment",
    "engine",
    "http",
    "archives",
    "registry",
    "sources",
    "scheduler",
    "scan",
    "publishing",
    "reports",
    "doctor",
    "prune",
    "local_scheduler",
    "ci",
    "cli",
]
"""From the bottom to the top."""

LOCAL_MAY_IMPORT = {"system", "errors", "redact", "engine", "local_scheduler"}
"""The local Scheduler shares no wire code with the client, or both could be wrong alike."""


def imports(path: Path) -> Iterator[str]:
    """Yield the room of each module of this package that the file imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
            if node.module.startswith("lusid_image_publish"):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            package, _, rest = name.partition(".")
            room = rest.partition(".")[0]
            if package == "lusid_image_publish" and room in ORDER:
                yield room


def rooms() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if room != "__init__":
            yield room, path


def test_every_room_is_in_the_order() -> None:
    assert {room for room, _ in rooms()} == set(ORDER)


def test_imports_point_downwards() -> None:
    upwards = [
        f"{path.relative_to(PACKAGE)} imports {imported}"
        for room, path in rooms()
        for imported in imports(path)
        if ORDER.index(imported) > ORDER.index(room)
    ]
    assert upwards == []


def test_the_local_scheduler_shares_nothing_with_the_client() -> None:
    shared = [
        f"{path.relative_to(PACKAGE)} imports {imported}"
        for room, path in rooms()
        if room == "local_scheduler"
        for imported in imports(path)
        if imported not in LOCAL_MAY_IMPORT
    ]
    assert shared == []
