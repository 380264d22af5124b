"""The console's page about the archive: its files, a dry run, and the start of a run in the worker."""

from typing import Final

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from monitoring import task_runs
from orchestrator import archive
from orchestrator.console.audit_log import log_action
from orchestrator.exceptions import ArchiveError

#: Files on the page: the newest.
MAX_FILES_SHOWN: Final = 100
#: The dry run counts no further.
MAX_ROWS_COUNTED: Final = 100_000

COMMAND: Final = "python manage.py archive"

#: The task whose runs show that a worker is up, because the worker runs it more often than cron can.
_FREQUENT_TASK: Final = "requeue_expired"
#: A task that no worker has begun by then is dropped.
_EXPIRES_SECONDS: Final = 60


@require_safe
def archive_page(request: HttpRequest) -> HttpResponse:
    """Show the files of the archive and, with ``?dry_run=1``, which rows a run would archive."""
    dry_run = "dry_run" in request.GET
    due = [archive.due(table, archive.cutoff(table), MAX_ROWS_COUNTED) for table in archive.TABLES if dry_run]
    context = {
        "title": "Archive",
        "folder": settings.ARCHIVE_DIR,
        "totals": archive.totals(),
        "files": archive.newest_files(MAX_FILES_SHOWN),
        "due": due,
        "max_rows": MAX_ROWS_COUNTED,
        "may_start": request.user.is_superuser,
    }
    return render(request, "console/archive.html", {**admin.site.each_context(request), **context})


@require_POST
def start_archive(request: HttpRequest) -> HttpResponse:
    """Let the background worker archive what is due. Only admins may."""
    if not request.user.is_superuser:
        raise PermissionDenied
    try:
        _start_in_worker()
    except ArchiveError as error:
        messages.warning(request, f"{error} Run `{COMMAND}` instead.")
    else:
        log_action(request, "Archive", "Started a run")
        messages.success(request, "The background worker archives what is due. Reload to see its files.")
    return HttpResponseRedirect(reverse("admin:console-archive"))


def _start_in_worker() -> None:
    """Send the task to the worker. Twice does no harm: the second run finds the lease of the first."""
    # Imported here: web workers need it for nothing else.
    from celery import Celery  # noqa: PLC0415
    from kombu.exceptions import OperationalError  # noqa: PLC0415

    if not task_runs.is_active(_FREQUENT_TASK):
        raise ArchiveError("No background worker is up.")
    app = Celery("kyros", set_as_current=False)
    app.config_from_object("django.conf:settings", namespace="CELERY")
    try:
        app.send_task("orchestrator.tasks.archive", expires=_EXPIRES_SECONDS, retry=False)
    except OperationalError as error:
        raise ArchiveError("The background worker cannot be reached.") from error
