"""Invalid URLs: unknown parameters and ids lead to one redirect with a message, or to a 404 page."""

import pytest

LISTS = ("job", "event", "task", "user")
INVALID_FILTERS = (
    "name__regex=(a%2B)%2B%24",
    "created_at__year=99999",
    "priority__gt=100000000000000000000",
    "name__contains=%00",
    "password__startswith=a",
    "banana=1",
)
NULL = "cursor=%00"  # PostgreSQL would refuse it
IGNORED = ("p=99999", "o=99999999999999999999", "o=-x.3", NULL, "_popup=1", "_facets=1")
INVALID_IDS = ("x", "%00", "_5F_", "0199aaaa-0000-7000-8000-000000000000")


@pytest.mark.one_engine
@pytest.mark.parametrize("model", LISTS)
def test_an_unknown_filter_redirects_once_with_a_message(console, model):
    url = f"/admin/orchestrator/{model}/"
    for query in INVALID_FILTERS:
        response = console.get(f"{url}?{query}")
        assert (response.status_code, response["Location"]) == (302, url), query
    response = console.get(url)
    assert response.status_code == 200
    for query, message in zip(INVALID_FILTERS, response.context["messages"], strict=True):
        assert str(message).startswith(query.partition("=")[0])
        assert "Showing the whole list." in str(message)


@pytest.mark.parametrize(
    ("model", "query"), [*(("job", query) for query in IGNORED), *((model, NULL) for model in LISTS[1:])]
)
def test_a_meaningless_order_page_or_search_shows_the_list(console, model, query):
    assert console.get(f"/admin/orchestrator/{model}/?{query}").status_code == 200


@pytest.mark.parametrize("value", ["", "x", "password", "%00", "id__exact"])
def test_an_invalid_parameter_of_a_form_redirects_once_with_a_message(admin_console, job, value):
    for view in ("change", "delete"):
        url = f"/admin/orchestrator/job/{job.pk}/{view}/"
        response = admin_console.get(f"{url}?_to_field={value}", follow=True)
        assert response.redirect_chain == [(url, 302)]
        assert [str(message) for message in response.context["messages"]] == [
            "The URL has an invalid parameter."
        ]


@pytest.mark.one_engine
@pytest.mark.parametrize("model", LISTS)
@pytest.mark.parametrize("row_id", INVALID_IDS)
def test_an_unknown_id_redirects_with_a_message(admin_console, model, row_id):
    for view in ("change", "history", "delete"):
        if (model, view) == ("event", "delete"):
            continue
        response = admin_console.get(f"/admin/orchestrator/{model}/{row_id}/{view}/")
        assert (response.status_code, response["Location"]) == (302, "/admin/"), view


@pytest.mark.one_engine
@pytest.mark.parametrize(
    "url",
    [
        *(f"r/{content_type}/{row}/" for content_type in (1, 2, 3, 4, 99, "x") for row in ("x", "1", "%00")),
        "r/1/0199aaaa-0000-7000-8000-000000000000/",
        "orchestrator/job/bulk/0/",
        "orchestrator/job/bulk/9223372036854775808/",
        "orchestrator/user/x/password/",
        "nothing-here/",
    ],
)
def test_a_page_that_does_not_exist_is_404(admin_console, url):
    assert admin_console.get(f"/admin/{url}").status_code == 404
