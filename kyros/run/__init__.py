"""What `make run` does: everything from a folder and a few settings to a service that answers.

The launcher (`python -m kyros.run`) is a light process without the applications loaded. In this order:

1. `data_dir`: the data folder with its lock, so that one instance only uses it; the secret key.
2. `ports`: the web server's port is free.
3. `embedded_valkey`: the cache server to run, unless one was chosen.
4. `prepare`, a process of its own that a signal may end at any moment: migrations, static files, the
   operator's account, demo data.
5. `supervisor`: the processes of the Procfile, until one ends or a signal comes; then none is left.
6. `banner`: where the service is, as soon as it answers.
"""


class LaunchError(Exception):
    """The service cannot start, or ended by itself; the message is the one line that says why."""
