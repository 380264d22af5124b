"""The web server: `python -m kyros.web_server`. granian speaks HTTP, this package runs the WSGI application.

1. `worker_pool`: starts the worker processes, and replaces each that ends.
2. `worker`: one process; granian accepts its connections and calls the request handler on a few threads.
3. `request_handler`: runs the application for a request.
4. `request_body`: reads a body before the application runs, without a thread, within `REQUEST_BODY_TIMEOUT`.
5. `wsgi_environ`: makes the WSGI environment.

granian's own WSGI interface is not used: there the application reads the body, so a client that sends none
holds a thread for as long as it likes.
"""
