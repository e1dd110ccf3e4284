"""An example of every request body, for the tests that go through the whole table."""

from collections.abc import Mapping
from typing import Any

from app import models
from tests.fixtures import PASSWORD

BODIES: Mapping[type[models.Request], Mapping[str, Any]] = {
    models.SignUp: {
        "email": "newcomer@example.com",
        "password": PASSWORD,
        "full_name": "New Comer",
        "family_name": "The Comers",
        "time_zone": "Europe/Vienna",
    },
    models.SignIn: {"email": "person@example.com", "password": PASSWORD},
    models.Refresh: {"refresh_token": "a token"},
    models.PasswordChange: {"old_password": PASSWORD, "new_password": "staple " + PASSWORD},
    models.MePatch: {"full_name": "Ann Other", "time_zone": "Asia/Tokyo", "is_notified": False},
    models.FamilyNew: {"name": "The cabin", "time_zone": "Europe/Oslo"},
    models.FamilyPatch: {"name": "The house", "time_zone": "Europe/Rome"},
    models.MemberPatch: {"role": "owner", "display_name": "Mum"},
    models.TaskNew: {
        "title": "Water the plants",
        "description": "Not the cactus",
        "due_on": "2030-02-28",
        "visibility": "family",
        "is_completed": True,
    },
    models.TaskPatch: {
        "title": "Feed the cat",
        "description": "Half a tin",
        "due_on": "2031-03-31",
        "visibility": "family",
        "is_completed": True,
    },
    models.ConversationNew: {"title": "Dinner"},
    models.ConversationPatch: {"title": "Supper"},
    models.Batch: {
        "operations": [
            {"method": "POST", "path": "/v1/tasks", "body": {"title": "Buy flour"}},
            {"method": "GET", "path": "/v1/tasks?limit=5"},
        ]
    },
    models.MessageNew: {"role": "user", "content": "What is for dinner?"},
}
