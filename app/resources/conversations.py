"""Conversations and their messages: only one's own."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from app.http.endpoint import Resource, delete, get, patch, post
from app.http.fields import Text, Title
from app.http.models import (
    EXAMPLE_TIME,
    EXAMPLE_USER_ID,
    EXAMPLE_VERSION,
    NewestFirst,
    Page,
    Paging,
    Patch,
    Request,
    Response,
    Versioned,
)

_CONVERSATION_ID = "019a9f42-71aa-7d3e-a5f6-90b1c2d3e4f5"


Speaker = Annotated[
    Literal["user", "assistant"], Field(description="whose words these are: a person's or not")
]


class ConversationCreate(Request):
    """A conversation to begin."""

    example = {"title": "Dinner"}

    title: Title


class ConversationPatch(Patch):
    """What may change of a conversation."""

    example = {"title": "Supper"}

    title: Title | None = None


class MessageCreate(Request):
    """A message to add; it will never change."""

    example = {"role": "user", "content": "What is for dinner?"}
    max_bytes = 65_536

    role: Speaker
    content: Annotated[Text, StringConstraints(min_length=1, max_length=5000)]


class Conversation(Versioned):
    """A conversation."""

    example = {
        "id": _CONVERSATION_ID,
        "user_id": EXAMPLE_USER_ID,
        "title": "Dinner",
        **EXAMPLE_VERSION,
    }

    id: UUID
    user_id: UUID
    title: str


class Message(Response):
    """A message."""

    example = {
        "id": "019a9f43-1f00-7b6c-b7d8-e9f0a1b2c3d4",
        "conversation_id": _CONVERSATION_ID,
        "role": "user",
        "content": "What is for dinner?",
        "created_at": EXAMPLE_TIME,
    }

    id: UUID
    conversation_id: UUID
    role: Speaker
    content: str
    created_at: datetime


conversations = Resource(
    "Conversations",
    "Conversations and messages: only one's own.",
    (
        get(
            "/v1/conversations",
            "List your conversations",
            query="list_conversations",
            parameters=NewestFirst,
            response=Page[Conversation],
        ),
        post(
            "/v1/conversations",
            "Create a conversation",
            query="create_conversation",
            body=ConversationCreate,
            response=Conversation,
        ),
        get(
            "/v1/conversations/{conversation_id:uuid}",
            "Get a conversation",
            query="get_conversation",
            response=Conversation,
        ),
        patch(
            "/v1/conversations/{conversation_id:uuid}",
            "Update a conversation",
            query="update_conversation",
            body=ConversationPatch,
            response=Conversation,
        ),
        delete(
            "/v1/conversations/{conversation_id:uuid}",
            "Delete a conversation and its messages",
            query="delete_conversation",
        ),
        get(
            "/v1/conversations/{conversation_id:uuid}/messages",
            "List the messages of a conversation, oldest first",
            query="list_messages",
            parameters=Paging,
            response=Page[Message],
        ),
        post(
            "/v1/conversations/{conversation_id:uuid}/messages",
            "Add a message, for good",
            query="create_message",
            body=MessageCreate,
            response=Message,
        ),
    ),
)
