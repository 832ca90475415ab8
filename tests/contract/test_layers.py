"""The structure of the package: what imports what, and that a name means one thing.

An import under `TYPE_CHECKING` points downwards like every other: a room that knows the types of a
higher one is not below it. It closes no circle of modules, because it is not executed. An import
inside a function counts as one at the top: it only comes later.
"""

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import lusid_image_publish

PACKAGE = Path(lusid_image_publish.__file__).parent
NAME = PACKAGE.name
ORDER = [
    "system",
    "errors",
    "redact",
    "text",
    "arguments",
    "names",
    "platforms",
    "credential",
    "hosts",
    "progress",
    "interrupts",
    "waiting",
    "parallel",
    "config_given",
    "config_values",
    "config_base_urls",
    "config_servers",
    "config_secrets_forms",
    "config_sources",
    "config",
    "environment",
    "engine_unreachable",
    "engine",
    "http",
    "archives",
    "registry",
    "sources",
    "scheduler",
    "scan",
    "publishing",
    "jobs",
    "reports",
    "doctor",
    "prune",
    "local_scheduler",
    "testing",
    "pytest_plugin",
    "ci",
    "cli",
    "__main__",
]
"""From the bottom to the top."""

LOCAL_MAY_IMPORT = {"system", "errors", "redact", "engine", "local_scheduler"}
"""The local Scheduler shares no wire code with the client, or both could be wrong alike."""

MAX_DEFERRED_IMPORTS = 16
"""Imports inside functions, in the whole package."""

CHEAP = [
    "scan.verdict",
    "scan.status",
    "publishing.policy",
    "publishing.results",
    "jobs.job_results",
    "reports.formats",
    "reports.outputs",
    "ci.detect",
    "progress",
    "pytest_plugin",
    "cli.publish",
    "cli.images",
    "cli.jobs",
    "cli.local",
]
"""What `--help`, an option, an output or a type needs: a dear module is imported by what works."""

DEAR = {"docker", "httpx", "pydantic", "pydantic_core", "requests", "rich", "fastapi", "uvicorn"}

UNITS: Final = (
    *("BYTES", "GIB", "CHARACTERS", "LINES", "DIGITS", "SECONDS", "DAYS"),
    *("ATTEMPTS", "RETRIES", "REDIRECTS", "ITERATIONS", "LEVELS", "FACTOR", "SHARE"),
    *("ANNOTATIONS", "BLOBS", "ENTRIES", "ERRORS", "FILES", "FINDINGS", "HEADERS", "IMAGES"),
    *("LAYERS", "LINKS", "MEMBERS", "NAMES", "NUMBER", "REQUESTS", "RESULTS", "ITEMS"),
    *("CONNECTIONS", "TAGS", "MANIFESTS", "PAGES", "COUNT"),
    *("CODE", "CODES", "ERRNO", "FLAG", "FLAGS", "PORT", "VERBOSITY", "MODE"),
    *("LEVEL", "WBITS"),  # as zlib calls them
)
"""What the name of a number ends with: what it counts, or what it is."""


@dataclass(frozen=True)
class Import:
    """That `module` imports `imported`, both of this package and without its name.

    `kind` is `top`, `function`, or `types` for what stands under `TYPE_CHECKING`.
    """

    module: str
    imported: str
    kind: str
    line: int

    def __str__(self) -> str:
        return f"{self.module}:{self.line} imports {self.imported}"


@cache
def modules() -> Mapping[str, Path]:
    """Return the modules of the package, as in `cli.publish`; the package itself is not one."""
    return {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.name != "__init__.py"
    }


@cache
def tree_of(module: str) -> ast.Module:
    return ast.parse(modules()[module].read_text(encoding="utf-8"))


def room_of(module: str) -> str:
    return module.partition(".")[0]


@cache
def nodes(module: str) -> list[tuple[ast.AST, str]]:
    """Return all nodes of a module, each with the kind that an import there has."""
    found: list[tuple[ast.AST, str]] = [(tree_of(module), "top")]
    for node, kind in found:  # it grows meanwhile
        below = kind
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            below = "function"
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            below = "types"
        found += [(child, below) for child in ast.iter_child_nodes(node)]
    return found


def targets(node: ast.AST) -> list[str]:
    """Return the modules of this package that a node imports.

    A command names in `run_in` the module that does what it declares: that is an import as well.
    """
    names: list[str] = []
    if isinstance(node, ast.ImportFrom) and node.module:
        names = [f"{node.module}.{alias.name}" for alias in node.names]
    elif isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.Call) and called(node) == "run_in":
        names = [f"{NAME}.cli.{ast.literal_eval(node.args[0])}"]
    return [found for name in names if (found := module_of(name))]


def called(node: ast.Call) -> str:
    """Return the last name of what is called."""
    match node.func:
        case ast.Name(name) | ast.Attribute(attr=name):
            return name
    return ""


def module_of(name: str) -> str:
    """Return the module that has `name`, empty when that is not of this package."""
    package, _, rest = name.partition(".")
    if package != NAME:
        return ""
    return next((end for end in (rest, rest.rpartition(".")[0]) if end in modules()), "")


@cache
def imports() -> list[Import]:
    return [
        Import(module, imported, kind, getattr(node, "lineno", 0))
        for module in modules()
        for node, kind in nodes(module)
        for imported in targets(node)
    ]


def deferred_imports() -> list[tuple[str, int]]:
    """Return module and line of each import inside a function, also of other packages."""
    return [
        (module, node.lineno)
        for module in modules()
        for node, kind in nodes(module)
        if kind == "function"
        and (
            isinstance(node, ast.Import | ast.ImportFrom)
            or (isinstance(node, ast.Call) and called(node) == "import_module")
        )
    ]


def test_every_room_is_in_the_order() -> None:
    assert {room_of(module) for module in modules()} == set(ORDER)


def test_imports_point_downwards() -> None:
    upwards = [
        str(found)
        for found in imports()
        if ORDER.index(room_of(found.imported)) > ORDER.index(room_of(found.module))
    ]
    assert upwards == []


def test_no_circle_of_modules() -> None:
    below: dict[str, set[str]] = {module: set() for module in modules()}
    for found in imports():
        if found.kind != "types" and found.imported != found.module:
            below[found.module].add(found.imported)
    # A module that imports none of the rest, or that none of it imports, is not in a circle.
    while ends := {
        module
        for module, imported in below.items()
        if not imported or all(module not in others for others in below.values())
    }:
        below = {
            module: imported - ends for module, imported in below.items() if module not in ends
        }
    circles = [f"{module} -> {', '.join(sorted(imported))}" for module, imported in below.items()]
    assert circles == []


def test_the_local_scheduler_shares_nothing_with_the_client() -> None:
    shared = [
        str(found)
        for found in imports()
        if room_of(found.module) == "local_scheduler"
        and room_of(found.imported) not in LOCAL_MAY_IMPORT
    ]
    assert shared == []


def test_a_file_name_means_one_thing() -> None:
    # A module of `cli` may have the name of what its command is about.
    names = Counter(module.rpartition(".")[2] for module in modules() if room_of(module) != "cli")
    assert [name for name, number in names.items() if number > 1] == []


def test_a_class_name_means_one_thing() -> None:
    names = Counter(
        node.name
        for module in modules()
        for node, _ in nodes(module)
        if isinstance(node, ast.ClassDef)
    )
    assert [name for name, number in names.items() if number > 1] == []


def test_imports_inside_functions_are_few() -> None:
    found = [f"{module}:{line}" for module, line in deferred_imports()]
    assert len(found) <= MAX_DEFERRED_IMPORTS, found


def test_each_import_inside_a_function_has_its_reason() -> None:
    bare = []
    for module, number in deferred_imports():
        lines = modules()[module].read_text(encoding="utf-8").splitlines()
        before, here = lines[number - 2].strip(), lines[number - 1]
        has_reason = before.startswith("#") or "#" in re.sub(r"# noqa: \w+", "", here)
        if not has_reason:
            bare.append(f"{module}:{number}")
    assert bare == []


def numbers(module: str) -> Iterator[str]:
    """Yield the names of the constants of a module whose values are written as numbers."""
    for node in tree_of(module).body:
        match node:
            case (
                ast.AnnAssign(target=ast.Name(name), value=ast.expr() as value)
                | ast.Assign(targets=[ast.Name(name)], value=value)
            ) if name.isupper() and is_number(value):
                yield name


def is_number(node: ast.expr) -> bool:
    match node:
        case ast.Constant(value):
            return isinstance(value, int | float) and not isinstance(value, bool)
        case ast.BinOp(left, _, right):
            return is_number(left) and is_number(right)
        case ast.UnaryOp(ast.USub(), operand):
            return is_number(operand)
    return False


def test_the_name_of_a_number_ends_with_its_unit() -> None:
    without = [
        f"{module}.{name}"
        for module in modules()
        for name in numbers(module)
        if not name.endswith(UNITS)
    ]
    assert without == []


def test_what_is_cheap_imports_nothing_dear() -> None:
    steps = [f"import {NAME}.{module}; print({module!r}, *sys.modules)" for module in CHEAP]
    code = "\n".join(["import sys", *steps])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for module, *loaded in map(str.split, done.stdout.splitlines()):
        assert {name.partition(".")[0] for name in loaded} & DEAR == set(), module
