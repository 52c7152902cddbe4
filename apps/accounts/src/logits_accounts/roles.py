"""Roles: what each kind of member may do, as a table."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """A member's role in one organisation."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"


class Permission(StrEnum):
    """What a route may ask for."""

    VIEW = "view"
    MANAGE_ENVIRONMENTS = "manage environments"
    MANAGE_MEMBERS = "manage members"
    MANAGE_OWNERS = "manage owners"


GRANTS: dict[Role, frozenset[Permission]] = {
    Role.OWNER: frozenset(Permission),
    Role.ADMIN: frozenset({Permission.VIEW, Permission.MANAGE_ENVIRONMENTS, Permission.MANAGE_MEMBERS}),
    Role.MEMBER: frozenset({Permission.VIEW}),
}
"""Owners may do everything; admins all but what concerns owners; members look."""


def may(role: Role, permission: Permission) -> bool:
    """Whether a role includes a permission."""
    return permission in GRANTS[role]


def needed_to_assign(old: Role | None, new: Role | None) -> Permission:
    """The permission that changing a member from one role to another takes; None is outside."""
    return Permission.MANAGE_OWNERS if Role.OWNER in (old, new) else Permission.MANAGE_MEMBERS
