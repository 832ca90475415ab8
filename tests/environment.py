"""The variables of a CI that runs the tests: what is tested must not take it for its own."""

OF_A_CI = (
    *("CI", "GITHUB_", "GITLAB_", "INPUT_", "LUSID_", "RUNNER_"),
    *("CODEBUILD_", "JENKINS_", "TEAMCITY_", "TF_BUILD"),
)
"""What their names begin with."""
