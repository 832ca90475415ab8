"""Settings that tests give."""

import json
from pathlib import Path

URL = "https://foo.lusid.com/scheduler2"


def given(**values: str) -> dict[str, tuple[str, str]]:
    return {name: (value, "somewhere") for name, value in values.items()}


OAUTH = {
    "FBN_TOKEN_URL": "https://foo.okta.com/oauth2/abc/v1/token",
    "FBN_USERNAME": "me",
    "FBN_PASSWORD": "pass word",
    "FBN_CLIENT_ID": "client",
    "FBN_CLIENT_SECRET": "hush hush",
}


def write_secrets(document: object, path: Path = Path("secrets.json")) -> Path:
    path.write_text(json.dumps(document))
    return path
