"""Which rows of a list a client may ask for. An index serves each filter (see ``orchestrator.models``)."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import django_filters as filters
from django import forms
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field

from orchestrator.api.error_messages import format_value
from orchestrator.choices import JobStatus, Role
from orchestrator.limits import INT32_LARGEST, INT32_SMALLEST
from orchestrator.models import User
from orchestrator.querysets import JobQuerySet, TaskQuerySet
from orchestrator.splits import Split


def _refusal(value: str, allowed: str) -> ValidationError:
    # As parameters: in the message itself a "%" would mean something.
    return ValidationError(
        "%(value)s cannot be; allowed: %(allowed)s.",
        params={"value": format_value(value), "allowed": allowed},
    )


class InstantField(forms.Field):
    """A moment in ISO 8601; without an offset it is in UTC."""

    widget = forms.DateTimeInput(attrs={"placeholder": "2026-11-23T09:00:00Z"})

    def to_python(self, value: Any) -> datetime | None:
        """Return the moment in UTC, None for nothing."""
        if value in self.empty_values:
            return None
        try:
            moment = datetime.fromisoformat(value.strip())
            return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
        except (ValueError, OverflowError) as error:
            allowed = 'ISO 8601, such as 2026-11-23T09:00:00Z ("+" is written %2B in an address)'
            raise _refusal(value, allowed) from error


class WholeNumberField(forms.Field):
    """A whole number of 32 bits."""

    widget = forms.NumberInput

    def to_python(self, value: Any) -> int | None:
        """Return the number, None for nothing."""
        if value in self.empty_values:
            return None
        if re.fullmatch(r"-?[0-9]{1,10}", value) and INT32_SMALLEST <= int(value) <= INT32_LARGEST:
            return int(value)
        raise _refusal(value, f"a whole number from {INT32_SMALLEST} to {INT32_LARGEST}")


class WordField(forms.ChoiceField):
    """One of several words."""

    def to_python(self, value: Any) -> str | None:
        """Return the word, None for nothing."""
        return super().to_python(value) or None

    def validate(self, value: Any) -> None:
        """Do nothing for one of the words, or nothing.

        Raises:
            ValidationError: for anything else.
        """
        choices: Any = self.choices
        words = [word for word, _ in choices if word]
        if value is not None and value not in words:
            raise _refusal(value, ", ".join(words))


class TruthField(WordField):
    """True or false, in capitals or not."""

    def to_python(self, value: Any) -> str | None:
        """Return the word in lower case, None for nothing."""
        return (super().to_python(value) or "").lower() or None

    def clean(self, value: Any) -> Any:
        """Return the truth value, None for nothing."""
        word = super().clean(value)
        return None if word is None else word == "true"


class InstantFilter(filters.Filter):
    """Rows before or after a moment."""

    field_class = InstantField


@extend_schema_field(OpenApiTypes.INT32)
class WholeNumberFilter(filters.Filter):
    """Rows of a number."""

    field_class = WholeNumberField


class WordFilter(filters.Filter):
    """Rows of one of several words."""

    field_class = WordField


@extend_schema_field(OpenApiTypes.BOOL)
class TruthFilter(filters.Filter):
    """Rows that are, or are not."""

    field_class = TruthField


def _after(field: str) -> InstantFilter:
    return InstantFilter(
        field_name=field,
        lookup_expr="gt",
        label=f"{field.removesuffix('_at').capitalize()} after",
        help_text=f"`{field}` later than this; ISO 8601.",
    )


def _before(field: str) -> InstantFilter:
    return InstantFilter(
        field_name=field,
        lookup_expr="lt",
        label=f"{field.removesuffix('_at').capitalize()} before",
        help_text=f"`{field}` earlier than this; ISO 8601.",
    )


def _word(words: Sequence[str], method: str | None = None) -> WordFilter:
    schema = extend_schema_field({"type": "string", "enum": list(words)})
    return schema(WordFilter(choices=[("", "any"), *((word, word) for word in words)], method=method))


class JobFilters(filters.FilterSet):
    """Filters of the list of jobs."""

    status = _word(JobStatus.values, method="in_status")
    priority = WholeNumberFilter()
    created_after = _after("created_at")
    created_before = _before("created_at")
    started_after = _after("started_at")
    completed_after = _after("completed_at")

    def filter_queryset(self, queryset: JobQuerySet) -> JobQuerySet:
        """Return the jobs that pass the filters."""
        jobs: JobQuerySet = super().filter_queryset(queryset)
        chosen = self.form.cleaned_data
        fixed = ((name, chosen[name]) for name in ("status", "priority"))
        since = ((f"{word}_at", chosen[f"{word}_after"]) for word in ("started", "completed"))
        split = Split(
            fixed=tuple((name, value) for name, value in fixed if value is not None),
            after=chosen["created_after"],
            before=chosen["created_before"],
            since=tuple((column, moment) for column, moment in since if moment),
        )
        across = chosen["priority"] is not None or split.after or split.before
        by_priority = self.data.get("ordering") == "-priority"
        return jobs.split_by(split) if split.since or (by_priority and across) else jobs

    def in_status(self, jobs: JobQuerySet, _: str, status: str) -> JobQuerySet:
        """Return the jobs in one status."""
        # As an equation it would admit the index of claimable jobs. SQLite prefers that one, and sorts all
        # that is pending, if few were when it last took statistics.
        return jobs.filter(status__in=[status])


class EventFilters(filters.FilterSet):
    """Filters of the list of events."""

    type = filters.CharFilter()
    created_after = _after("created_at")
    created_before = _before("created_at")


class TaskFilters(filters.FilterSet):
    """Filters of the list of tasks."""

    title = filters.CharFilter()
    title_prefix = filters.CharFilter(
        method="begin_with", strip=False, help_text="Beginning of the title; case matters."
    )
    created_after = _after("created_at")
    created_before = _before("created_at")

    def begin_with(self, tasks: TaskQuerySet, _: str, prefix: str) -> TaskQuerySet:
        """Return the tasks whose title begins so."""
        if self.data.get("ordering") == "title":
            return tasks.titled_from(prefix)
        return tasks.titled_from_by_age(prefix)


class UserFilters(filters.FilterSet):
    """Filters of the list of users."""

    role = _word(Role.values)
    active = TruthFilter(choices=[("", "any"), ("true", "true"), ("false", "false")], method="active_or_not")

    def active_or_not(self, users: QuerySet[User], _: str, active: bool) -> QuerySet[User]:  # noqa: FBT001
        """Return the users who may sign in, or those who may not."""
        # Django writes active=True as a bare column, which no index of SQLite serves.
        return users.filter(active__in=[active])
