"""Decide which Scheduler is meant.

Sources name the Scheduler itself, or LUSID, whose URL shows where the Scheduler is. A URL that
cannot be used is an error, unless the same source or a stronger one names the Scheduler: otherwise
a weaker source would decide where the secrets go.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from lusid_image_publish.config_base_urls import BaseUrl, host_of, is_same_host, is_same_server
from lusid_image_publish.config_given import Given
from lusid_image_publish.config_values import setting_label
from lusid_image_publish.errors import ConfigurationError

CREDENTIALS: Final = ("access_token_file", "access_token", "password")
"""The secret of each kind of credentials, the preferred one first."""


class Servers(NamedTuple):
    """The servers that one source names: the URLs of the Scheduler itself, and those of LUSID."""

    schedulers: tuple[Given, ...] = ()
    bases: tuple[BaseUrl, ...] = ()


def choose_scheduler(
    sources: Sequence[Servers], found: Mapping[str, Given]
) -> tuple[Given | None, tuple[str, ...]]:
    """Return the URL of the Scheduler, None without one, and remarks on URLs that are not used.

    `sources` begin with the weakest; `found` has the settings, with their credentials. A URL of the
    Scheduler itself, the first of a source, is used before one of LUSID, but has to agree with that
    of a stronger source. A place that both name is as strong as the stronger. Raises
    `ConfigurationError` if it is unclear which server is meant, or if a URL of LUSID cannot be used
    and the choice depends on it.
    """
    explicit = _choose_explicit(sources)
    strongest: tuple[BaseUrl, ...] = ()
    for source in sources:
        strongest = source.bases or strongest
    usable = [base.given for base in strongest if base.error is None]
    if strongest and (explicit is None or explicit.names_places < strongest[0].given.strength):
        _require_usable(strongest, usable)
        for other in usable[1:]:
            _require_one_server(usable[0], other)
    if explicit is None:
        chosen = usable[0] if usable else None
    else:
        chosen = _with_bases(explicit, usable, found)
    return chosen, tuple(_remarks(sources, chosen)) if chosen else ()


def _choose_explicit(sources: Sequence[Servers]) -> Given | None:
    """Return the URL of the Scheduler itself from the strongest source that has one."""
    schedulers = next((source.schedulers for source in reversed(sources) if source.schedulers), ())
    return schedulers[0] if schedulers else None


def _require_usable(bases: Sequence[BaseUrl], usable: Sequence[Given]) -> None:
    """Raise `ConfigurationError` for a URL of LUSID that cannot be used.

    One beside a usable one with the same host is harmless.
    """
    for base in bases:
        if base.error is None or any(is_same_host(base.given.text, other.text) for other in usable):
            continue
        if usable and base.given.text.lower().startswith("http"):
            raise _two_servers_error(usable[0], base.given)
        raise base.error


def _remarks(sources: Sequence[Servers], chosen: Given) -> Iterator[str]:
    """Yield a remark on each URL that is not used, those of the strongest source first.

    That a stronger source has another URL of the Scheduler itself is not worth one.
    """
    used = f"{chosen.origin} names the Scheduler, at {host_of(chosen.text)}."
    for source in reversed(sources):
        beside = source.schedulers if chosen.origin in {s.origin for s in source.schedulers} else ()
        errors = {base.given: base.error for base in source.bases}
        for given in (*beside, *errors):
            if error := errors.get(given):
                yield f"{given.origin} is not used: {used} {error.message}"
            elif not is_same_server(given.text, chosen.text):
                yield f"{given.origin} is not used: it points to {host_of(given.text)}, but {used}"


def _require_one_server(one: Given, other: Given) -> None:
    if not is_same_server(one.text, other.text):
        raise _two_servers_error(one, other)


def _with_bases(explicit: Given, usable: Sequence[Given], found: Mapping[str, Given]) -> Given:
    """Return the URL of the Scheduler itself, as strong as a URL of LUSID that agrees with it."""
    for base in usable:
        if is_same_server(base.text, explicit.text):
            return replace(explicit, names_places=max(explicit.names_places, base.names_places))
    for base in usable:
        for secret in CREDENTIALS:
            strength = found[secret].strength if secret in found else explicit.names_places
            if explicit.names_places < min(base.strength, strength):
                raise _two_servers_error(base, explicit, secret=f"The {setting_label(secret)}")
    return explicit


def _two_servers_error(one: Given, other: Given, *, secret: str = "") -> ConfigurationError:
    hosts = host_of(one.text), host_of(other.text)
    return ConfigurationError(
        f"Two LUSID servers are set: {hosts[0]} and {hosts[1]}.",
        cause=f"{one.origin} points to {hosts[0]}, {other.origin} to {hosts[1]}."
        + (f" {secret} does not go to the second, which a weaker source names." if secret else ""),
        hint="Set FBN_SCHEDULER_URL to the Scheduler that you want, for example "
        "https://<domain>.lusid.com/scheduler2, or remove the other.",
    )
