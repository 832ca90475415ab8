"""The configuration that people have from FINBOURNE's other tools, and what is wrong with it.

The names and forms are those that the tools read: docker-setup.sh of FINBOURNE's example job, also
its first version, fbnconfig, finbourne-sdk, lusid-sdk and the scheduler SDKs.
"""

import json
from pathlib import Path
from typing import Any, Final

import pytest

from lusid_image_publish.config import load_settings
from lusid_image_publish.errors import LusidPublishError

SCHEDULER: Final = "https://acme.lusid.com/scheduler2"
OTHER: Final = "https://other.lusid.com"
BASES: Final = {
    "FBN_BASE_URL": "https://acme.lusid.com",
    "FBN_BASE_API_URL": "https://acme.lusid.com",
    "LUSID_ENV": "https://acme.lusid.com",
    "FBN_LUSID_API_URL": "https://acme.lusid.com/api",
    "FBN_LUSID_URL": "https://acme.lusid.com/api",
}
SIGN_IN: Final = {
    "tokenUrl": "https://acme.okta.com/oauth2/abc/v1/token",
    "username": "me",
    "password": "pass word",
    "clientId": "client",
    "clientSecret": "hush hush",
}


def write(document: object, path: Path = Path("secrets.json")) -> Path:
    path.write_text(json.dumps(document))
    return path


def refused(environ: dict[str, str], **options: Any) -> LusidPublishError:
    """Return the error of settings that cannot be used, or lack credentials."""
    with pytest.raises(LusidPublishError) as caught:
        load_settings({}, environ, **options).require_credentials()
    assert caught.value.hint
    return caught.value


def said(error: LusidPublishError) -> str:
    return f"{error.diagnostics()} {error.__context__!r}"
