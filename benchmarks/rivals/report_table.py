"""Creates the table of the alternative for writes: `python -m benchmarks.rivals.report_table`."""

import django

django.setup()

from django.db import connection  # noqa: E402

from benchmarks.rivals.models import ReportJob  # noqa: E402


def main() -> None:
    """Create the table with its indexes, and copy the service's jobs into it."""
    columns = ", ".join(str(field.column) for field in ReportJob._meta.concrete_fields)
    with connection.schema_editor() as editor:
        editor.create_model(ReportJob)
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO report_jobs ({columns}) SELECT {columns} FROM jobs")  # noqa: S608 - our own names


if __name__ == "__main__":
    main()
