"""Django's schema editor for SQLite, which forgets a table's triggers when it makes the table anew."""

from typing import Any

from django.db import models
from django.db.backends.sqlite3 import schema

_TRIGGERS_OF = "SELECT sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = %s ORDER BY name"


class DatabaseSchemaEditor(schema.DatabaseSchemaEditor):
    """A schema editor after whose every change the tables still have their triggers."""

    def _remake_table(self, model: type[models.Model], *args: Any, **kwargs: Any) -> None:
        """Make a table anew, with the triggers it had: most changes of a column come to this."""
        table = model._meta.db_table
        with self.connection.cursor() as cursor:
            cursor.execute(_TRIGGERS_OF, [table])
            triggers = [sql for (sql,) in cursor.fetchall()]
        super()._remake_table(model, *args, **kwargs)  # type: ignore[misc]
        for sql in triggers:
            self.execute(sql, params=None)
