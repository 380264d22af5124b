"""The program behind `make run`: `python -m kyros.run`."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured

from kyros.run import LaunchError, output, process_signals


def main() -> int:
    """Run the service until a signal or an error ends it; return the exit status.

    It is 128 plus the signal's number, or 1 for an error; never 0.
    """
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kyros.settings")
    process_signals.raise_on_signal()
    try:
        # Imported after the handlers are set: a signal during this import then ends the program quietly, too.
        from kyros.run.launcher import launch  # noqa: PLC0415

        return launch()
    except process_signals.Terminated as terminated:
        return terminated.status
    except (LaunchError, ImproperlyConfigured) as error:
        output.error(str(error))
        return 1


if __name__ == "__main__":
    sys.exit(main())
