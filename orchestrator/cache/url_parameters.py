"""Validates the query string of the cache server's URL. The settings use it, so it reads none of them."""

from redis import ConnectionPool, RedisError


def validate(url: str) -> None:
    """Make a connection object for `url`, without connecting.

    Args:
        url: begins with redis://, rediss:// or unix://.

    Raises:
        ValueError: the library does not know a parameter, or refuses its value.
    """
    try:
        ConnectionPool.from_url(url).make_connection()
    except (TypeError, AttributeError, RedisError) as error:
        raise ValueError("a parameter of the query string is invalid") from error
