"""What schemathesis cannot know: how to sign in, and what a list of entity tags may be."""

from itertools import count
from time import time_ns
from typing import Any

import requests
import schemathesis
from hypothesis import strategies as st
from schemathesis import AuthContext, Case

from tests.support.fixtures import PASSWORD

_numbers = count(time_ns())

_ENTITY_TAG = r'(W/)?"[!#-~]{0,20}"'

schemathesis.openapi.format(
    "entity-tags", st.just("*") | st.from_regex(_ENTITY_TAG, fullmatch=True)
)


@schemathesis.auth(refresh_interval=1)
class Newcomers:
    """Somebody new every second: whoever was there may have signed out, or be gone."""

    def get(self, case: Case[Any], _: AuthContext) -> str:
        """Return the access token of somebody new."""
        body = {"email": f"guest{next(_numbers)}@example.com", "password": PASSWORD}
        names = {"full_name": "A guest", "family_name": "The guests"}
        url = f"{case.operation.base_url.rstrip('/')}/v1/auth/signup"
        response = requests.post(url, json={**body, **names}, timeout=30)
        response.raise_for_status()
        return str(response.json()["access_token"])

    def set(self, case: Case[Any], data: str, _: AuthContext) -> None:
        """Send it with a request."""
        case.headers["Authorization"] = f"Bearer {data}"
