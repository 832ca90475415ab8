"""GitLab CI: sections of the log.

A job passes files to later jobs, as its configuration says: see the reports `dotenv`, `annotations`
and `gitlab`.
"""

import time
from collections.abc import Callable, Mapping

from lusid_image_publish.ci.ci_platform import CiPlatform


class GitLab(CiPlatform):
    """A job; `environ` is the runner's, `clock` gives the time in seconds since 1970."""

    is_ci = True
    colours: bool | None = True  # the log takes section marks as such

    def __init__(
        self, environ: Mapping[str, str], *, clock: Callable[[], float] = time.time
    ) -> None:
        self._environ = environ
        self._clock = clock
        self._number = 0
        self._section = ""

    def begin(self, title: str, *, has_output: bool = False) -> list[str]:
        """Begin a section for output; without output show the title alone."""
        lines, mark = self.end(), ""
        if has_output:
            self._number += 1
            self._section = f"lusid_{self._number}_{title.partition(' ')[0].lower()}"
            mark = self._mark("start")
        return [*lines, f"{mark}\x1b[1m{title}\x1b[0m"]

    def end(self, result: str = "") -> list[str]:
        """End the section, if there is one."""
        if not self._section:
            return []
        ended = self._mark("end")
        self._section = ""
        return [result, ended] if result else [ended]

    def why_no_secrets(self) -> str:
        """Return why this pipeline gets no variables, or no protected ones."""
        if self._runs_in_a_fork():
            target = self._environ["CI_MERGE_REQUEST_PROJECT_PATH"]
            return f"This pipeline runs in a fork, which does not get the variables of {target}."
        if self._environ.get("CI_COMMIT_REF_PROTECTED") == "false":
            return (
                "The variable is not set, or it is protected and this branch or tag is not "
                "protected."
            )
        return ""

    def _runs_in_a_fork(self) -> bool:
        target = self._environ.get("CI_MERGE_REQUEST_PROJECT_PATH", "")
        return target not in {"", self._environ.get("CI_PROJECT_PATH")}

    def how_to_pass_secrets(self) -> str:
        """Return where to set a variable so that this branch gets it; a fork cannot."""
        if self._runs_in_a_fork():
            return ""
        return (
            "Set FBN_SCHEDULER_URL and FBN_ACCESS_TOKEN under Settings > CI/CD > Variables of the "
            "project or its group: the token masked, and either not protected or with this branch "
            "or tag protected too."
        )

    def where_settings_are(self) -> str:
        """Return where a project has its variables."""
        return "A variable is missing: check Settings > CI/CD > Variables of the project or group."

    def _mark(self, which: str) -> str:
        return f"\x1b[0Ksection_{which}:{self._clock():.0f}:{self._section}\r\x1b[0K"
