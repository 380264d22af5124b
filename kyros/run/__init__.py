"""The launcher behind `make run`: starts the whole service from an empty folder and a few settings.

The launcher (`python -m kyros.run`) is a small process that does not load the Django apps. Its steps:

1. `data_dir`: create and lock the data folder, so that only one instance uses it; create the secret key.
2. `ports`: check that the web server's port is free.
3. `embedded_valkey`: configure a cache server, unless the settings name one.
4. `prepare`, in a separate process that can be killed at any time: run migrations, collect static files,
   create the operator's account and demo data.
5. `supervisor`: run the processes of the Procfile until one ends or a signal arrives; then end all of them.
6. `banner`: print the URL and the login as soon as the service is ready.
"""


class LaunchError(Exception):
    """The service cannot start, or it ended by itself; the message is one line that says why."""
