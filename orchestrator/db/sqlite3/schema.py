"""Django's schema editor for SQLite, with a fix: it keeps the triggers of a table that it rebuilds."""

from typing import Any

from django.db import models
from django.db.backends.sqlite3 import schema

_TRIGGERS = "SELECT sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = %s ORDER BY name"


class DatabaseSchemaEditor(schema.DatabaseSchemaEditor):
    """A schema editor that restores the triggers of a table that it rebuilds."""

    def _remake_table(self, model: type[models.Model], *args: Any, **kwargs: Any) -> None:
        """Rebuild a table with its triggers. Most changes of a column do this."""
        table = model._meta.db_table
        with self.connection.cursor() as cursor:
            cursor.execute(_TRIGGERS, [table])
            triggers = [sql for (sql,) in cursor.fetchall()]
        super()._remake_table(model, *args, **kwargs)  # type: ignore[misc]
        for sql in triggers:
            self.execute(sql, params=None)
