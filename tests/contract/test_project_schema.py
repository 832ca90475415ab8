"""The JSON schema that the package has is that of the options. WRITE_GOLDEN=1 writes it."""

import os
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import lusid_image_publish
from lusid_image_publish.cli.project_schema import schema_text

PATH = Path(lusid_image_publish.__file__).with_name("lusid-publish.schema.json")


def test_the_schema_in_the_package_is_that_of_the_options() -> None:
    if os.environ.get("WRITE_GOLDEN"):
        PATH.write_text(schema_text())
    assert PATH.read_text() == schema_text(), "WRITE_GOLDEN=1 writes it"
    assert (files("lusid_image_publish") / PATH.name).is_file()


def test_an_installed_package_prints_it() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "lusid_image_publish.cli.project_schema"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == schema_text()
