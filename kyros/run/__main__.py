"""The program behind `make run`: `python -m kyros.run`."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured

from kyros.run import LaunchError, output, process_signals


def main() -> int:
    """Run the service until it is told to end; return the exit status.

    It is never 0: a signal ends the service (128 and the signal's number), or it cannot go on (1).
    """
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kyros.settings")
    process_signals.raise_on_signal()
    try:
        # Imported under the handlers: a signal that comes this early ends quietly too.
        from kyros.run.launcher import launch  # noqa: PLC0415

        return launch()
    except process_signals.Terminated as ended:
        return ended.status
    except (LaunchError, ImproperlyConfigured) as error:
        output.error(str(error))
        return 1


if __name__ == "__main__":
    sys.exit(main())
