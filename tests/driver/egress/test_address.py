from ipaddress import ip_address

import pytest

from wasmdeploy_driver.egress.address import is_public, plain


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.255.255",
        "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.88.99.1",
        "192.168.0.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1",
        "239.255.255.255", "240.0.0.1", "255.255.255.255",
        "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:10.0.0.1",
        "::ffff:0:127.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::169.254.169.254",
        "64:ff9b:1::8.8.8.8", "100::1", "2001::1", "2001:0:102:304::1", "2001:20::1", "2001:db8::1",
        "2002:7f00:1::", "2002:808:808::1", "3fff::1", "4000::1", "5f00::1", "fc00::1", "fd00::1",
        "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "2606:2800:220:1::1%eth0", "fec0::1", "ff02::1",
    ],
)  # fmt: skip
def test_special_addresses_are_not_public(address):
    """Private, local, multicast, reserved and translated forms of them are not for everybody."""
    assert not is_public(ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "128.0.0.1", "169.253.255.255",
        "172.15.255.255", "172.32.0.0", "192.0.1.1", "192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255",
        "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2001:200::1", "2606:2800:220:1::1", "2a00:1450:4001:81b::200e",
    ],
)  # fmt: skip
def test_others_are_public(address):
    """The neighbours of the special ranges, and what a translator passes on to a public address, are public."""
    assert is_public(ip_address(address))


def test_a_mapped_address_is_the_one_it_holds():
    """What the kernel would connect as IPv4 is judged, listed and connected as IPv4."""
    assert plain(ip_address("::ffff:10.1.2.3")) == ip_address("10.1.2.3")
    assert plain(ip_address("2001:db8::1")) == ip_address("2001:db8::1")
