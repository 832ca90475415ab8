"""A report for later jobs: variables, as GitLab's `artifacts:reports:dotenv` takes them."""

from collections.abc import Mapping

from lusid_image_publish.reports.content import ReportContent
from lusid_image_publish.reports.outputs import outputs_of


def render(content: ReportContent) -> str:
    """Return a line `LUSID_IMAGE_...=value` for each output, as in `LUSID_IMAGE_DIGEST`."""
    return render_outputs(outputs_of(content))


def render_outputs(outputs: Mapping[str, str]) -> str:
    """Return a line for each of these outputs."""
    return "".join(f"{variable_of(name)}={value}\n" for name, value in outputs.items())


def variable_of(output: str) -> str:
    """Return the variable for an output."""
    return f"LUSID_IMAGE_{output.removeprefix('image-').upper().replace('-', '_')}"
