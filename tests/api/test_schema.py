"""The OpenAPI schema: complete, without a warning, and kept by every answer to whatever is sent."""

from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from http import HTTPStatus
from io import StringIO

import pytest
import schemathesis
from django.core.management import call_command
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from orchestrator.auth.tokens import issue_tokens
from orchestrator.models import Event, Job, Task, User
from tests.users import make_user

#: A schema cannot say that a cursor is ours, a title not blank, or a password not common; and the requests
#: below carry credentials and ids that its generator did not choose.
UNDECIDABLE = [positive_data_acceptance, negative_data_rejection]
CREDENTIALS = {"Authorization", "sessionid"}
ROWS = {"jobs": Job, "events": Event, "tasks": Task, "users": User}

OTHER = "other"


@cache
def operations():
    """Return the operations by the kind of row that their URL is about."""
    described = schemathesis.openapi.from_dict(SchemaGenerator().get_schema(request=None, public=True))
    described.app = get_wsgi_application()
    found = defaultdict(list)
    for each in described.get_all_operations():
        kind = [*each.ok().path.split("/"), "", ""][3]
        found[kind if kind in ROWS else OTHER].append(each.ok())
    return found


@pytest.mark.engine_neutral
def test_the_schema_is_generated_without_a_warning():
    call_command("spectacular", "--validate", "--fail-on-warn", stdout=StringIO())


@pytest.mark.engine_neutral
@pytest.mark.parametrize("version", ["1", "%00", "%0A", "%7F", "%E2%80%A8"])
def test_a_version_in_the_query_is_ignored(client, version):
    answer, plain = client.get(f"/api/v1/schema/?version={version}"), client.get("/api/v1/schema/")
    assert answer.status_code == HTTPStatus.OK
    assert answer["Content-Disposition"] == plain["Content-Disposition"]
    assert answer.content == plain.content


@pytest.fixture
def one_connection(db) -> Iterator[None]:
    """As in Django's own test client: a request does not close the connection of the test."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


def existing_row(path):
    """Return the id of a new row of the kind that the address is about."""
    model = ROWS[path.split("/")[3]]
    return (make_user(f"user{User.objects.count()}") if model is User else model.objects.create()).pk


def takes_something(operation):
    """Tell whether requests of an operation can differ in more than their credentials."""
    return bool(operation.body) or bool({each.name for each in operation.iter_parameters()} - CREDENTIALS)


# One engine is enough: `test_json_rows` and `test_bad_input` test on both what is stored and returned.
@pytest.mark.postgres
@pytest.mark.parametrize("kind", [*ROWS, OTHER])
@pytest.mark.slow
def test_responses_to_valid_requests_match_the_schema(one_connection, admin_user, kind):
    for operation in operations()[kind]:
        with transaction.atomic():
            send_some(operation, GenerationMode.POSITIVE, admin_user)
            transaction.set_rollback(True)


# What is wrong is refused before a database is asked; what gets further, test_bad_input sends to both.
@pytest.mark.sqlite
@pytest.mark.parametrize("kind", [*ROWS, OTHER])
@pytest.mark.slow
def test_responses_to_invalid_requests_match_the_schema(one_connection, admin_user, kind):
    for operation in operations()[kind]:
        with transaction.atomic():
            send_some(operation, GenerationMode.NEGATIVE, admin_user)
            transaction.set_rollback(True)


def send_some(operation, mode, admin_user):
    """Send random requests, right or wrong, most of them to rows that exist."""
    credentials = {"Authorization": f"Bearer {issue_tokens(admin_user)['access_token']}"}

    @settings(
        max_examples=5 if takes_something(operation) else 1,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def send(case):
        if case.path_parameters and case.path_parameters.get("id", "a") < "b":
            case.path_parameters["id"] = str(existing_row(case.path))
        case.call_and_validate(headers=credentials, excluded_checks=UNDECIDABLE)

    send()
