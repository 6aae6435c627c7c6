"""Hosts to listen on."""

import pytest

from foundation.http.addresses import UnknownHost, is_wildcard, resolve


@pytest.mark.parametrize("host", ["", " ", "\t", "[]", "[ ]"])
def test_an_empty_host_is_not_taken_for_any_address(host):
    with pytest.raises(UnknownHost, match=r"is empty: 0\.0\.0\.0 means all addresses"):
        resolve(host)


@pytest.mark.parametrize(
    "host", ["a b", "no.such.host.invalid", "127.0.0.1:80", "http://localhost", "*", "."]
)
def test_what_is_no_host_is_named(host):
    with pytest.raises(UnknownHost, match="can't be resolved"):
        resolve(host)


@pytest.mark.parametrize("host", ["255.255.255.255", "127.255.255.255", "224.0.0.1", "ff02::1"])
def test_an_address_where_nobody_can_connect_is_refused(host):
    with pytest.raises(UnknownHost, match="an address of several machines"):
        resolve(host)


def test_an_address_with_a_zone_is_refused():
    with pytest.raises(UnknownHost, match="has a zone"):
        resolve("fe80::1%eth0")


@pytest.mark.parametrize("host", ["localhost", "localhost.", "LOCALHOST", "127.0.0.1", "127.1"])
def test_names_and_short_forms_have_an_address(host):
    assert resolve(host) == "127.0.0.1"


@pytest.mark.parametrize("host", ["0.0.0.0", "0", "::", "[::]", "0:0:0:0:0:0:0:0", "::0"])
def test_every_spelling_of_all_addresses_is_known(host):
    assert is_wildcard(host)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "[::1]"])
def test_one_address_is_not_all(host):
    assert not is_wildcard(host)
