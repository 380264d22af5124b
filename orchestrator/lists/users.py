"""The list of users. There are thousands of them at most: a bounded scan serves role and activity."""

from typing import Final
from uuid import UUID

from orchestrator.choices import Role
from orchestrator.listing import Exact, ListDefinition, OneOf, Order, Prefix
from orchestrator.models import User

USERS: Final = ListDefinition(
    model=User,
    orders=(Order("username"), Order("-created_at")),
    filters=(
        Exact("id", UUID, sample=UUID(int=0), api=False),
        Exact("email", sample="ada@example.com", api=False),
        Prefix("username", sample="m", api=False),
        OneOf("role", Role, sample=Role.MODERATOR),
        OneOf("active", bool, sample=False),
    ),
    deferred=("password",),
)
