"""HTTP/1.1 on the wire: uvicorn's own protocol, without what it takes and should not."""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class Protocol(HttpToolsProtocol):
    """Read requests as uvicorn does, but no trailers of a chunked body.

    They come from whoever sent the body, past every proxy that looks at headers alone, and uvicorn
    appends them to the headers: an `Authorization` or an `X-Forwarded-For` there was believed. A
    recipient may discard them (RFC 9110, 6.5.1).
    """

    _is_beyond_headers = False

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._is_beyond_headers = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, or let a trailer go."""
        if not self._is_beyond_headers:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Start to serve the request."""
        self._is_beyond_headers = True
        super().on_headers_complete()
