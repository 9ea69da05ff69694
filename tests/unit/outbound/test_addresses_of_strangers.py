"""Which addresses a stranger may make us ask, however they are spelled."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

import httpcore
import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.adapters.outbound.addresses import AddressRefused, OutboundPolicy
from madang.adapters.outbound.connecting import JudgedBackend

POLICY = OutboundPolicy.of(plain_http=False, networks=())
PRIVATE = [
    "0.0.0.1", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.8.8.8", "169.254.169.254", "172.16.0.1", "192.0.0.1", "192.0.2.1",
    "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.1.1.1", "240.0.0.1",
    "255.255.255.255", "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1", "2002:7f00:1::", "2002:a00:1::1",
    "2002:a9fe:a9fe::",
    "3fff::1", "5f00::1",
    "fc00::1", "fd12:3456::1", "fe80::1", "fec0::1", "ff02::1",
    "2001:0:4136:e378:8000:63bf:80ff:fffe",
]  # fmt: skip
PUBLIC = ["1.1.1.1", "8.8.8.8", "93.184.215.14", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
REFUSED = [
    "", "hooks", "//example.com/x", "ftp://example.com/x", "file:///etc/passwd", "gopher://example.com", "javascript:alert(1)",
    "http://example.com/hook", "https://", "https:///path", "https://user@example.com/", "https://user:pw@example.com/",
    "https://example.com@127.0.0.1/", "https://example.com\\@127.0.0.1/", "https://127.0.0.1/", "https://[::1]/",
    "https://[::ffff:127.0.0.1]/", "https://2130706433/", "https://0x7f000001/", "https://0x7f.1/", "https://017700000001/",
    "https://0177.0.0.1/", "https://127.1/", "https://127.0.0.1./", "https://example.com./", "https://example..com/",
    "https://１２７.０.０.１/", "https://127。0。0。1/", "https://[fe80::1%25eth0]/", "https://example.com:22/", "https://example.com:25/",
    "https://example.com:0/", "https://example.com:99999/", "https://exa mple.com/", "https://example.com/\r\nX-Header: 1",
    "https://example.com/#top", "https://exa\u0000mple.com/", "https://-example.com/", "https://" + "a" * 300 + ".com/", "https://xn--/",
    "https://169.254.169.254/latest/meta-data/", "https://example.com/" + "x" * 3000,
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_what_is_not_public_is_refused(address: str) -> None:
    assert not POLICY.admits(ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_public_is_let_through(address: str) -> None:
    assert POLICY.admits(ip_address(address))


@given(st.ip_addresses(v=4))
def test_an_address_is_judged_alike_in_every_disguise(address: IPv4Address) -> None:
    number = int(address)
    public = POLICY.admits(address)
    assert POLICY.admits(IPv6Address((0xFFFF << 32) | number)) is public
    assert POLICY.admits(IPv6Address((0x64FF9B << 96) | number)) is public
    assert not POLICY.admits(IPv6Address(number))
    if not public:
        assert not POLICY.admits(IPv6Address((0x2002 << 112) | (number << 80)))


@pytest.mark.parametrize("written", REFUSED)
def test_an_address_that_tries_something_is_refused(written: str) -> None:
    with pytest.raises(AddressRefused) as refused:
        POLICY.read(written)
    assert written == "" or written not in str(refused.value)


@pytest.mark.parametrize(
    ("written", "host"),
    [
        ("https://hooks.example.com/a?b=c", "hooks.example.com"),
        ("HTTPS://Hooks.Example.COM:8443/", "hooks.example.com"),
        ("https://bücher.example/", "xn--bcher-kva.example"),
        ("https://8.8.8.8/", "8.8.8.8"),
        ("https://[2606:4700:4700::1111]/", "2606:4700:4700::1111"),
    ],
)
def test_an_ordinary_address_is_read(written: str, host: str) -> None:
    assert POLICY.read(written).raw_host.decode() == host


def test_plain_http_and_further_networks_are_a_deployments_choice() -> None:
    policy = OutboundPolicy.of(plain_http=True, networks=("127.0.0.0/8", "fd00::/8"))
    assert policy.read("http://127.0.0.1:8080/x").host == "127.0.0.1"
    assert policy.admits(ip_address("::ffff:127.0.0.1"))
    assert policy.admits(ip_address("fd00::1"))
    assert not policy.admits(ip_address("10.0.0.1"))


class Names:
    """A name server that answers each time what comes next."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        return self.answers.pop(0)


@pytest.mark.parametrize("answer", [["127.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["2606:4700:4700::1111", "::1"]])
async def test_one_private_address_among_public_ones_refuses_the_host(answer: Sequence[str]) -> None:
    with pytest.raises(AddressRefused):
        await JudgedBackend(POLICY, Names(answer)).connect_tcp("rebound.example", 443)


async def test_a_name_that_was_public_before_is_judged_again_when_it_is_connected_to() -> None:
    backend = JudgedBackend(POLICY, Names(["8.8.8.8"], ["169.254.169.254"]))
    assert await backend.addresses_of("rebound.example", 443) == ["8.8.8.8"]
    with pytest.raises(AddressRefused):
        await backend.connect_tcp("rebound.example", 443)


async def test_a_name_without_an_address_and_a_socket_of_this_machine_are_no_hosts() -> None:
    backend = JudgedBackend(POLICY, Names([]))
    with pytest.raises(httpcore.ConnectError):
        await backend.connect_tcp("nobody.example", 443)
    with pytest.raises(AddressRefused):
        await backend.connect_unix_socket("/run/postgresql.sock")
