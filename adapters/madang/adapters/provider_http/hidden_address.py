"""An address that is itself the secret: nothing above the transport ever sees it."""

import httpx

from madang.adapters.provider_http.bounds import BoundedTransport
from madang.adapters.provider_http.failures import port_errors
from madang.ports.secret import Secret


class HiddenAddress(httpx.AsyncBaseTransport):
    """httpx writes a request's address into its log and its errors. So it is given the host alone (`shown`), and the path,
    which is the secret, comes in below it; parameters of the request are added to the address's own. Raises `Misconfigured`
    for an address that cannot be used."""

    def __init__(self, name: str, address: Secret, inner: BoundedTransport) -> None:
        with port_errors(name, "connect"):
            self._address = httpx.URL(address.reveal())
        self._inner = inner

    @property
    def shown(self) -> str:
        return str(self._address.copy_with(raw_path=b"/", fragment=None))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        params = request.url.params
        address = self._address.copy_merge_params(params) if params else self._address
        addressed = httpx.Request(
            request.method, address, headers=request.headers, stream=request.stream, extensions=request.extensions
        )
        return await self._inner.handle_async_request(addressed)

    async def aclose(self) -> None:
        await self._inner.aclose()
