"""Variables of the environment that hold a secret, and what a command that is started sees.

The secrets of LUSID are for this program alone. Those of a CI are left to the commands that are
started, because a credential helper may need them, but they are no more build arguments than
LUSID's are.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from lusid_image_publish.config import SECRET_VARIABLES, VARIABLES, Settings
from lusid_image_publish.config_sources import SECRETS_FILE
from lusid_image_publish.config_values import SECRETS
from lusid_image_publish.redact import LONG_ENOUGH, is_secret

_OF_LUSID: Final = SECRET_VARIABLES | {
    f"{prefix}{name}".upper()
    for prefix in ("INPUT_", "LUSID_PUBLISH_")
    for setting in SECRETS
    for name in (setting, setting.replace("_", "-"))
}
_OF_CI: Final = frozenset(
    {
        *("GITHUB_TOKEN", "GH_TOKEN"),
        *("ACTIONS_RUNTIME_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"),
        *("CI_JOB_TOKEN", "CI_BUILD_TOKEN", "CI_JOB_JWT", "CI_JOB_JWT_V1", "CI_JOB_JWT_V2"),
        *("CI_REGISTRY_PASSWORD", "CI_DEPLOY_PASSWORD", "CI_DEPENDENCY_PROXY_PASSWORD"),
        "CI_REPOSITORY_URL",  # it has the job's token in it
    }
)


def variable_holds_secret(variable: str) -> bool:
    """Return whether a variable of this name holds a secret of LUSID or of a CI."""
    return variable.upper() in _OF_LUSID | _OF_CI


def files_with_secrets(
    settings: Settings, environ: Mapping[str, str], secrets_file: Path | None
) -> Iterator[Path]:
    """Yield the files that LUSID's secrets are read from; not all of them need be there.

    `secrets_file` is the one that was named. `secrets.json` in the working directory counts, also
    where it is not read: it is made to hold secrets.
    """
    yield SECRETS_FILE
    if secrets_file:
        yield secrets_file
    if settings.access_token_file:
        yield settings.access_token_file
    for variable, setting in VARIABLES.items():
        if setting == "access_token_file" and environ.get(variable):
            with suppress(RuntimeError):  # no home
                yield Path(environ[variable]).expanduser()


def secrets_in(environ: Mapping[str, str]) -> list[str]:
    """Return the secrets that `environ` has under names that are known for it."""
    return [value for name, value in environ.items() if value and variable_holds_secret(name)]


def without_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """Return `environ` without LUSID's secrets, under whatever name, for a command to see."""
    hidden = _hidden(environ)
    return {name: value for name, value in environ.items() if name not in hidden}


def blank_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that Docker's credential helpers have otherwise than `environ`.

    docker-py can give a helper another value for a variable, and cannot take one away.
    """
    return dict.fromkeys(_hidden(environ), "")


def _hidden(environ: Mapping[str, str]) -> set[str]:
    own = {value for name, value in environ.items() if name.upper() in _OF_LUSID}
    return {
        name
        for name, value in environ.items()
        if name.upper() in _OF_LUSID
        or (len(value) >= LONG_ENOUGH and (value in own or is_secret(value)))
    }
