"""Families: the households, and who belongs to them."""

from uuid import UUID

from pydantic import Field

from app.db.context import MemberRole
from app.http import problems
from app.http.endpoint import Resource, delete, get, patch, post
from app.http.fields import Flag, Name, TimeZone
from app.http.models import (
    EXAMPLE_FAMILY_ID,
    EXAMPLE_USER_ID,
    EXAMPLE_VERSION,
    Page,
    Paging,
    Patch,
    Request,
    Response,
    Versioned,
)


class FamilyCreate(Request):
    """A new family; its time zone defaults to the user's own."""

    example = {"name": "The cabin", "time_zone": "Europe/Oslo"}

    name: Name
    time_zone: TimeZone | None = None


class FamilyPatch(Patch):
    """What may change of a family."""

    example = {"name": "The house", "time_zone": "Europe/Rome"}

    name: Name | None = None
    time_zone: TimeZone | None = None


class MemberFilter(Paging):
    """Which members: those who are, or those who left or were removed."""

    is_active: Flag = Field(default=True, description="those who are members, or those who were")


class MemberPatch(Patch):
    """What may change of a membership."""

    example = {"role": "owner", "display_name": "Mum"}

    role: MemberRole | None = None
    display_name: Name | None = None


class Family(Versioned):
    """A family."""

    example = {
        "id": EXAMPLE_FAMILY_ID,
        "name": "The Comers",
        "time_zone": "Europe/Vienna",
        **EXAMPLE_VERSION,
    }

    id: UUID
    name: str
    time_zone: str


class MyFamily(Response):
    """A family of the user, with the role in it."""

    example = {"family": Family.example, "role": "owner"}

    family: Family
    role: MemberRole


class Member(Versioned):
    """A member of the family."""

    example = {
        "user_id": EXAMPLE_USER_ID,
        "role": "owner",
        "display_name": "New Comer",
        **EXAMPLE_VERSION,
    }

    user_id: UUID
    role: MemberRole
    display_name: str


families = Resource(
    "Families",
    "Households, and who belongs to them.",
    (
        get(
            "/v1/families",
            "List your families",
            query="list_families",
            response=Page[MyFamily],
            in_family=False,
        ),
        post(
            "/v1/families",
            "Create another family",
            query="create_family",
            body=FamilyCreate,
            response=Family,
            in_family=False,
        ),
        get("/v1/family", "Get the family", query="get_family", response=Family),
        patch(
            "/v1/family",
            "Update the family (owners and admins)",
            query="update_family",
            body=FamilyPatch,
            response=Family,
        ),
        delete(
            "/v1/family",
            "Retire the family and end the sessions in it (owners)",
            query="retire_family",
        ),
        get(
            "/v1/members",
            "List members",
            query="list_members",
            parameters=MemberFilter,
            response=Page[Member],
        ),
        get("/v1/members/{member_id:uuid}", "Get a member", query="get_member", response=Member),
        patch(
            "/v1/members/{member_id:uuid}",
            "Update a member's role or name, also a former member's",
            query="update_member",
            body=MemberPatch,
            response=Member,
            existence_check="get_member_or_former",
            problems=(problems.LAST_OWNER,),
        ),
        delete(
            "/v1/members/{member_id:uuid}",
            "Remove a member, or leave; who retired the account stays removed when it is restored",
            query="retire_member",
            existence_check="get_member_or_former",
            problems=(problems.LAST_OWNER,),
        ),
        post(
            "/v1/members/{member_id:uuid}/restore",
            "Restore a member (owners and admins)",
            query="restore_member",
            response=Member,
            status=200,
            existence_check="get_retired_member",
            problems=(problems.CONFLICT,),
        ),
    ),
)
