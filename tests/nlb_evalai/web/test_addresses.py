"""Where a stranger's address may lead, over real connections."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from nlb_evalai.web.addresses import is_public
from nlb_evalai.web.fetch import NotReached, fetch
from nlb_evalai.web.http import Timing

QUICK = Timing(connect_seconds=2, answer_seconds=2, repeats=1, first_pause_seconds=0.001)


PRIVATE = """
127.0.0.1 10.1.2.3 172.16.0.1 192.168.1.1 169.254.169.254 100.64.0.1 0.0.0.0 224.0.0.1
::1 :: fe80::1%eth0 fd00:ec2::254 ff02::1 ::ffff:10.0.0.1 64:ff9b::7f00:1 2002:7f00:1::
"""


@pytest.mark.parametrize("address", PRIVATE.split())
def test_addresses_inside_a_network_are_private(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808"])
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(address)


def test_a_private_address_is_refused_before_anything_is_sent(standin, tmp_path: Path) -> None:
    server = standin()
    url = server.storage + "/media/1.h5"
    with pytest.raises(NotReached, match="localhost is at a private address"):
        fetch(url, tmp_path / "file", max_bytes=9, timing=QUICK, private_hosts=())
    assert server.storage_requests == []


def test_every_redirect_is_looked_at(standin, tmp_path: Path) -> None:
    server = standin()
    aim = server.storage.replace("localhost", "127.0.0.1") + "/inside"
    server.storage_says = (302, {"Location": aim})
    for url in (aim, "http://2130706433/", "http://[::ffff:7f00:1]:80/"):
        server.storage_says = (302, {"Location": url})
        with pytest.raises(NotReached, match="at a private address, where no submission may lead"):
            fetch(
                server.storage + "/media/1.h5",
                tmp_path / "file",
                max_bytes=9,
                timing=QUICK,
                private_hosts=["LOCALHOST"],
            )
    assert {request[":path"] for request in server.storage_requests} == {"/media/1.h5"}


def test_a_name_that_changes_its_address_meanwhile_is_refused(
    standin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first look says public, and the connection goes to another machine."""
    server = standin()
    public = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.8.8", 80))]
    real = socket.getaddrinfo
    asked = []

    def changing(host, *args, **kwargs):
        asked.append(host)
        return public if len(asked) == 1 else real(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", changing)
    with pytest.raises(NotReached, match="private address"):
        fetch(
            server.storage + "/media/1.h5",
            tmp_path / "file",
            max_bytes=9,
            timing=QUICK,
            private_hosts=(),
        )
    assert len(asked) == 2
    assert server.storage_requests == []


def test_an_unknown_name_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(NotReached, match="the host's name is not known"):
        fetch(
            "http://nowhere.invalid/f",
            tmp_path / "file",
            max_bytes=9,
            timing=QUICK,
            private_hosts=(),
        )


def test_a_server_that_drips_is_left_in_time(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/f"
        began = time.monotonic()
        with pytest.raises(NotReached, match="was not there after 0 s"):
            # it never answers, and each silence is a try
            fetch(
                url,
                tmp_path / "file",
                max_bytes=9,
                timing=Timing(answer_seconds=0.1, repeats=1000, first_pause_seconds=0.01),
                max_seconds=0.3,
            )
        assert time.monotonic() - began < 5
