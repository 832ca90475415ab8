"""A build: a Dockerfile, its build context and the options."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class BuildOptions:
    """Options of `docker build`, under the same names.

    `context` is a directory, by default the Dockerfile's own. `build_args` and `labels` map names
    to values; a build argument with the value None is taken from the environment, as by Docker.
    """

    context: str | os.PathLike[str] | None = None
    build_args: Mapping[str, str | None] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    target: str | None = None
    no_cache: bool = False
    pull: bool = False


@dataclass(frozen=True)
class BuildRecipe:
    """A Dockerfile, its build context and the options of the build. Both paths exist."""

    dockerfile: Path
    context: Path
    options: BuildOptions

    @property
    def own_ignore_file(self) -> Path | None:
        """The `.dockerignore` of this Dockerfile alone, None without one."""
        file = self.dockerfile.with_name(f"{self.dockerfile.name}.dockerignore")
        return file if file.is_file() else None
