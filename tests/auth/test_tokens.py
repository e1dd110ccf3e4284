"""Access tokens: ours, and those of an outside issuer by its published keys."""

import asyncio
import base64
import hmac
import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app.auth import tokens
from app.auth.tokens import (
    LEEWAY,
    InvalidTokenError,
    KeysUnavailableError,
    Tokens,
    hash_token,
    new_refresh_token,
)
from app.db.context import Context, MemberRole
from app.settings import Settings
from tests.support.fixtures import Hearth, Person, Serve

pytestmark = pytest.mark.newest

SECRET = "a secret that only the tests know, 32 bytes and more"
CONTEXT = Context(uuid4(), uuid4(), uuid4(), MemberRole.ADMIN)


def _settings(**changes: object) -> Settings:
    return Settings(**{"jwt_secret": SECRET, **changes})  # type: ignore[arg-type]


def _claims(**changes: object) -> dict[str, Any]:
    claims = {
        "iss": "hearth",
        "aud": "hearth",
        "sub": str(CONTEXT.user_id),
        "exp": datetime.now(UTC) + timedelta(days=1),
        **changes,
    }
    return {name: value for name, value in claims.items() if value is not None}


async def test_a_token_gives_back_the_context_it_was_made_for() -> None:
    ours = Tokens(_settings())

    assert await ours.verify(ours.make(CONTEXT)) == CONTEXT


async def test_a_token_without_a_family_gives_a_context_without_one() -> None:
    ours = Tokens(_settings())
    context = Context(uuid4(), uuid4())

    assert await ours.verify(ours.make(context)) == context


def _part(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _signed(claims: bytes) -> str:
    """Return a token of ours with claims that may be no JSON."""
    content = ".".join(map(_part, (b'{"alg": "HS256"}', claims)))
    return f"{content}.{_part(hmac.digest(SECRET.encode(), content.encode(), 'sha256'))}"


PAST = datetime.now(UTC) - timedelta(minutes=1)
FUTURE = datetime.now(UTC) + timedelta(hours=12)  # made when the tests are collected


@pytest.mark.parametrize(
    "token",
    [
        pytest.param("", id="empty"),
        pytest.param("a.b.c", id="garbage"),
        pytest.param(jwt.encode(_claims(), SECRET + "!", "HS256"), id="another secret"),
        pytest.param(jwt.encode(_claims(), SECRET * 2, "HS512"), id="another algorithm"),
        pytest.param(jwt.encode(_claims(), "", "none"), id="no signature"),
        pytest.param(jwt.encode(_claims(exp=PAST), SECRET, "HS256"), id="expired"),
        pytest.param(jwt.encode(_claims(exp=None), SECRET, "HS256"), id="never expires"),
        pytest.param(jwt.encode(_claims(nbf=FUTURE), SECRET, "HS256"), id="not yet valid"),
        pytest.param(jwt.encode(_claims(iss="else"), SECRET, "HS256"), id="another issuer"),
        pytest.param(jwt.encode(_claims(aud="else"), SECRET, "HS256"), id="another audience"),
        pytest.param(jwt.encode(_claims(sub=None), SECRET, "HS256"), id="no subject"),
        pytest.param(jwt.encode(_claims(sub="ann"), SECRET, "HS256"), id="subject is no UUID"),
        pytest.param(jwt.encode(_claims(family_id="x"), SECRET, "HS256"), id="family is no UUID"),
        pytest.param(
            jwt.encode(_claims(family_id=str(uuid4()), role="god"), SECRET, "HS256"),
            id="no such role",
        ),
        *(
            pytest.param(
                jwt.encode(_claims(**{name: value}), SECRET, "HS256"), id=f"{name} {value}"
            )
            for name in ("exp", "nbf", "iat")
            for value in (1e18, 1e20, float("inf"), float("nan"), "soon", ["soon"])
        ),
        pytest.param(jwt.encode(_claims(sub=7), SECRET, "HS256"), id="subject is a number"),
        pytest.param(jwt.encode(_claims(sid=[]), SECRET, "HS256"), id="session is a list"),
        pytest.param(jwt.encode(_claims(aud={}), SECRET, "HS256"), id="audience is an object"),
        pytest.param(f"{_part(b'[' * 9000)}.e30.", id="header nested too deep"),
        pytest.param(f"{_part(b'[]')}.e30.", id="header is a list"),
        pytest.param(f"{_part(b'1' * 9000)}.e30.", id="header is a long number"),
        pytest.param(_signed(b"[" * 9000), id="claims nested too deep"),
        pytest.param(_signed(b'{"exp": ' + b"1" * 9000 + b"}"), id="exp is a long number"),
    ],
)
async def test_a_token_that_is_not_right_is_refused(token: str) -> None:
    with pytest.raises(InvalidTokenError):
        await Tokens(_settings()).verify(token)


async def test_a_token_is_verified_once_and_expires_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours = Tokens(_settings())
    token = jwt.encode(_claims(exp=time.time() - LEEWAY + 60), SECRET, "HS256")

    assert await ours.verify(token) is await ours.verify(token)

    class Later(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "Later":
            return cls.fromtimestamp(time.time() + 120, tz)

    monkeypatch.setattr("app.auth.tokens.datetime", Later)
    with pytest.raises(InvalidTokenError):
        await ours.verify(token)


async def test_what_is_refused_pushes_out_nothing_that_is_remembered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("app.auth.tokens.MAX_REMEMBERED", 1)
    ours = Tokens(_settings())
    remembered = await ours.verify(token := ours.make(CONTEXT))
    expired, foreign = _claims(exp=PAST), jwt.encode({}, SECRET * 2, "HS512")
    for refused in ("a.b.c", jwt.encode(expired, SECRET, "HS256"), foreign):
        with pytest.raises(InvalidTokenError):
            await ours.verify(refused)

    assert await ours.verify(token) is remembered


def test_refresh_tokens_are_random_and_stored_as_sha256() -> None:
    one, other = new_refresh_token(), new_refresh_token()

    assert one != other
    assert len(base64.urlsafe_b64decode(one + "=")) == 32
    assert len(hash_token(one)) == 32


class Issuer:
    """A key server on the loopback, with keys that can be rotated."""

    def __init__(self) -> None:
        self.keys: dict[str, tuple[Any, str]] = {}
        self.fetched = 0
        self.status = 200
        self.asked = threading.Event()
        self.answers = threading.Event()
        self.answers.set()
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.fetched += 1
                issuer.asked.set()
                issuer.answers.wait(timeout=30)
                body = json.dumps({"keys": issuer._public()}).encode()
                self.send_response(issuer.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/jwks.json"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def hang(self) -> None:
        """Answer nobody until `answers` is set."""
        self.asked.clear()
        self.answers.clear()

    def close(self) -> None:
        self.answers.set()
        self._server.shutdown()
        self._server.server_close()

    def add(self, key_id: str, algorithm: str) -> None:
        key: Any = {
            "RS256": lambda: rsa.generate_private_key(65537, 2048),
            "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
            "EdDSA": ed25519.Ed25519PrivateKey.generate,
        }[algorithm]()
        self.keys[key_id] = (key, algorithm)

    def sign(self, key_id: str, **changes: object) -> str:
        key, algorithm = self.keys[key_id]
        claims = _claims(iss="https://login.example/", aud="home", **changes)
        return jwt.encode(claims, key, algorithm, headers={"kid": key_id})

    def _public(self) -> list[dict[str, object]]:
        def public(key_id: str, key: Any, algorithm: str) -> dict[str, object]:
            shape: Any = jwt.get_algorithm_by_name(algorithm)
            jwk: dict[str, object] = json.loads(shape.to_jwk(key.public_key()))
            return {**jwk, "kid": key_id, "alg": algorithm, "use": "sig"}

        return [public(key_id, *pair) for key_id, pair in self.keys.items()]


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    server = Issuer()
    yield server
    server.close()


def _outside(issuer: Issuer) -> Tokens:
    return Tokens(
        _settings(jwks_url=issuer.url, jwt_issuer="https://login.example/", jwt_audience="home")
    )


@pytest.mark.parametrize("algorithm", tokens.OUTSIDE_ALGORITHMS)
async def test_an_outside_token_is_taken_by_the_issuers_published_key(
    issuer: Issuer, algorithm: str
) -> None:
    issuer.add("one", algorithm)

    context = await _outside(issuer).verify(issuer.sign("one"))

    assert context == Context(CONTEXT.user_id)


async def test_an_outside_token_serves_for_requests_and_for_switching_families(
    issuer: Issuer, hearth: Hearth, serve: Serve, ann: Person
) -> None:
    issuer.add("one", "EdDSA")
    token = issuer.sign(
        "one",
        sub=str(ann.user_id),
        family_id=str(ann.family_id),
        role="owner",
        exp=datetime.now(UTC) + timedelta(seconds=60),
    )
    outside = {"jwks_url": issuer.url, "jwt_issuer": "https://login.example/"}

    with serve(hearth.settings(**outside, jwt_audience="home")) as url:
        async with httpx.AsyncClient(base_url=url) as client:
            client.headers["Authorization"] = f"Bearer {token}"
            tasks = await client.get("/v1/tasks")
            switched = await client.post(f"/v1/families/{ann.family_id}/token")
            client.headers["Authorization"] = f"Bearer {switched.json()['access_token']}"
            again = await client.get("/v1/tasks")

    assert [response.status_code for response in (tasks, switched, again)] == [200, 200, 200]
    assert switched.json()["expires_in"] <= 60


async def test_keys_are_fetched_once_and_again_for_a_key_that_is_new(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = _outside(issuer)
    issuer.add("one", "RS256")
    for _ in range(5):
        await outside.verify(issuer.sign("one"))
    assert issuer.fetched == 1

    issuer.add("two", "RS256")
    monkeypatch.setattr(tokens, "REFETCH_INTERVAL", 0)
    await outside.verify(issuer.sign("two"))

    assert issuer.fetched == 2


async def test_invented_key_ids_do_not_make_us_ask_again_and_again(issuer: Issuer) -> None:
    outside = _outside(issuer)
    issuer.add("one", "RS256")
    token = issuer.sign("one")
    issuer.keys.clear()
    for _ in range(5):
        with pytest.raises(InvalidTokenError):
            await outside.verify(token)

    assert issuer.fetched == 1


async def test_an_issuer_that_fails_is_not_asked_again_and_again(issuer: Issuer) -> None:
    outside = _outside(issuer)
    issuer.add("one", "EdDSA")
    issuer.status = 500
    for _ in range(5):
        with pytest.raises(KeysUnavailableError):
            await outside.verify(issuer.sign("one"))

    assert issuer.fetched == 1


async def test_a_key_that_is_known_outlasts_an_issuer_that_fails(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = _outside(issuer)
    issuer.add("one", "EdDSA")
    known = issuer.sign("one")
    await outside.verify(known)
    issuer.add("two", "EdDSA")
    issuer.status = 500
    monkeypatch.setattr(tokens, "REFETCH_INTERVAL", 0)
    with pytest.raises(KeysUnavailableError):
        await outside.verify(issuer.sign("two"))

    assert await outside.verify(known) == Context(CONTEXT.user_id)


async def test_a_key_that_is_known_does_not_wait_for_an_issuer_that_hangs(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = _outside(issuer)
    issuer.add("one", "EdDSA")
    known = issuer.sign("one")
    await outside.verify(known)
    issuer.add("two", "EdDSA")
    monkeypatch.setattr(tokens, "REFETCH_INTERVAL", 0)
    issuer.hang()
    waiting = [asyncio.create_task(outside.verify(issuer.sign("two"))) for _ in range(5)]
    await asyncio.to_thread(issuer.asked.wait, 10)

    context = await outside.verify(known)
    still_waiting = [not task.done() for task in waiting]
    waiting[0].cancel()  # who goes away does not take the answer from the others
    issuer.answers.set()
    others = await asyncio.gather(*waiting[1:])

    assert context == Context(CONTEXT.user_id)
    assert still_waiting == [True] * 5
    assert others == [context] * 4
    assert issuer.fetched == 2


async def test_keys_are_renewed_before_they_are_too_old_and_nobody_waits(issuer: Issuer) -> None:
    outside = _outside(issuer)
    issuer.add("one", "EdDSA")
    token = issuer.sign("one")
    await outside.verify(token)
    outside._fetched_at = outside._asked_at = time.monotonic() - tokens.KEYS_LIFETIME * 0.75
    issuer.hang()

    contexts = [await outside.verify(token) for _ in range(5)]
    fetching = outside._fetching
    assert fetching is not None
    issuer.answers.set()
    await fetching

    assert contexts == [Context(CONTEXT.user_id)] * 5
    assert issuer.fetched == 2
    assert time.monotonic() - outside._fetched_at < tokens.KEYS_LIFETIME / 2


async def test_an_issuer_has_a_limit_for_its_whole_answer(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = _outside(issuer)
    issuer.add("one", "EdDSA")
    monkeypatch.setattr(tokens, "FETCH_LIMIT", 0.1)
    issuer.hang()

    with pytest.raises(KeysUnavailableError):
        await outside.verify(issuer.sign("one"))


async def test_an_issuers_answer_is_not_read_without_end(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = _outside(issuer)
    issuer.add("one", "EdDSA")
    monkeypatch.setattr(tokens, "MAX_ANSWER", 64)

    with pytest.raises(KeysUnavailableError):
        await outside.verify(issuer.sign("one"))


async def test_a_public_key_never_passes_for_a_secret(issuer: Issuer) -> None:
    issuer.add("one", "RS256")
    public = issuer.keys["one"][0].public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    header = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"one"}').rstrip(b"=")
    claims = _claims(iss="https://login.example/", aud="home", exp=4102444800)
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=")
    signature = jwt.get_algorithm_by_name("HS256").sign(header + b"." + body, pem)
    token = b".".join((header, body, base64.urlsafe_b64encode(signature).rstrip(b"=")))

    with pytest.raises(InvalidTokenError):
        await _outside(issuer).verify(token.decode())


async def test_the_keys_algorithm_decides_and_not_the_tokens_header(issuer: Issuer) -> None:
    issuer.add("one", "ES256")
    issuer.add("two", "RS256")
    key, algorithm = issuer.keys["two"]
    token = jwt.encode(
        _claims(iss="https://login.example/", aud="home"), key, algorithm, headers={"kid": "one"}
    )

    with pytest.raises(InvalidTokenError):
        await _outside(issuer).verify(token)


async def test_an_issuer_that_does_not_answer_is_told_apart_from_a_wrong_token() -> None:
    outside = Tokens(_settings(jwks_url="http://127.0.0.1:9/jwks.json"))
    header = {"kid": "one"}
    token = jwt.encode(_claims(), ed25519.Ed25519PrivateKey.generate(), "EdDSA", headers=header)

    with pytest.raises(KeysUnavailableError):
        await outside.verify(token)


async def test_no_token_made_from_another_outlives_it() -> None:
    ours = Tokens(_settings())
    soon = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=30)
    context = await ours.verify(jwt.encode(_claims(exp=soon), SECRET, "HS256"))

    again = await ours.verify(ours.make(context))

    assert again.token_expires_at == soon
    assert 0 <= ours.expires_in(context) <= 30
    assert ours.expires_in(CONTEXT) == 900


async def test_an_outside_session_is_none_of_ours(issuer: Issuer) -> None:
    issuer.add("one", "ES256")

    context = await _outside(issuer).verify(issuer.sign("one", sid=str(uuid4()), role="anything"))

    assert context == Context(CONTEXT.user_id)


async def test_a_key_that_the_issuer_withdraws_is_forgotten(issuer: Issuer) -> None:
    outside = _outside(issuer)
    issuer.add("one", "ES256")
    token = issuer.sign("one")
    await outside.verify(token)
    del issuer.keys["one"]

    outside._fetched_at = outside._asked_at = time.monotonic() - tokens.KEYS_LIFETIME - 1
    with pytest.raises(InvalidTokenError):
        await outside.verify(token)


async def test_a_key_that_is_too_old_is_not_trusted_where_the_issuer_fails(issuer: Issuer) -> None:
    outside = _outside(issuer)
    issuer.add("one", "ES256")
    token = issuer.sign("one")
    await outside.verify(token)
    issuer.status = 500

    outside._fetched_at = outside._asked_at = time.monotonic() - tokens.KEYS_LIFETIME - 1
    for _ in range(5):
        with pytest.raises(KeysUnavailableError):
            await outside.verify(token)

    assert issuer.fetched == 2
