"""The program behind `make run`: `python -m kyros.launch`."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured

from kyros.launch import LaunchError, console, signals


def main() -> int:
    """Run the service until it is told to end; return the exit status.

    It is never 0: a signal ends the service (128 and the signal's number), or it cannot go on (1).
    """
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kyros.settings")
    signals.raise_on_end()
    try:
        # Imported under the handlers: a signal that comes this early ends quietly too.
        from kyros.launch.launcher import launch  # noqa: PLC0415

        return launch()
    except signals.Ended as ended:
        return ended.status
    except (LaunchError, ImproperlyConfigured) as error:
        console.complain(str(error))
        return 1


if __name__ == "__main__":
    sys.exit(main())
