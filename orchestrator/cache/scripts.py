"""The Lua scripts of the cache server, and one function for each that builds its call.

Each script runs atomically. Its file documents its keys and arguments; only this module builds them.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, NamedTuple

import hiredis

from orchestrator.cache import keys, timing
from orchestrator.cache.spec import CacheSpec

_FOLDER: Final = Path(__file__).parent / "lua"
_INCLUDE: Final = "-- include in_flight\n"


@dataclass(frozen=True, eq=False)
class Script:
    """A Lua script. Its file is read when the source is first needed.

    Args:
        name: the name of the file in ``lua/``, without its extension.
        comment: appended to the source, so that the script's digest depends on it.
    """

    name: str
    comment: str = ""

    @cached_property
    def source(self) -> str:
        """Return the source."""
        source = _lua(self.name)
        if _INCLUDE in source:
            source = source.replace(_INCLUDE, _lua("in_flight"))
        return source + (f"-- {self.comment}\n" if self.comment else "")

    @cached_property
    def digest(self) -> str:
        """Return the SHA-1 digest of the source, for ``EVALSHA``."""
        return hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest()


class Call(NamedTuple):
    """A script with its keys and arguments: strings, bytes or numbers."""

    script: Script
    keys: Sequence[str]
    arguments: Sequence[Any]

    def by_digest(self) -> bytes:
        """Return the packed command for a server that has loaded the script."""
        return _packed("EVALSHA", self.script.digest, len(self.keys), *self.keys, *self.arguments)

    def with_source(self) -> bytes:
        """Return the packed command for a server that may not have loaded the script."""
        return _packed(*self.parts)

    @property
    def parts(self) -> tuple[Any, ...]:
        """Return the command with the script's source, not packed."""
        return ("EVAL", self.script.source, len(self.keys), *self.keys, *self.arguments)


class EntryHeader(NamedTuple):
    """The fields of an entry that prove it: all but its body."""

    version: bytes
    etag: bytes
    signature: bytes


_CLAIM_FILL: Final = Script("claim_fill")
_FILL: Final = Script("fill")
_BEGIN: Final = Script("begin")
_END: Final = Script("end")
_WRITERS: Final = Script("writers")
_INVALIDATE: Final = Script("invalidate")
_REPLACE_EPOCH: Final = Script("replace_epoch")


def read_script(prefix: str, database: int) -> Script:
    """Return the read script of one installation.

    It differs between installations that share a server, so that none loads it for another.

    Args:
        prefix: the prefix of the installation's keys.
        database: the number of its database on the server.
    """
    return Script("read", comment=f"{prefix} {database}")


def read(script: Script, specs: Sequence[CacheSpec], *, known: Sequence[EntryHeader]) -> Call:
    """Look up entries.

    Args:
        script: the installation's read script.
        specs: the specs to look up.
        known: for each spec the header of the entry that the caller has, with empty fields for none.
    """
    names, arguments = [keys.epoch()], []
    for spec, header in zip(specs, known, strict=True):
        names.extend(spec.keys)
        arguments += [len(spec.tags), *header]
    return Call(script, names, arguments)


def claim_fill(spec: CacheSpec, *, caller: str, refill: bool) -> Call:
    """Claim the building of an entry.

    Args:
        spec: the entry's spec.
        caller: a token that names the caller.
        refill: claim it even if the entry is current.
    """
    names = [keys.epoch(), keys.fill_lock(spec.digest), keys.entry(spec.digest)]
    names += keys.tag_keys(spec.tags)
    kept, expiry = _ms(timing.GENERATION_KEPT), _ms(timing.FILL_EXPIRY)
    return Call(_CLAIM_FILL, names, [caller, keys.token(), kept, expiry, int(refill)])


def fill(spec: CacheSpec, *, caller: str, header: EntryHeader, body: bytes) -> Call:
    """Store an entry.

    Args:
        spec: the entry's spec.
        caller: the token of the caller that has the claim.
        header: with the version that the claim returned, before the database was queried.
        body: the entry's body.
    """
    names = [keys.epoch(), keys.fill_lock(spec.digest), keys.entry(spec.digest)]
    names += [keys.generation(tag) for tag in spec.tags]
    return Call(_FILL, names, [caller, *header, body, spec.key, _jittered(spec.ttl)])


def begin(tags: Iterable[str], *, writer: str) -> Call:
    """Announce a write, before its COMMIT.

    Args:
        tags: the tags that it invalidates.
        writer: names the write and its transaction.
    """
    return Call(_BEGIN, keys.tag_keys(tags), [writer])


def end(tags: Iterable[str], *, writers: Iterable[str | bytes]) -> Call:
    """End writes that were announced by ``begin``.

    Args:
        tags: tags that they invalidate.
        writers: the writers' names.
    """
    return Call(_END, keys.tag_keys(tags), [keys.token(), _ms(timing.GENERATION_KEPT), *writers])


def writers(tags: Iterable[str]) -> Call:
    """List the writers in flight that have not ended for ``WRITER_SUSPECTED_AFTER`` seconds.

    Args:
        tags: tags that they invalidate.
    """
    return Call(_WRITERS, keys.tag_keys(tags), [timing.WRITER_SUSPECTED_AFTER])


def invalidate(tags: Iterable[str]) -> Call:
    """Invalidate the tags of outbox rows."""
    return Call(_INVALIDATE, keys.tag_keys(tags), [keys.token(), _ms(timing.GENERATION_KEPT)])


def replace_epoch(in_doubt: bytes = b"") -> Call:
    """Void every entry by another epoch.

    Args:
        in_doubt: the epoch to replace, which is in doubt; empty for any that is not.
    """
    return Call(_REPLACE_EPOCH, [keys.epoch()], [in_doubt, keys.token(), _ms(timing.EPOCH_KEPT)])


def _jittered(ttl: int) -> int:
    """Return a time to live in milliseconds, longer or shorter by up to ``TTL_JITTER``."""
    chance = int.from_bytes(bytes.fromhex(keys.token())[:4]) / 2**32
    return int(ttl * 1000 * (1 - timing.TTL_JITTER + 2 * timing.TTL_JITTER * chance))


def _ms(seconds: float) -> int:
    return int(seconds * 1000)


def _lua(name: str) -> str:
    return (_FOLDER / f"{name}.lua").read_text(encoding="utf-8")


def _packed(*command: Any) -> bytes:
    packed: bytes = hiredis.pack_command(command)
    return packed
