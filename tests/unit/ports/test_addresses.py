"""Where keys may travel: which addresses settings take."""

import pytest

from madang.ports.addresses import is_safe, require_safe


@pytest.mark.parametrize(
    "address",
    [
        "https://api.provider.example",
        "https://api.provider.example/v1/",
        "https://api.provider.example:1",
        "https://api.provider.example:65535/v1",
        "https://[2001:db8::1]:8443",
        "https://api.마당.example",
        "http://127.0.0.1:9000/v1",
        "http://localhost",
        "http://[::1]:9000",
    ],
)
def test_keys_may_travel_over_tls_and_within_this_machine(address: str) -> None:
    assert is_safe(address)
    require_safe("base_url", address)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "api.provider.example",
        "https://",
        "https:///v1",
        "https://:443",
        "ftp://api.provider.example",
        "http://api.provider.example",
        "http://127.0.0.1.provider.example",
        "https://api.provider.example:0",
        "https://api.provider.example:65536",
        "https://api.provider.example:port",
        "https://api..provider.example",
        f"https://{'a' * 64}.example",
        "https://[::1",
        "https://user@api.provider.example",
        "https://user:pass@api.provider.example",
        "https://api.provider.example/#part",
        "https://api.provider.example/?key=1",
        "https://api.provider.example/a b",
        "https://api.provider.example\n",
        "https://api.provi\tder.example",
        "https://api.provider.example\u00a0",
    ],
)
def test_other_addresses_are_refused_by_the_name_of_their_setting_and_not_repeated(address: str) -> None:
    assert not is_safe(address)
    with pytest.raises(ValueError, match=r"^base_url is not an address with https://$"):
        require_safe("base_url", address)


def test_a_query_and_a_network_without_tls_are_for_those_that_ask_for_them() -> None:
    assert is_safe("https://hooks.provider.example/webhooks/1?thread_id=2", query=True)
    assert not is_safe("https://hooks.provider.example/webhooks/1#part", query=True)
    assert not is_safe("http://hooks.provider.example", query=True)
    assert is_safe("http://minio:9000", plain_http=True)
    assert not is_safe("ftp://minio:9000", plain_http=True)
    require_safe("endpoint_url", "http://minio:9000/?a=1", query=True, plain_http=True)
