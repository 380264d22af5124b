"""The event stream's process with a limit of two clients: `python -m tests.stream.for_two_clients`."""

import os

import django

from kyros.stream_server.__main__ import main

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kyros.settings")
    django.setup()
    from kyros.stream_server import stream_application

    stream_application.MAX_CLIENTS = 2
    os._exit(main())
