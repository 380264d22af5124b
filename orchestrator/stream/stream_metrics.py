"""What the stream's process counts; ``/metrics`` shows the sums of all processes."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

CLIENTS: Final = Gauge(
    "kyros_stream_clients",
    "Clients that follow the event stream.",
    registry=None,
    multiprocess_mode="livesum",
)
MESSAGES: Final = Counter(
    "kyros_stream_messages", "Events that were handed to clients, once for each client.", registry=None
)
CUT_OFF: Final = Counter(
    "kyros_stream_cut_off", "Clients that were cut off because they read too slowly.", registry=None
)
LAG: Final = Histogram(
    "kyros_stream_lag_seconds",
    "From the creation of an event until it was handed to the clients.",
    registry=None,
    buckets=(0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0),
)
