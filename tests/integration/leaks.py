"""Looking for secrets where none may be: in every form in which one travels."""

import base64
import json
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path


def forms_of(secret: str, user: str = "") -> Iterator[str]:
    """Yield `secret` as it is, percent-encoded, and as it looks anywhere inside base64."""
    yield secret
    yield urllib.parse.quote(secret, safe="")
    yield urllib.parse.quote_plus(secret)
    for text in (secret, f"{user}:{secret}"):
        for offset in range(3):
            padded = b"\0" * offset + text.encode()
            whole = len(padded) // 3 * 3  # what follows changes the last group only
            encoded = base64.b64encode(padded[:whole]).decode()[4 if offset else 0 :]
            yield encoded
            yield encoded.translate(str.maketrans("+/", "-_"))


def find_secrets(text: str, secrets: Iterable[str]) -> list[str]:
    """Return which forms of `secrets` occur in `text`."""
    return [form for secret in secrets for form in forms_of(secret) if form in text]


def find_secrets_below(folder: Path, secrets: Iterable[str]) -> list[str]:
    """Return the files below `folder` that have one of `secrets` in any form."""
    secrets = list(secrets)
    return [
        str(path)
        for path in folder.rglob("*")
        if path.is_file() and find_secrets(path.read_bytes().decode(errors="replace"), secrets)
    ]


def configured_secrets(environ: Mapping[str, str]) -> list[str]:
    """Return the secrets that `environ` configures the commands with."""
    names = ("FBN_ACCESS_TOKEN", "FBN_PASSWORD", "FBN_CLIENT_SECRET")
    return [environ[name] for name in names if name in environ]


def passwords_in(answers: Iterable[bytes]) -> list[str]:
    """Return the registry passwords in the answers of upload_image."""
    found = []
    for answer in answers:
        try:
            login = json.loads(answer)["dockerLoginCommand"].split()
        except (ValueError, KeyError, TypeError):
            continue
        found.append(login[login.index("-p") + 1])
    return found


def poisoned_configuration(folder: Path, host: str) -> Path:
    """Make a Docker configuration in `folder` whose logins for `host` are stale or missing."""
    stale = base64.b64encode(b"AWS:stale-password-0123456789").decode()
    content = {
        "auths": {host: {"auth": stale}, f"https://{host}": {"auth": stale}},
        "credHelpers": {host: "lusid-tests-missing"},
        "credsStore": "lusid-tests-absent",
    }
    configuration = folder / ".docker"
    configuration.mkdir()
    (configuration / "config.json").write_text(json.dumps(content))
    return configuration
