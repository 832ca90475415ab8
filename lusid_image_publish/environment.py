"""Environment variables with secrets, and the environment of commands.

LUSID's secrets are only for this program. Commands keep those of a CI, because a credential helper
may need them; neither may be build arguments.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from lusid_image_publish.config import SECRET_VARIABLES, VARIABLES, Settings
from lusid_image_publish.config_sources import SECRETS_FILE
from lusid_image_publish.config_values import SECRETS
from lusid_image_publish.redact import MIN_UNIQUE_CHARACTERS, is_secret

_LUSID_VARIABLES: Final = SECRET_VARIABLES | {
    f"{prefix}{name}".upper()
    for prefix in ("INPUT_", "LUSID_PUBLISH_")
    for setting in SECRETS
    for name in (setting, setting.replace("_", "-"))
}
_CI_VARIABLES: Final = frozenset(
    {
        *("GITHUB_TOKEN", "GH_TOKEN"),
        *("ACTIONS_RUNTIME_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"),
        *("CI_JOB_TOKEN", "CI_BUILD_TOKEN", "CI_JOB_JWT", "CI_JOB_JWT_V1", "CI_JOB_JWT_V2"),
        *("CI_REGISTRY_PASSWORD", "CI_DEPLOY_PASSWORD", "CI_DEPENDENCY_PROXY_PASSWORD"),
        "CI_REPOSITORY_URL",  # it contains the job's token
    }
)


def variable_holds_secret(variable: str) -> bool:
    """Return whether a variable of this name holds a secret of LUSID or of a CI."""
    return variable.upper() in _LUSID_VARIABLES | _CI_VARIABLES


def files_with_secrets(
    settings: Settings, environ: Mapping[str, str], secrets_file: Path | None
) -> Iterator[Path]:
    """Yield the files that LUSID's secrets are read from; some may not exist.

    `secrets_file` is the one that the user named. `secrets.json` in the working directory is always
    one of them: it is made for secrets.
    """
    yield SECRETS_FILE
    if secrets_file:
        yield secrets_file
    if settings.access_token_file:
        yield settings.access_token_file
    for variable, setting in VARIABLES.items():
        if setting == "access_token_file" and environ.get(variable):
            with suppress(RuntimeError):  # no home directory
                yield Path(environ[variable]).expanduser()


def secrets_in(environ: Mapping[str, str]) -> list[str]:
    """Return the values of the variables that hold a secret."""
    return [value for name, value in environ.items() if value and variable_holds_secret(name)]


def without_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """Return `environ` for a command, without LUSID's secrets under any name."""
    hidden = _names_of_secrets(environ)
    return {name: value for name, value in environ.items() if name not in hidden}


def blank_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """Return LUSID's secrets as empty variables, for Docker's credential helpers.

    docker-py can change a helper's variable, and cannot remove one.
    """
    return dict.fromkeys(_names_of_secrets(environ), "")


def _names_of_secrets(environ: Mapping[str, str]) -> set[str]:
    own = {value for name, value in environ.items() if name.upper() in _LUSID_VARIABLES}
    return {
        name
        for name, value in environ.items()
        if name.upper() in _LUSID_VARIABLES
        or (len(value) >= MIN_UNIQUE_CHARACTERS and (value in own or is_secret(value)))
    }
