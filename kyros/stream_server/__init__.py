"""The process of the event stream: `python -m kyros.stream_server`. `orchestrator.stream` reads the events.

1. `__main__`: starts the process; granian speaks HTTP.
2. `stream_application`: lets Django decide about each request, and sends accepted clients the events.
"""
