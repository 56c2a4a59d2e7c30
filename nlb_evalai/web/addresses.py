"""Which machines a stranger's address may lead to: none inside the host's own network.

Every connection of a request is checked, so every redirect is too: the name is resolved and all
its addresses looked at, and once connected the peer's, since a name may change in between. Through
a proxy (``HTTPS_PROXY``) the proxy connects, and decides.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import Any, Collection, Dict, Type, Union

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from nlb_evalai.errors import ToolError

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_Pool = Union[Type[HTTPConnectionPool], Type[HTTPSConnectionPool]]


class PrivateAddress(ToolError):
    """A name leads to a machine that strangers' addresses may not lead to."""

    def __init__(self, host: str) -> None:
        self.host = host
        super().__init__(f"{host} is at a private address")


def is_public(address: str) -> bool:
    """Whether an IP address is on the public internet, also where it is wrapped in another."""
    found: Any = ipaddress.ip_address(address.partition("%")[0])
    if found.version == 6:
        inner = found.ipv4_mapped or found.sixtofour
        if found in _NAT64:
            inner = ipaddress.ip_address(int(found) & 0xFFFFFFFF)
        found = inner or found
    return bool(found.is_global) and not found.is_multicast


class PublicAdapter(HTTPAdapter):
    """Connects to public addresses alone, and to ``private_hosts`` wherever they are.

    Parameters
    ----------
    private_hosts : collection of str
        Names, or addresses, as they stand in the URL.
    """

    def __init__(self, private_hosts: Collection[str] = ()) -> None:
        self._pools = _pools(frozenset(host.lower() for host in private_hosts))
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools


def _pools(private_hosts: Collection[str]) -> Dict[str, _Pool]:
    class Checked:
        """Mixed into a connection: looks where it leads."""

        host: str
        port: int

        def _new_conn(self) -> socket.socket:
            if self.host.strip("[]").lower() in private_hosts:
                return super()._new_conn()  # type: ignore[misc]
            try:
                found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
            except OSError:
                found = []  # urllib3 says this better
            if not all(is_public(str(one[4][0])) for one in found):
                raise PrivateAddress(self.host)
            connection: socket.socket = super()._new_conn()  # type: ignore[misc]
            if not is_public(connection.getpeername()[0]):
                connection.close()
                raise PrivateAddress(self.host)
            return connection

    class Plain(Checked, HTTPConnection):
        pass

    class Encrypted(Checked, HTTPSConnection):
        pass

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class EncryptedPool(HTTPSConnectionPool):
        ConnectionCls = Encrypted

    return {"http": PlainPool, "https": EncryptedPool}
