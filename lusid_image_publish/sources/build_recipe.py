"""What is built: a Dockerfile, its build context and the options of the build."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class BuildOptions:
    """What `docker build` can be told, under the names of its options.

    `context` is a directory, by default the Dockerfile's own. `build_args` and `labels` map names
    to values; a build argument whose value is None is taken from the environment, as Docker does.
    """

    context: Path | None = None
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
