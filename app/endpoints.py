"""The endpoints. `TABLE` is the contents page of the HTTP interface; one handler serves most."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app import accounts, errors, models
from app.database import Transaction
from app.errors import Problem
from app.models import List
from app.requests import authenticate, read_body, read_query, request_id, services

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A row of the table.

    Args:
        method: The HTTP method.
        path: The path, in Starlette's notation. Its parameters are parameters of the query.
        summary: What it does, in a line.
        query: The block of `sql/queries` that does it.
        handler: In the place of a query, for what is more than one.
        body: The model of the body; its fields are parameters of the query.
        parameters: The model of the query string; the same.
        answer: The model of the response; `None` for an empty one.
        status: The status of success.
        visible_by: Where a write touched nothing: the query that tells by a row that the caller
            sees the thing but may not do this (403), and by none that it is not there (404).
        nothing: What it means when the query gives nothing and there is no `visible_by`.
        in_family: Whether it needs a family in the context.
        signed_in: Whether it needs a token.
    """

    method: str
    path: str
    summary: str
    query: str | None = None
    handler: Handler | None = None
    body: type[models.Request] | None = None
    parameters: type[models.Request] | None = None
    answer: type[BaseModel] | None = None
    status: int = 200
    visible_by: str | None = None
    nothing: errors.Kind = errors.NOT_FOUND
    in_family: bool = True
    signed_in: bool = True


TABLE = (
    # Accounts
    Endpoint(
        method="POST",
        path="/v1/auth/signup",
        summary="Make an account with a family of its own",
        handler=accounts.sign_up,
        body=models.SignUp,
        answer=models.SignedIn,
        status=201,
        signed_in=False,
    ),
    Endpoint(
        method="POST",
        path="/v1/auth/signin",
        summary="Sign in with e-mail address and password",
        handler=accounts.sign_in,
        body=models.SignIn,
        answer=models.SignedIn,
        signed_in=False,
    ),
    Endpoint(
        method="POST",
        path="/v1/auth/refresh",
        summary="Exchange a refresh token for new tokens",
        handler=accounts.refresh,
        body=models.Refresh,
        answer=models.SignedIn,
        signed_in=False,
    ),
    Endpoint(
        method="POST",
        path="/v1/auth/signout",
        summary="End this session",
        handler=accounts.sign_out,
        status=204,
        in_family=False,
    ),
    Endpoint(
        method="POST",
        path="/v1/auth/password",
        summary="Change the password and end the other sessions",
        handler=accounts.change_password,
        body=models.PasswordChange,
        status=204,
        in_family=False,
    ),
    Endpoint(
        method="GET",
        path="/v1/me",
        summary="Show the signed-in user",
        query="get_me",
        answer=models.User,
        in_family=False,
    ),
    Endpoint(
        method="PATCH",
        path="/v1/me",
        summary="Change the signed-in user",
        query="update_me",
        body=models.MePatch,
        answer=models.User,
        in_family=False,
    ),
    Endpoint(
        method="DELETE",
        path="/v1/me",
        summary="Retire the account and end all its sessions",
        query="retire_account",
        status=204,
        in_family=False,
    ),
    # Families
    Endpoint(
        method="GET",
        path="/v1/families",
        summary="List the user's families",
        query="list_families",
        answer=List[models.MyFamily],
        in_family=False,
    ),
    Endpoint(
        method="POST",
        path="/v1/families",
        summary="Make another family, owned by the user",
        query="create_family",
        body=models.FamilyNew,
        answer=models.Family,
        status=201,
        in_family=False,
    ),
    Endpoint(
        method="POST",
        path="/v1/families/{family_id:uuid}/token",
        summary="Switch to another family of the user",
        handler=accounts.switch_family,
        answer=models.SignedIn,
        in_family=False,
    ),
    Endpoint(
        method="GET",
        path="/v1/family",
        summary="Show the family",
        query="get_family",
        answer=models.Family,
    ),
    Endpoint(
        method="PATCH",
        path="/v1/family",
        summary="Change the family (owners and admins)",
        query="update_family",
        body=models.FamilyPatch,
        answer=models.Family,
        visible_by="get_family",
    ),
    Endpoint(
        method="DELETE",
        path="/v1/family",
        summary="Retire the family and end the sessions in it (owners)",
        query="retire_family",
        status=204,
    ),
    Endpoint(
        method="GET",
        path="/v1/members",
        summary="List the family's members",
        query="list_members",
        parameters=models.Page,
        answer=List[models.Member],
    ),
    Endpoint(
        method="PATCH",
        path="/v1/members/{member_id:uuid}",
        summary="Change a member's role or name",
        query="update_member",
        body=models.MemberPatch,
        answer=models.Member,
        visible_by="get_member",
    ),
    Endpoint(
        method="DELETE",
        path="/v1/members/{member_id:uuid}",
        summary="Remove a member, or leave",
        query="retire_member",
        status=204,
        visible_by="get_member",
    ),
    # Tasks
    Endpoint(
        method="GET",
        path="/v1/tasks",
        summary="List one's own tasks and the family's",
        query="list_tasks",
        parameters=models.TaskPage,
        answer=List[models.Task],
    ),
    Endpoint(
        method="POST",
        path="/v1/tasks",
        summary="Make a task",
        query="create_task",
        body=models.TaskNew,
        answer=models.Task,
        status=201,
    ),
    Endpoint(
        method="GET",
        path="/v1/tasks/{task_id:uuid}",
        summary="Show a task",
        query="get_task",
        answer=models.Task,
    ),
    Endpoint(
        method="PATCH",
        path="/v1/tasks/{task_id:uuid}",
        summary="Change a task",
        query="update_task",
        body=models.TaskPatch,
        answer=models.Task,
        visible_by="get_task",
    ),
    Endpoint(
        method="DELETE",
        path="/v1/tasks/{task_id:uuid}",
        summary="Delete a task",
        query="delete_task",
        status=204,
        visible_by="get_task",
    ),
    # Conversations
    Endpoint(
        method="GET",
        path="/v1/conversations",
        summary="List one's own conversations",
        query="list_conversations",
        parameters=models.BackwardPage,
        answer=List[models.Conversation],
    ),
    Endpoint(
        method="POST",
        path="/v1/conversations",
        summary="Begin a conversation",
        query="create_conversation",
        body=models.ConversationNew,
        answer=models.Conversation,
        status=201,
    ),
    Endpoint(
        method="GET",
        path="/v1/conversations/{conversation_id:uuid}",
        summary="Show a conversation",
        query="get_conversation",
        answer=models.Conversation,
    ),
    Endpoint(
        method="PATCH",
        path="/v1/conversations/{conversation_id:uuid}",
        summary="Change a conversation",
        query="update_conversation",
        body=models.ConversationPatch,
        answer=models.Conversation,
        visible_by="get_conversation",
    ),
    Endpoint(
        method="DELETE",
        path="/v1/conversations/{conversation_id:uuid}",
        summary="Delete a conversation and its messages",
        query="delete_conversation",
        status=204,
        visible_by="get_conversation",
    ),
    Endpoint(
        method="GET",
        path="/v1/conversations/{conversation_id:uuid}/messages",
        summary="List a conversation's messages, oldest first",
        query="list_messages",
        parameters=models.Page,
        answer=List[models.Message],
    ),
    Endpoint(
        method="POST",
        path="/v1/conversations/{conversation_id:uuid}/messages",
        summary="Add a message, for good",
        query="create_message",
        body=models.MessageNew,
        answer=models.Message,
        status=201,
    ),
    # Audit
    Endpoint(
        method="GET",
        path="/v1/audit",
        summary="Read the audit trail, newest first (owners and admins)",
        query="list_audit",
        parameters=models.BackwardPage,
        answer=List[models.AuditRecord],
        nothing=errors.FORBIDDEN,
    ),
)


def routes() -> list[Route]:
    """Return a route for each path of the table, so that a 405 names all its methods."""
    paths: dict[str, dict[str, Handler]] = {}
    for row in TABLE:
        paths.setdefault(row.path, {})[row.method] = row.handler or _handler(row)
    return [Route(path, _by_method(rows), methods=list(rows)) for path, rows in paths.items()]


def _by_method(handlers: Mapping[str, Handler]) -> Handler:
    async def handle(request: Request) -> Response:
        # Where there is GET, Starlette takes HEAD as well.
        return await handlers["GET" if request.method == "HEAD" else request.method](request)

    return handle


def _handler(row: Endpoint) -> Handler:
    assert row.query is not None  # noqa: S101 - a row has a query or a handler
    query = row.query

    async def handle(request: Request) -> Response:
        context = await authenticate(request)
        if row.in_family and context.family_id is None:
            raise Problem(errors.NO_FAMILY)
        values: dict[str, object] = {}
        if row.parameters is not None:
            values |= read_query(request, row.parameters).values()
        if row.body is not None:
            values |= (await read_body(request, row.body)).values()
        values |= request.path_params
        values |= {"user_id": context.user_id, "family_id": context.family_id}

        async def work(transaction: Transaction) -> str:
            answer: str | None = await transaction.value(query, values)
            if answer is not None:
                return answer
            if row.visible_by and await transaction.value(row.visible_by, values) is not None:
                raise Problem(errors.FORBIDDEN)
            raise Problem(row.nothing)

        text = await services(request).database.run(
            context, work, read_only=row.method == "GET", request_id=request_id(request)
        )
        if row.answer is None:
            return Response(status_code=row.status)
        return Response(
            text,
            status_code=row.status,
            media_type="application/json",
            headers={"Cache-Control": "no-store"},
        )

    return handle
