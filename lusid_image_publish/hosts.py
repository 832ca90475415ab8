"""Recognise this machine and internal addresses by name only.

Names are not resolved: DNS may return different addresses for the check and the connection, and a
proxy resolves names itself.
"""

import ipaddress
import re
import urllib.parse
from typing import Final

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_HOST_NAME: Final = re.compile(r"[a-z0-9_.-]+")
_LAST_LABEL_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
_INTERNAL_DOMAINS: Final = ("localhost", "localhost.localdomain", "localhost6.localdomain6")
_INTERNAL_NAMES: Final = {
    *("ip6-localhost", "ip6-loopback", "localhost6"),
    *("host.docker.internal", "gateway.docker.internal", "host.containers.internal"),
    *("metadata", "metadata.google.internal", "metadata.goog", "metadata.azure.internal"),
    *("instance-data", "instance-data.ec2.internal", "metadata.tencentyun.com"),
}
"""Names of this machine in hosts files and containers, and of clouds' metadata services."""
_METADATA_NETWORKS: Final = (
    ipaddress.IPv4Network("168.63.129.16/32"),  # Azure
    ipaddress.IPv4Network("192.0.0.0/24"),  # Oracle; `is_global` differs between Pythons
)
"""Metadata services whose addresses are neither link-local nor private."""
_AWS_METADATA: Final = ipaddress.IPv6Address("fd00:ec2::254")
_PRIVATE_NETWORKS: Final = tuple(
    map(ipaddress.ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"))
)
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")


def is_loopback(host: str) -> bool:
    """Return whether `host`, a name or an address with an optional port, is this machine.

    Only `localhost` and addresses in their usual spelling are recognised: `127.example.com` may be
    another machine.
    """
    try:
        name = urllib.parse.urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    address = _parse_address(name)
    return name == "localhost" or (address is not None and _unmap(address).is_loopback)


def is_internal(name: str) -> bool:
    """Return whether `name`, a host without a port, is one that a remote server must not name.

    These are this machine, private, link-local, reserved and multicast addresses, and metadata
    services of clouds; also invalid host names, and addresses in an unusual spelling (`127.1`,
    `0x7f000001`), which programs interpret differently.
    """
    name = name.lower()
    address = _parse_address(name)
    if address is not None:
        return not _is_public(address)
    name = name.removesuffix(".")
    if not _HOST_NAME.fullmatch(name) or name in _INTERNAL_NAMES:
        return True
    if any(f".{name}".endswith(f".{domain}") for domain in _INTERNAL_DOMAINS):
        return True
    # A name that ends in a number is an IPv4 address (WHATWG URL, "ends in a number").
    return _LAST_LABEL_NUMBER.fullmatch(name.rpartition(".")[2]) is not None


def is_private_network(name: str) -> bool:
    """Return whether `name` is an address of a company's network (RFC 1918, RFC 4193)."""
    address = _parse_address(name)
    if address is None:
        return False
    address = _unmap(address)
    return any(address in network for network in _PRIVATE_NETWORKS) and address != _AWS_METADATA


def _parse_address(name: str) -> _Address | None:
    """Return `name` as an address, None unless it is an address in its usual spelling."""
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def _unmap(address: _Address) -> _Address:
    """Return the IPv4 address in an IPv4-mapped one: versions of Python treat these differently."""
    return getattr(address, "ipv4_mapped", None) or address


def _is_public(address: _Address) -> bool:
    address = _unmap(address)
    if isinstance(address, ipaddress.IPv6Address):
        if address.is_site_local:
            return False
        if address in _NAT64:
            address = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
        else:
            address = address.sixtofour or address
    return (
        address.is_global
        and not (address.is_multicast or address.is_reserved or address.is_unspecified)
        and not any(address in network for network in _METADATA_NETWORKS)
    )
