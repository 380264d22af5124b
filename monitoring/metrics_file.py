"""The files in which processes publish their metrics, written so that a full disk does no harm.

``prometheus_client`` maps its files into memory. When the disk is full, the system ends a process that
touches a mapped page for which there is no space. This file is written with ordinary system calls, which fail
with an error instead. The process keeps the values in memory, and writes all of them once there is space.
"""

import logging
import os
import struct
from typing import Final

from prometheus_client.mmap_dict import MmapedDict

logger = logging.getLogger(__name__)

# The format is the library's, whose collector reads the files: the number of bytes used, then for each value
# the length of its key, the key padded to eight bytes, the value, and a timestamp.
_HEADER: Final = struct.Struct("i4x")
_LENGTH: Final = struct.Struct("i")
_VALUE: Final = struct.Struct("dd")


class MetricsFile:
    """A dictionary of numbers with a copy in a file; it takes the place of the library's ``MmapedDict``.

    Args:
        path: the file. If another process with the same id has left it, its values are taken over.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._file: int | None = None
        self._positions: dict[str, int] = {}
        self._data = bytearray(_HEADER.pack(_HEADER.size))
        self._complete = False
        """Whether the file has all values."""
        for key, value, timestamp in _values_in(path):
            _VALUE.pack_into(self._data, self._position(key), value, timestamp)

    def read_value(self, key: str) -> tuple[float, float]:
        """Return a value, which is 0 at first, and its timestamp."""
        value: tuple[float, float] = _VALUE.unpack_from(self._data, self._position(key))
        return value

    def write_value(self, key: str, value: float, timestamp: float) -> None:
        """Set a value and its timestamp."""
        position = self._position(key)
        _VALUE.pack_into(self._data, position, value, timestamp)
        try:
            if self._complete and self._file is not None:
                self._write(self._file, position, position + _VALUE.size)
            else:
                self._write_all()
        except OSError as error:
            if self._complete:
                logger.warning("Metrics are not up to date: %s", error)
            self._complete = False

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _position(self, key: str) -> int:
        """Return where the value of a key is; append it if there is none."""
        if key not in self._positions:
            encoded = key.encode()
            padding = b" " * (8 - (len(encoded) + _LENGTH.size) % 8)
            self._data += _LENGTH.pack(len(encoded)) + encoded + padding + _VALUE.pack(0, 0)
            _HEADER.pack_into(self._data, 0, len(self._data))
            self._positions[key] = len(self._data) - _VALUE.size
            self._complete = False
        return self._positions[key]

    def _write_all(self) -> None:
        """Write everything, the header last: until then readers see the values that they saw before."""
        if self._file is None:
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._write(self._file, _HEADER.size, len(self._data))
        self._write(self._file, 0, _HEADER.size)
        self._complete = True

    def _write(self, file: int, start: int, end: int) -> None:
        if os.pwrite(file, self._data[start:end], start) < end - start:
            raise OSError("no space left for metrics")


def _values_in(path: str) -> list[tuple[str, float, float]]:
    try:
        found = MmapedDict.read_all_values_from_file(path)  # type: ignore[no-untyped-call]
        return [(key, value, timestamp) for key, value, timestamp, _ in found]
    except (OSError, struct.error, RuntimeError):
        return []  # no file, or one that was never completed
