"""The Lua scripts that the cache server runs, each as one step; one function a script says what it is given.

A script's file says which keys and arguments it takes, in which order. Only this module repeats that.
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
    """A Lua script. Its file is read when the text is first needed.

    Args:
        name: the file's name in ``lua/``, without its ending.
        remark: a comment that makes it another script than the same file without it.
    """

    name: str
    remark: str = ""

    @cached_property
    def source(self) -> str:
        """Return the text."""
        source = _lua(self.name)
        if _INCLUDE in source:
            source = source.replace(_INCLUDE, _lua("in_flight"))
        return source + (f"-- {self.remark}\n" if self.remark else "")

    @cached_property
    def digest(self) -> str:
        """Return the digest by which a server that has loaded the script knows it."""
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
        """Return the command with the script's text, not packed."""
        return ("EVAL", self.script.source, len(self.keys), *self.keys, *self.arguments)


_CLAIM_FILL: Final = Script("claim_fill")
_FILL: Final = Script("fill")
_BEGIN: Final = Script("begin")
_END: Final = Script("end")
_DRAIN: Final = Script("drain")

#: Stamp, ETag and seal of an entry, as the cache server has them.
Validators = tuple[bytes, bytes, bytes]


def read_script(prefix: str, database: int) -> Script:
    """Return the read script of one installation, which others that share its server do not load for it.

    Args:
        prefix: what the installation's keys begin with.
        database: the number of its database on the server.
    """
    return Script("read", remark=f"{prefix} {database}")


def read(script: Script, specs: Sequence[CacheSpec], *, known: Sequence[Validators]) -> Call:
    """Look up entries.

    Args:
        script: the installation's read script.
        specs: which entries.
        known: for each spec the validators of the entry that the caller has; three empty ones for none.
    """
    names, arguments = [keys.epoch(), keys.lease()], []
    for spec, validators in zip(specs, known, strict=True):
        names.extend(spec.keys)
        arguments += [len(spec.tags), *validators]
    return Call(script, names, arguments)


def claim_fill(spec: CacheSpec, *, caller: str, refill: bool) -> Call:
    """Claim the filling of an entry.

    Args:
        spec: which entry.
        caller: a token that names the caller.
        refill: fill an entry that was filled just now, too.
    """
    names = [keys.epoch(), keys.fill_lock(spec.digest), keys.entry(spec.digest)]
    names += keys.of_tags(spec.tags)
    kept, expiry = _ms(timing.GENERATION_KEPT), _ms(timing.FILL_EXPIRY)
    return Call(_CLAIM_FILL, names, [caller, keys.token(), kept, expiry, int(refill)])


def fill(spec: CacheSpec, *, caller: str, validators: Validators, body: bytes) -> Call:
    """Store an entry.

    Args:
        spec: which entry.
        caller: the token that claimed it.
        validators: the version that was read before the database was asked, the body's ETag, the seal.
        body: what is cached.
    """
    names = [keys.epoch(), keys.fill_lock(spec.digest), keys.entry(spec.digest)]
    names += [keys.generation(tag) for tag in spec.tags]
    return Call(_FILL, names, [caller, *validators, body, spec.key, _jittered(spec.ttl)])


def begin(tags: Iterable[str], *, writer: str) -> Call:
    """Announce a write, before its COMMIT.

    Args:
        tags: what it makes stale.
        writer: a token that names it.
    """
    return Call(_BEGIN, keys.of_tags(tags), [writer, _ms(timing.WRITER_EXPIRY)])


def end(tags: Iterable[str], *, writer: str) -> Call:
    """End a write that was announced: the last one of a tag gives it a new generation."""
    return Call(_END, keys.of_tags(tags), [writer, keys.token(), _ms(timing.GENERATION_KEPT)])


def drain(tags: Iterable[str] = (), *, trust_until: int = 0, void_everything: bool = False) -> Call:
    """Make tags stale, and extend the lease.

    Args:
        tags: those of outbox rows.
        trust_until: until when the cache may be trusted, in milliseconds of the server's clock; 0: as before.
        void_everything: make every entry stale, in place of the tags.
    """
    names = [keys.epoch(), keys.lease(), *([] if void_everything else keys.of_tags(tags))]
    return Call(_DRAIN, names, [keys.token(), _ms(timing.GENERATION_KEPT), trust_until, int(void_everything)])


def _jittered(ttl: int) -> int:
    """Return a time to live in milliseconds, up to a tenth longer or shorter."""
    chance = int.from_bytes(bytes.fromhex(keys.token())[:4]) / 2**32
    return int(ttl * 1000 * (1 - timing.TTL_JITTER + 2 * timing.TTL_JITTER * chance))


def _ms(seconds: float) -> int:
    return int(seconds * 1000)


def _lua(name: str) -> str:
    return (_FOLDER / f"{name}.lua").read_text(encoding="utf-8")


def _packed(*command: Any) -> bytes:
    packed: bytes = hiredis.pack_command(command)
    return packed
