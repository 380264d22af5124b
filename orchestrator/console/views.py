"""The console's own pages: they show what the monitoring tells, beside the buttons that are safe to press."""

from typing import Any, Final

from django import forms
from django.contrib import admin, messages
from django.db import DEFAULT_DB_ALIAS, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from monitoring import findings, registry, report
from monitoring.timeouts import TimeBudget
from orchestrator.api.replay import replay
from orchestrator.cache import audit, client, tags
from orchestrator.cache.commit_hook import invalidate
from orchestrator.cache.interface import CacheUnavailable
from orchestrator.console import dashboard
from orchestrator.console.audit_log import note

#: Cached answers that the page's audit looks at; the command looks at all.
AUDITED: Final = 200


class ClearForm(forms.Form):
    """Which answers shall be cleared from the cache."""

    table = forms.ChoiceField(choices=[(name, name) for name in tags.TABLE_TAGS])


class AcknowledgeForm(forms.Form):
    """A finding that stays as it is, and why."""

    finding = forms.CharField(max_length=200)
    reason = forms.CharField(max_length=1000)


@require_safe
def now(request: HttpRequest) -> HttpResponse:
    """Show what the dashboard shows of jobs and cache, without the page around it."""
    seen = dashboard.dashboard(request.GET.get("range", ""))
    return render(request, "console/now.html", {"dashboard": seen})


@require_safe
def database(request: HttpRequest) -> HttpResponse:
    """Show what the dashboard shows of the database, without the page around it."""
    return render(request, "console/database.html", {"report": report.database_report(plans=False)})


@require_safe
def cache(request: HttpRequest) -> HttpResponse:
    """Show how the cache is."""
    context = {"health": registry.monitored_app().cache(TimeBudget()), "clearable": list(tags.TABLE_TAGS)}
    return _page(request, "Cache", "console/cache.html", context)


@require_POST
def clear_cache(request: HttpRequest) -> HttpResponse:
    """Make every cached answer about one table stale, as a change of all its rows would."""
    form = ClearForm(request.POST)
    if form.is_valid():
        table = form.cleaned_data["table"]
        with transaction.atomic():
            invalidate(DEFAULT_DB_ALIAS, *tags.TABLE_TAGS[table])
            note(request, "Cache", f"Cleared the cached answers about {table}")
        messages.success(request, f"The cached answers about {table} are cleared.")
    else:
        messages.error(
            request, f"There is nothing to clear by this name; allowed: {', '.join(tags.TABLE_TAGS)}."
        )
    return HttpResponseRedirect(reverse("admin:console-cache"))


@require_POST
def audit_cache(request: HttpRequest) -> HttpResponse:
    """Compare some cached answers with the database."""
    try:
        found = audit.audit(audit.cached_keys(client.current(), AUDITED), replay)
    except CacheUnavailable as error:
        messages.warning(request, f"Nothing to compare: {error}.")
    else:
        told = ", ".join(f"{number} {verdict}" for verdict, number in found.verdicts.items())
        note(request, "Cache", f"Audited cached answers: {told}")
        messages.add_message(
            request, messages.ERROR if found.stale else messages.SUCCESS, f"Cached answers compared: {told}."
        )
    return HttpResponseRedirect(reverse("admin:console-cache"))


@require_safe
def tables(request: HttpRequest) -> HttpResponse:
    """Show the tables and their indexes."""
    context = {"report": report.database_report(plans=False)}
    return _page(request, "Tables and indexes", "console/tables.html", context)


@require_safe
def queries(request: HttpRequest) -> HttpResponse:
    """Show how the hot queries are served, and which statements were slow."""
    return _page(request, "Queries", "console/queries.html", {"report": report.database_report()})


@require_http_methods(["GET", "HEAD", "POST"])
def found(request: HttpRequest) -> HttpResponse:
    """Show what is not as it should be; acknowledge a finding, or take that back."""
    if request.method != "POST":
        return _page(request, "Findings", "console/findings.html", {"report": report.database_report()})
    if "forget" in request.POST:
        _forget(request, request.POST["forget"])
    else:
        _acknowledge(request)
    return HttpResponseRedirect(reverse("admin:console-findings"))


def _acknowledge(request: HttpRequest) -> None:
    form = AcknowledgeForm(request.POST)
    if not form.is_valid():
        for name, errors in form.errors.items():
            messages.error(request, f"{name.capitalize()}: {' '.join(map(str, errors))}")
        return
    finding, reason = form.cleaned_data["finding"], form.cleaned_data["reason"]
    with transaction.atomic():
        findings.acknowledge(finding, reason, request.user.get_username())
        note(request, finding, f"Acknowledged: {reason}")
    messages.success(request, f"“{finding}” is acknowledged.")


def _forget(request: HttpRequest, finding: str) -> None:
    with transaction.atomic():
        if findings.unacknowledge(finding):
            note(request, finding, "Acknowledgement taken back")
    messages.success(request, f"“{finding}” counts again.")


def _page(request: HttpRequest, title: str, template: str, context: dict[str, Any]) -> HttpResponse:
    return render(request, template, {**admin.site.each_context(request), "title": title, **context})


#: Address, view and name of each page.
PAGES: Final[tuple[tuple[str, Any, str], ...]] = (
    ("dashboard/now/", now, "console-now"),
    ("dashboard/database/", database, "console-database"),
    ("cache/", cache, "console-cache"),
    ("cache/clear/", clear_cache, "console-cache-clear"),
    ("cache/audit/", audit_cache, "console-cache-audit"),
    ("tables/", tables, "console-tables"),
    ("queries/", queries, "console-queries"),
    ("findings/", found, "console-findings"),
)

#: Name and title of the pages that every page leads to.
MENU: Final = (
    ("index", "Dashboard"),
    ("orchestrator_job_changelist", "Jobs"),
    ("orchestrator_event_changelist", "Events"),
    ("orchestrator_task_changelist", "Tasks"),
    ("orchestrator_user_changelist", "Users"),
    ("console-cache", "Cache"),
    ("console-tables", "Tables"),
    ("console-queries", "Queries"),
    ("console-findings", "Findings"),
)
