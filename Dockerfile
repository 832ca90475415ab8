# The image of the GitHub Action, of jobs in GitLab CI, and for `docker run`. An engine without BuildKit
# builds it too, as GitHub's runner may have one: no `# syntax`, no here-documents, no RUN --mount.
ARG BASE=python:3.13-slim@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b

FROM ${BASE} AS build
WORKDIR /source
COPY constraints.txt pyproject.toml README.md LICENSE ./
COPY lusid_image_publish lusid_image_publish
# All that comes from an index has a hash in constraints.txt, and is a wheel, so nothing of it runs when it is built.
RUN python3 -m pip download --no-cache-dir --disable-pip-version-check --require-hashes --only-binary :all: \
      --dest /wheels -r constraints.txt
# Built into an environment of its own, so that the image gets this and nothing else: no pip, no sources.
# A job's PYTHONPATH may lead to modules of its own; -I makes the commands ignore all of Python's variables.
RUN python3 -m venv --without-pip /opt/lusid && \
    python3 -m pip --python /opt/lusid/bin/python3 install --no-cache-dir --no-index --find-links /wheels . && \
    sed -i '1s/$/ -I/' /opt/lusid/bin/lusid-*

FROM ${BASE}
LABEL org.opencontainers.image.title="lusid-image-publish" \
      org.opencontainers.image.description="Publish a Docker image to FINBOURNE's LUSID Scheduler, and prove that it arrived." \
      org.opencontainers.image.licenses="MIT"
COPY --from=build /opt/lusid /opt/lusid
ENV PATH=/opt/lusid/bin:$PATH
WORKDIR /workspace
# There is no USER: GitHub's runner starts a container action as the image's user, and only root can open
# the engine's socket, and write the outputs and the workspace, which belong to the runner.
ENTRYPOINT ["lusid-publish"]
