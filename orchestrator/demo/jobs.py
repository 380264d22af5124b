"""Jobs and their histories."""

from bisect import bisect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from random import Random
from string import Formatter
from typing import Final, NamedTuple

from orchestrator.choices import JobStatus
from orchestrator.demo.job_kinds import BACKGROUND, KINDS, RAISED, URGENT, USUAL, Kind
from orchestrator.demo.job_lifecycles import Gap, JobLifecycle, JobLifecycles
from orchestrator.demo.row_values import (
    HOUR,
    MINUTE,
    SECOND,
    Row,
    format_timestamp,
    hyphenated,
    id_tails,
    json_text,
    log_normal,
    new_id,
    stream,
)
from orchestrator.demo.timeline import SPAN, Timeline, in_outage
from orchestrator.demo.vocabulary import QUEUES, SUBJECTS, WORKERS
from orchestrator.limits import MAX_PROGRESS

JOB_COLUMNS: Final = (
    "id",
    "name",
    "description",
    "status",
    "priority",
    "queue",
    "metadata",
    "result",
    "progress",
    "created_at",
    "updated_at",
    "available_at",
    "started_at",
    "completed_at",
    "attempts",
    "max_attempts",
    "worker",
    "lease_token",
    "lease_expires_at",
)
EVENT_COLUMNS: Final = ("id", "type", "payload", "created_at", "job_id")

# Waits by urgency: a queue that keeps up, with its background work done at leisure.
_WAITS: Final = ((URGENT, 1.5 * SECOND), (RAISED, 5 * SECOND), (USUAL, 20 * SECOND), (BACKGROUND, 6 * MINUTE))
_LEASE: Final = 75 * SECOND  # until somebody notices that a worker is gone
_THOUGHT: Final = 12 * MINUTE  # until a person decides
_FACTORS: Final = log_normal(spread=0.8, size=8192)
# How likely the newest job is to be waiting or running; the older, the less.
_OPEN_CHANCE: Final = 0.7
# What is left of the leases of jobs that run now; they are the longest there are.
_LEASE_LEFT: Final = (20 * MINUTE, 60 * MINUTE)
# The share of an outage's jobs that would have had the luckier end anyway.
_OUTAGE_LUCK: Final = 0.8
_NUMBER_EVERY: Final = 4 * MINUTE
_BATCH_CHANCE: Final = 0.012
_BATCH_SIZES: Final = (3, 30)
# Workers report the progress of jobs that usually take so long.
_REPORTED_FROM: Final = MINUTE / SECOND


@dataclass(frozen=True, slots=True)
class Template:
    """What jobs of one kind and about one subject have in common."""

    name: tuple[str, str | None]
    description: str
    queue: str
    metadata: str
    reports_progress: bool
    priorities: tuple[int, ...]
    gaps: tuple[float, ...]
    workers: tuple[str, ...]
    max_attempts: int
    stories: JobLifecycles
    odds: list[float]


class Draw(NamedTuple):
    """What was decided of one job before its rows are made."""

    age: int
    template: Template
    story: JobLifecycle


class Lives:
    """The jobs of a plan, and the events of their histories."""

    def __init__(self, names: tuple[object, ...], total: int, until: int) -> None:
        """Take the measures of the whole, so that any part of it can be made.

        Args:
            names: what the random numbers belong to.
            total: how many jobs there are.
            until: the instant that everything happened before, in microseconds.
        """
        self._names = (*names, "jobs", total)
        self._timeline = Timeline(stream(*names, "timeline"))
        self._total = total
        self._until = until
        # Few jobs wait or run, however many there were. Nearly all of the newest do, of older ones fewer.
        running, waiting = min(0.02 * total, 0.6 * total**0.4), min(0.03 * total, 0.8 * total**0.5)
        self._open_span = 2 * (running + waiting) / _OPEN_CHANCE
        self._running_share = running / (running + waiting) if total else 0.0

    def events(self, first: int, last: int) -> int:
        """Return how many events the jobs numbered ``first`` to ``last`` (exclusive) have."""
        return sum(len(draw.story.steps) for draw in self._draws(first, last))

    def rows(self, first: int, last: int) -> tuple[list[Row], list[Row]]:
        """Return the rows of the jobs numbered ``first`` to ``last`` (exclusive), and of their events."""
        draws = list(self._draws(first, last))
        random = stream(*self._names, "rows", first)
        steps = sum(len(draw.story.steps) for draw in draws)
        tails = iter(id_tails(random, steps + len(draws)))
        factors = iter(random.choices(_FACTORS, k=steps))
        jobs: list[Row] = []
        events: list[Row] = []
        for draw in draws:
            moments = [(instant, format_timestamp(instant)) for instant in self._instants(draw, factors)]
            job_id = new_id(moments[0][0], next(tails))
            events += _history(draw.story, job_id, moments, tails, random)
            jobs.append(self._job(draw, job_id, [text for _, text in moments], random))
        return jobs, events

    def _draws(self, first: int, last: int) -> Iterator[Draw]:
        random = stream(*self._names, "draws", first)
        ages = self._timeline.ages(random, first, last, self._total)
        for number, (age, template) in enumerate(
            zip(ages, _templates(random, last - first), strict=True), first
        ):
            yield Draw(age, template, self._story(random, age, template, self._total - number))

    def _story(self, random: Random, age: int, template: Template, rank: int) -> JobLifecycle:
        """Return the story of a job that is the ``rank``-th newest."""
        luck, stories = random.random(), template.stories
        wait, run = template.gaps[Gap.WAIT], template.gaps[Gap.RUN]
        if age < wait + run:
            return _picked(stories.running if age > wait else stories.waiting, luck)
        if rank < self._open_span and random.random() < _OPEN_CHANCE * (1 - rank / self._open_span):
            if random.random() < self._running_share:
                return _picked(stories.running, luck)
            if stories.patient or age < HOUR:
                return _picked(stories.waiting, luck)
        if in_outage(age):
            luck = _OUTAGE_LUCK + luck * (1 - _OUTAGE_LUCK)
        return template.stories.finished[bisect(template.odds, luck)]

    def _instants(self, draw: Draw, factors: Iterator[float]) -> list[int]:
        """Return when each step of a job happened: all before the end, one after the other."""
        gaps = draw.template.gaps
        offsets = list(accumulate(gaps[step.gap] * next(factors) for step in draw.story.steps))
        scale = min(1.0, 0.95 * draw.age / offsets[-1]) if offsets[-1] else 1.0
        created = self._until - draw.age
        instants = [created + int(offset * scale) for offset in offsets]
        if draw.story.status == JobStatus.RUNNING:
            # However long it waited, it has not run for longer than such jobs do.
            ran = int(gaps[Gap.RUN] * (offsets[-1] % SECOND / SECOND)) + 1
            instants[-1] = max(instants[-1], self._until - ran)
        return instants

    def _job(self, draw: Draw, job_id: str, texts: list[str], random: Random) -> Row:
        template, story = draw.template, draw.story
        choice = random.getrandbits(48)
        number, items = _number(draw.age, choice >> 20 & 0xF), (choice >> 5 & 0x1FF) + 1
        head, tail = template.name
        started = story.started_by
        lease = self._lease(random) if story.status == JobStatus.RUNNING else (None, None)
        return (
            job_id,
            head if tail is None else f"{head}{number}{tail}",
            template.description,
            story.status.value,
            template.priorities[choice & 31],
            template.queue,
            f'{template.metadata}"number":{number},"items":{items}}}',
            _result(items, choice) if story.status == JobStatus.COMPLETED else None,
            None if started is None or not template.reports_progress else _progress(story, choice),
            texts[0],
            texts[-1],
            texts[story.available_by],
            None if started is None else texts[started],
            texts[-1] if story.ended else None,
            story.attempts,
            template.max_attempts,
            None if started is None else template.workers[(choice >> 40) % len(template.workers)],
            *lease,
        )

    def _lease(self, random: Random) -> tuple[str, str]:
        token = new_id(self._until, id_tails(random, 1)[0])
        return token, format_timestamp(self._until + random.randint(*_LEASE_LEFT))


def _history(
    story: JobLifecycle, job_id: str, moments: list[tuple[int, str]], tails: Iterator[str], random: Random
) -> Iterator[Row]:
    """Yield the events of one job."""
    start = f'{{"job_id":"{hyphenated(job_id)}",'
    for step, (instant, text) in zip(story.steps, moments, strict=True):
        endings = step.endings
        ending = endings[0] if len(endings) == 1 else endings[int(random.random() * len(endings))]
        yield new_id(instant, next(tails)), step.event, start + ending, text, job_id


def _number(age: int, step: int) -> int:
    """Return the number in the name of a job of this age: tickets and batches count on with time."""
    return 2_000 + (SPAN - age) // _NUMBER_EVERY + step


def _result(items: int, choice: int) -> str:
    """Return the result of a job that had so many items: a few of them may have been skipped."""
    skipped = min(items - 1, max(0, (choice >> 24 & 0xF) - 12))
    return f'{{"processed":{items - skipped},"skipped":{skipped}}}'


def _progress(story: JobLifecycle, choice: int) -> int:
    """Return the progress that a started job has reported."""
    return MAX_PROGRESS if story.status == JobStatus.COMPLETED else (choice >> 28 & 0xFFF) % MAX_PROGRESS


def _picked(stories: tuple[JobLifecycle, ...], luck: float) -> JobLifecycle:
    """Return the story that this luck, from 0 to 1, falls on."""
    return stories[bisect(_odds(stories), luck)]


def _odds(stories: tuple[JobLifecycle, ...]) -> list[float]:
    """Return the luck at which each story ends and the next begins."""
    ends = list(accumulate(story.share for story in stories))
    return [end / ends[-1] for end in ends[:-1]]


def _templates(random: Random, count: int) -> list[Template]:
    """Return the templates of ``count`` jobs in order: now and then a batch of the same."""
    templates = random.choices(_TEMPLATES, cum_weights=_TEMPLATE_WEIGHTS, k=count)
    for start in range(count):
        if random.random() < _BATCH_CHANCE:
            stop = min(start + random.randint(*_BATCH_SIZES), count)
            templates[start:stop] = [templates[start]] * (stop - start)
    return templates


def _made_of(kind: Kind) -> Iterator[Template]:
    """Yield the templates of one kind, one a subject."""
    stories = JobLifecycles(kind)
    gaps = {Gap.NOTHING: 0.0, Gap.RUN: kind.seconds * SECOND, Gap.LEASE: _LEASE, Gap.THOUGHT: _THOUGHT}
    gaps[Gap.WAIT] = next(wait for priorities, wait in _WAITS if priorities == kind.priorities)
    for subject in _subjects(kind):
        # The number comes in later: the template holds what is before and behind it.
        head, found, tail = kind.name.format(**subject, number="\0").partition("\0")
        metadata = {"source": kind.source, "agent": kind.caller, "pool": kind.pool, **subject}
        yield Template(
            name=(head, tail if found else None),
            description=kind.description.format(**subject),
            queue=QUEUES[kind.pool] + ("-batch" if kind.priorities == BACKGROUND else ""),
            reports_progress=kind.seconds >= _REPORTED_FROM,
            metadata=json_text(metadata)[:-1] + ",",
            priorities=kind.priorities,
            gaps=tuple(gaps[gap] for gap in Gap),
            workers=WORKERS[kind.pool],
            max_attempts=kind.max_attempts,
            stories=stories,
            odds=_odds(stories.finished),
        )


def _subjects(kind: Kind) -> list[Mapping[str, str]]:
    """Return what a kind's jobs may be about: the values of the field in its name."""
    fields = [field for _, field, _, _ in Formatter().parse(kind.name) if field and field != "number"]
    if not fields:
        return [{}]
    return [{fields[0]: value} for value in SUBJECTS[fields[0]]]


_BY_KIND: Final = [(kind, tuple(_made_of(kind))) for kind in KINDS]
_TEMPLATES: Final = [template for _, templates in _BY_KIND for template in templates]
_TEMPLATE_WEIGHTS: Final = list(
    accumulate(kind.share / len(templates) for kind, templates in _BY_KIND for _ in templates)
)
