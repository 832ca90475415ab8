"""Which hosts are this machine, and which only its neighbours can mean."""

import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lusid_image_publish.hosts import is_internal, is_loopback, is_private_network

INTERNAL = [
    *("localhost", "LOCALHOST", "localhost.", "foo.localhost", "foo.localhost.", "ip6-localhost"),
    *("localhost.localdomain", "host.docker.internal"),
    *("127.0.0.1", "127.8.8.8", "::1", "0.0.0.0", "::", "::ffff:127.0.0.1", "::FFFF:7F00:1"),  # noqa: S104
    *("127.1", "2130706433", "0x7f000001", "0X7F.1", "0177.0.0.1", "127.0.0.1.", "127.0.0.01"),
    *("0", "foo.0x7f", "1.2.3.4.5", "8.8.8.010"),
    *("10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "fc00::1", "fd12:3456::1"),
    *("169.254.1.1", "fe80::1", "fe80::1%eth0", "fe80::1%25eth0", "fec0::1"),
    *("224.0.0.1", "255.255.255.255", "240.0.0.1", "ff02::1"),
    *("::ffff:10.0.0.1", "64:ff9b::10.0.0.1", "2002:7f00:1::", "::127.0.0.1"),
    *("169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16", "192.0.0.192"),
    *("metadata.google.internal", "METADATA.google.internal.", "metadata", "instance-data"),
    *("", ".", "a b", "%6cocalhost", "foo\\.example", "[::1]"),
]
PUBLIC = [
    *("foo.example", "FOO.example.", "localhost.example.com", "127.0.0.1.example.com"),
    *("auth.corp.internal", "registry", "mylocalhost", "xn--bcher-kva.example", "0x7f.example"),
    *("8.8.8.8", "::ffff:8.8.8.8", "2001:4860:4860::8888", "64:ff9b::8.8.8.8"),
    "123456789012.dkr.ecr.eu-west-2.amazonaws.com",
]


@pytest.mark.parametrize("name", INTERNAL)
def test_what_only_neighbours_can_mean_is_internal(name: str) -> None:
    assert is_internal(name)


@pytest.mark.parametrize("name", PUBLIC)
def test_any_other_name_or_address_is_not(name: str) -> None:
    assert not is_internal(name)


@pytest.mark.parametrize("name", ["10.0.0.1", "172.16.0.1", "192.168.1.1", "fd12:3456::1"])
def test_an_address_of_a_private_network(name: str) -> None:
    assert is_private_network(name)


@pytest.mark.parametrize(
    "name",
    [
        *("127.0.0.1", "::1", "0.0.0.0", "169.254.169.254", "fe80::1", "8.8.8.8", "10.1"),  # noqa: S104
        *(
            "foo.example",
            "localhost",
            "fd00:ec2::254",
            "240.0.0.1",
            "",
            "192.0.0.192",
            "::ffff:0:0",
        ),
    ],
)
def test_any_other_host_is_in_no_private_network(name: str) -> None:
    assert not is_private_network(name)


@given(
    st.sampled_from(["127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]),
    st.integers(0, 2**32 - 1),
    st.lists(st.sampled_from(["{:d}", "{:#x}", "{:#X}", "0{:o}"]), min_size=4, max_size=4),
    st.integers(1, 4),
)
def test_no_spelling_hides_an_address(
    within: str, number: int, forms: list[str], count: int
) -> None:
    network = ipaddress.IPv4Network(within)
    address = network[number % network.num_addresses]
    octets = list(address.packed)
    parts = [*octets[: count - 1], int.from_bytes(octets[count - 1 :])]
    name = ".".join(form.format(part) for form, part in zip(forms, parts, strict=False))
    assert socket.inet_aton(name) == address.packed
    assert is_internal(name)
    assert is_internal(f"{name}.")
    assert is_internal(f"::ffff:{address}")


@given(st.ip_addresses(network="127.0.0.0/8") | st.ip_addresses(network="::ffff:127.0.0.0/104"))
def test_what_is_loopback_is_internal(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    assert is_loopback(f"[{address}]" if ":" in str(address) else str(address))
    assert is_internal(str(address))


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:5000",
        "127.0.0.1",
        "127.0.0.1:5000",
        "127.8.8.8:80",
        "[::1]",
        "[::1]:5000",
        "[::ffff:127.0.0.1]:5000",
    ],
)
def test_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        "127.example.com",
        "127.0.0.1.example.com:5000",
        "localhost.example.com",
        "127.0.0.1@example.com",
        "example.com",
        "10.0.0.1",
        "[::2]:5000",
        "[::1",
        "",
        ":5000",
        "localhost.",
        "foo.localhost",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0.0.0.0",  # noqa: S104
        "[64:ff9b::127.0.0.1]",
    ],
)
def test_anybody_else(host: str) -> None:
    assert not is_loopback(host)
