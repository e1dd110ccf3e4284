"""One URL for two drivers: what libpq alone understands is kept from asyncpg.

The migrator and psql read a URL with libpq, the service and the other commands with asyncpg, which
takes what it does not know for a setting of the server and is refused there.
"""

from urllib.parse import quote, unquote, urlsplit

# What asyncpg does by itself, or what makes no difference to who connects to what. An option that
# protects (require_auth, requirepeer, channel_binding=require) is not among them: it is refused.
_LIBPQ_ONLY = {
    *("client_encoding", "fallback_application_name", "load_balance_hosts", "tcp_user_timeout"),
    *("keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count"),
    *("sslcompression", "sslsni", "sslkeylogfile", "gssencmode", "gssdelegation"),
    *("min_protocol_version", "max_protocol_version"),
}


def options(url: str) -> list[tuple[str, str]]:
    """Return the options of a URL's query, read as libpq does: a plus is a plus."""
    pairs = (pair.partition("=") for pair in urlsplit(url).query.split("&") if pair)
    return [(unquote(name), unquote(value)) for name, _, value in pairs]


def with_options(url: str, given: list[tuple[str, str]]) -> str:
    """Return the URL with these options instead of its own."""
    query = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in given)
    head = url.partition("#")[0].partition("?")[0]
    return f"{head}?{query}" if query else head


def one_by_one(url: str) -> list[str]:
    """Return a URL for each host that a URL names, in their order, as asyncpg reads it.

    As libpq has it, a host among the options goes before one in front of them, and one port is for
    all hosts. A URL that names no host, or too few ports, is what comes of it: asyncpg tells.
    """
    given = options(url)
    parts = urlsplit(url)
    login, at, place = parts.netloc.rpartition("@")
    ports: list[str] = []
    hosts = [part for part in place.split(",") if part]
    for index, host in enumerate(hosts):
        name, _, port = host.rpartition("]")[2].partition(":")
        hosts[index] = unquote(host[1:].partition("]")[0] if host[0] == "[" else name)
        ports.append(port)
    for name, value in given:
        if name == "host" and value:
            hosts = value.split(",")
            ports = ports if len(ports) == len(hosts) else [""] * len(hosts)
    for name, value in given:
        if name == "port" and value:
            ports = value.split(",")
    ports = ports * len(hosts) if len(ports) == 1 else ports
    if not hosts or len(ports) != len(hosts):
        return [url]
    rest = [pair for pair in given if pair[0] not in ("host", "port")]
    head = f"{parts.scheme}://{login}{at}{parts.path}"
    return [
        with_options(
            head,
            [
                ("host", f"[{host}]" if ":" in host else host),
                *([("port", port)] if port else []),
                *rest,
            ],
        )
        for host, port in zip(hosts, ports, strict=True)
    ]


def for_asyncpg(url: str, timeout: float) -> tuple[str, float]:
    """Return a URL that asyncpg understands, and the seconds to wait for a connection.

    Args:
        url: As libpq understands it.
        timeout: For a URL that says no `connect_timeout`, or one that is no time.
    """
    kept = []
    for name, value in options(url):
        if name == "connect_timeout":
            timeout = float(value) if value.isdecimal() and int(value) > 0 else timeout
        elif name not in _LIBPQ_ONLY and (name, value) not in (
            ("channel_binding", "prefer"),
            ("channel_binding", "disable"),
        ):
            kept.append((name, value))
    return with_options(url, kept), timeout
