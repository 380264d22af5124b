"""The console's own pages: the monitoring's reports, with safe actions beside them."""

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
from orchestrator.console.archive_page import archive_page, start_archive
from orchestrator.console.audit_log import log_action
from orchestrator.console.workload import work_report

#: Cached responses that the page's audit compares at most; the command can compare all.
MAX_AUDITED: Final = 200
#: Workers on their page: the silent ones first, then those that work.
MAX_WORKERS_SHOWN: Final = 100


class AcknowledgeForm(forms.Form):
    """A finding to acknowledge, and the reason."""

    finding = forms.CharField(max_length=200)
    reason = forms.CharField(max_length=1000)


@require_safe
def now(request: HttpRequest) -> HttpResponse:
    """Show the dashboard's part about jobs and the cache, without the page around it."""
    current = dashboard.dashboard(request.GET.get("range", ""))
    return render(request, "console/now.html", {"dashboard": current})


@require_safe
def database(request: HttpRequest) -> HttpResponse:
    """Show the dashboard's part about the database, without the page around it."""
    return render(request, "console/database.html", {"report": report.database_report(plans=False)})


@require_safe
def queues(request: HttpRequest) -> HttpResponse:
    """Show how many jobs wait in each queue, and how fast they are done."""
    return _page(request, "Queues", "console/queues.html", {"report": work_report()})


@require_safe
def workers(request: HttpRequest) -> HttpResponse:
    """Show what each worker does."""
    report = work_report()
    shown = report.workers.workers[:MAX_WORKERS_SHOWN]
    return _page(request, "Workers", "console/workers.html", {"report": report, "workers": shown})


@require_safe
def cache(request: HttpRequest) -> HttpResponse:
    """Show the cache's health."""
    context = {"health": registry.monitored_app().cache(TimeBudget()), "clearable": list(tags.TABLE_TAGS)}
    return _page(request, "Cache", "console/cache.html", context)


@require_POST
def clear_cache(request: HttpRequest) -> HttpResponse:
    """Invalidate every cached response about a table, as a change of all its rows would."""
    table = request.POST.get("table", "")
    if table in tags.TABLE_TAGS:
        with transaction.atomic():
            invalidate(DEFAULT_DB_ALIAS, *tags.TABLE_TAGS[table])
            log_action(request, "Cache", f"Cleared the cached responses about {table}")
        messages.success(request, f"Cleared the cached responses about {table}.")
    else:
        messages.error(request, f"Nothing was cleared: unknown table. Allowed: {', '.join(tags.TABLE_TAGS)}.")
    return HttpResponseRedirect(reverse("admin:console-cache"))


@require_POST
def audit_cache(request: HttpRequest) -> HttpResponse:
    """Compare some cached responses with the database."""
    try:
        result = audit.audit(audit.cached_keys(client.current(), MAX_AUDITED), replay)
    except CacheUnavailable as error:
        messages.warning(request, f"Nothing was compared: {error}.")
    else:
        summary = ", ".join(f"{number} {verdict}" for verdict, number in result.verdicts.items())
        log_action(request, "Cache", f"Compared cached responses: {summary}")
        level = messages.ERROR if result.stale else messages.SUCCESS
        messages.add_message(request, level, f"Compared cached responses: {summary}.")
    return HttpResponseRedirect(reverse("admin:console-cache"))


@require_safe
def tables(request: HttpRequest) -> HttpResponse:
    """Show sizes and usage of the tables and their indexes."""
    context = {"report": report.database_report(plans=False)}
    return _page(request, "Tables and indexes", "console/tables.html", context)


@require_safe
def queries(request: HttpRequest) -> HttpResponse:
    """Show the plans of the hot queries, and the slowest statements."""
    return _page(request, "Queries", "console/queries.html", {"report": report.database_report()})


@require_http_methods(["GET", "HEAD", "POST"])
def findings_page(request: HttpRequest) -> HttpResponse:
    """Show the findings; acknowledge or unacknowledge one."""
    if request.method != "POST":
        return _page(request, "Findings", "console/findings.html", {"report": report.database_report()})
    if "unacknowledge" in request.POST:
        _unacknowledge(request, request.POST["unacknowledge"])
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
        log_action(request, finding, f"Acknowledged: {reason}")
    messages.success(request, f"Acknowledged {finding}.")


def _unacknowledge(request: HttpRequest, finding: str) -> None:
    with transaction.atomic():
        if findings.unacknowledge(finding):
            log_action(request, finding, "Unacknowledged")
    messages.success(request, f"Unacknowledged {finding}.")


def _page(request: HttpRequest, title: str, template: str, context: dict[str, Any]) -> HttpResponse:
    return render(request, template, {**admin.site.each_context(request), "title": title, **context})


#: Route, view and name of each page.
PAGES: Final[tuple[tuple[str, Any, str], ...]] = (
    ("dashboard/now/", now, "console-now"),
    ("dashboard/database/", database, "console-database"),
    ("queues/", queues, "console-queues"),
    ("workers/", workers, "console-workers"),
    ("cache/", cache, "console-cache"),
    ("cache/clear/", clear_cache, "console-cache-clear"),
    ("cache/audit/", audit_cache, "console-cache-audit"),
    ("tables/", tables, "console-tables"),
    ("queries/", queries, "console-queries"),
    ("findings/", findings_page, "console-findings"),
    ("archive/", archive_page, "console-archive"),
    ("archive/start/", start_archive, "console-archive-start"),
)

#: The menu: name and title of each page.
MENU: Final = (
    ("index", "Dashboard"),
    ("orchestrator_job_changelist", "Jobs"),
    ("console-queues", "Queues"),
    ("console-workers", "Workers"),
    ("orchestrator_event_changelist", "Events"),
    ("orchestrator_task_changelist", "Tasks"),
    ("orchestrator_user_changelist", "Users"),
    ("console-cache", "Cache"),
    ("console-tables", "Tables"),
    ("console-queries", "Queries"),
    ("console-findings", "Findings"),
    ("console-archive", "Archive"),
)
