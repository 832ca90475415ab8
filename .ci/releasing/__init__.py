"""The steps of a release; `.ci/release.py` runs them, and CONTRIBUTING.md has their order."""
