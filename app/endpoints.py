"""The endpoints. `TABLE` is the contents page of the HTTP interface; one handler serves most."""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app import accounts, errors, models
from app.errors import Problem
from app.models import List
from app.operations import Endpoint, Handler, handler, run_batch


async def batch(request: Request) -> Response:
    return await run_batch(request, TABLE)


TABLE = (
    # Accounts
    Endpoint(
        method="POST",
        path="/v1/auth/signup",
        summary="Make an account with a family of its own",
        handler=accounts.sign_up,
        takes_key=False,
        body=models.SignUp,
        answer=models.SignedIn,
        status=201,
        signed_in=False,
        problems=(errors.CONFLICT, errors.TOO_MANY),
    ),
    Endpoint(
        method="POST",
        path="/v1/auth/signin",
        summary="Sign in with e-mail address and password",
        handler=accounts.sign_in,
        takes_key=False,
        body=models.SignIn,
        answer=models.SignedIn,
        signed_in=False,
        problems=(errors.INVALID_CREDENTIALS, errors.TOO_MANY),
    ),
    Endpoint(
        method="POST",
        path="/v1/auth/refresh",
        summary="Exchange a refresh token for new tokens",
        handler=accounts.refresh,
        takes_key=False,
        body=models.Refresh,
        answer=models.SignedIn,
        signed_in=False,
        problems=(errors.INVALID_REFRESH_TOKEN,),
    ),
    Endpoint(
        method="POST",
        path="/v1/auth/signout",
        summary="End this session",
        handler=accounts.sign_out,
        takes_key=False,
        status=204,
        in_family=False,
        problems=(errors.NOT_FOUND,),
    ),
    Endpoint(
        method="POST",
        path="/v1/auth/password",
        summary="Change the password and end the other sessions",
        handler=accounts.change_password,
        takes_key=False,
        body=models.PasswordChange,
        status=204,
        in_family=False,
        problems=(errors.TOO_MANY,),
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
        visible_by="get_me",
        in_family=False,
    ),
    Endpoint(
        method="DELETE",
        path="/v1/me",
        summary="Retire the account and end all its sessions",
        query="retire_account",
        status=204,
        visible_by="get_me",
        in_family=False,
        problems=(errors.LAST_OWNER,),
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
        takes_key=False,
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
        visible_by="get_family",
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
        method="GET",
        path="/v1/members/{member_id:uuid}",
        summary="Show a member",
        query="get_member",
        answer=models.Member,
    ),
    Endpoint(
        method="PATCH",
        path="/v1/members/{member_id:uuid}",
        summary="Change a member's role or name",
        query="update_member",
        body=models.MemberPatch,
        answer=models.Member,
        visible_by="get_member",
        problems=(errors.LAST_OWNER,),
    ),
    Endpoint(
        method="DELETE",
        path="/v1/members/{member_id:uuid}",
        summary="Remove a member, or leave",
        query="retire_member",
        status=204,
        visible_by="get_member",
        problems=(errors.LAST_OWNER,),
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
    # Several at once
    Endpoint(
        method="POST",
        path="/v1/batch",
        summary="Do up to 100 operations in one transaction: all of them or none",
        handler=batch,
        body=models.Batch,
        answer=models.BatchDone,
        in_family=False,
        problems=(
            errors.FORBIDDEN,
            errors.NOT_FOUND,
            errors.CONFLICT,
            errors.LAST_OWNER,
            errors.STALE,
        ),
    ),
)


def routes() -> list[Route]:
    """Return a route for each path of the table, so that a 405 names all its methods."""
    paths: dict[str, dict[str, Handler]] = {}
    for row in TABLE:
        serve = row.handler or handler(row)
        paths.setdefault(row.path, {})[row.method] = serve if row.takes_key else _keyless(serve)
    return [Route(path, _by_method(rows), methods=list(rows)) for path, rows in paths.items()]


def _keyless(serve: Handler) -> Handler:
    async def handle(request: Request) -> Response:
        if "Idempotency-Key" in request.headers:
            detail = (
                "Idempotency-Key: is not taken here; the answer holds secrets, which are not kept."
            )
            raise Problem(errors.MALFORMED, detail)
        return await serve(request)

    return handle


def _by_method(handlers: Mapping[str, Handler]) -> Handler:
    async def handle(request: Request) -> Response:
        # Where there is GET, Starlette takes HEAD as well.
        return await handlers["GET" if request.method == "HEAD" else request.method](request)

    return handle
