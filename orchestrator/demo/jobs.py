"""Jobs and the events of their histories."""

from bisect import bisect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from random import Random
from string import Formatter
from typing import Final, NamedTuple

from orchestrator.choices import JobStatus
from orchestrator.demo.job_kinds import BACKGROUND, KINDS, RAISED, URGENT, USUAL, JobKind
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
    seeded_random,
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

# Median waiting times by priority: the queue keeps up, and background work waits for minutes.
_WAITS: Final = ((URGENT, 1.5 * SECOND), (RAISED, 5 * SECOND), (USUAL, 20 * SECOND), (BACKGROUND, 6 * MINUTE))
_LEASE: Final = 75 * SECOND  # until a lost worker's lease expires
_DECISION: Final = 12 * MINUTE  # until an operator decides
_FACTORS: Final = log_normal(spread=0.8, size=8192)
# The probability that the newest job is pending or running. It falls with age.
_OPEN_CHANCE: Final = 0.7
# How long the leases of running jobs last yet; long, so that they do not expire soon after the load.
_LEASE_LEFT: Final = (20 * MINUTE, 60 * MINUTE)
# Jobs created in an outage draw their lifecycle from the worst fifth.
_OUTAGE_LUCK: Final = 0.8
_NUMBER_EVERY: Final = 4 * MINUTE
_BATCH_CHANCE: Final = 0.012
_BATCH_SIZES: Final = (3, 30)
# Workers report the progress of jobs whose median duration is at least so many seconds.
_REPORTED_FROM: Final = MINUTE / SECOND


@dataclass(frozen=True, slots=True)
class JobTemplate:
    """The common values of all jobs of one kind and subject."""

    name: tuple[str, str | None]
    description: str
    queue: str
    metadata: str
    reports_progress: bool
    priorities: tuple[int, ...]
    gaps: tuple[float, ...]
    workers: tuple[str, ...]
    max_attempts: int
    lifecycles: JobLifecycles
    odds: list[float]


class JobDraft(NamedTuple):
    """The random choices for one job, made before its rows."""

    age: int
    template: JobTemplate
    lifecycle: JobLifecycle


class JobGenerator:
    """Generates the jobs of a plan and the events of their histories."""

    def __init__(self, seed_key: tuple[object, ...], total: int, until: int) -> None:
        """Prepare to generate any range of the rows.

        Args:
            seed_key: seed of the random numbers.
            total: number of jobs.
            until: the end of the data; everything happened before it. In microseconds.
        """
        self._seed_key = (*seed_key, "jobs", total)
        self._timeline = Timeline(seeded_random(*seed_key, "timeline"))
        self._total = total
        self._until = until
        # Few jobs are pending or running, however large the total. Most of these are among the newest jobs.
        running, waiting = min(0.02 * total, 0.6 * total**0.4), min(0.03 * total, 0.8 * total**0.5)
        self._open_span = 2 * (running + waiting) / _OPEN_CHANCE
        self._running_share = running / (running + waiting) if total else 0.0

    def events(self, first: int, last: int) -> int:
        """Return the number of events of the jobs numbered ``first`` to ``last`` (exclusive)."""
        return sum(len(draft.lifecycle.steps) for draft in self._drafts(first, last))

    def rows(self, first: int, last: int) -> tuple[list[Row], list[Row]]:
        """Return the rows of the jobs numbered ``first`` to ``last`` (exclusive), and of their events."""
        drafts = list(self._drafts(first, last))
        random = seeded_random(*self._seed_key, "rows", first)
        steps = sum(len(draft.lifecycle.steps) for draft in drafts)
        tails = iter(id_tails(random, steps + len(drafts)))
        factors = iter(random.choices(_FACTORS, k=steps))
        jobs: list[Row] = []
        events: list[Row] = []
        for draft in drafts:
            times = [(time, format_timestamp(time)) for time in self._times(draft, factors)]
            job_id = new_id(times[0][0], next(tails))
            events += _history(draft.lifecycle, job_id, times, tails, random)
            jobs.append(self._job(draft, job_id, [text for _, text in times], random))
        return jobs, events

    def _drafts(self, first: int, last: int) -> Iterator[JobDraft]:
        random = seeded_random(*self._seed_key, "draws", first)
        ages = self._timeline.ages(random, first, last, self._total)
        for number, (age, template) in enumerate(
            zip(ages, _templates(random, last - first), strict=True), first
        ):
            yield JobDraft(age, template, self._lifecycle(random, age, template, self._total - number))

    def _lifecycle(self, random: Random, age: int, template: JobTemplate, rank: int) -> JobLifecycle:
        """Return the lifecycle of the ``rank``-th newest job."""
        luck, lifecycles = random.random(), template.lifecycles
        wait, run = template.gaps[Gap.WAIT], template.gaps[Gap.RUN]
        if age < wait + run:
            return _picked(lifecycles.running if age > wait else lifecycles.waiting, luck)
        if rank < self._open_span and random.random() < _OPEN_CHANCE * (1 - rank / self._open_span):
            if random.random() < self._running_share:
                return _picked(lifecycles.running, luck)
            if lifecycles.may_wait_long or age < HOUR:
                return _picked(lifecycles.waiting, luck)
        if in_outage(age):
            luck = _OUTAGE_LUCK + luck * (1 - _OUTAGE_LUCK)
        return template.lifecycles.finished[bisect(template.odds, luck)]

    def _times(self, draft: JobDraft, factors: Iterator[float]) -> list[int]:
        """Return the timestamps of a job's steps, in order and before the end of the data."""
        gaps = draft.template.gaps
        offsets = list(accumulate(gaps[step.gap] * next(factors) for step in draft.lifecycle.steps))
        scale = min(1.0, 0.95 * draft.age / offsets[-1]) if offsets[-1] else 1.0
        created = self._until - draft.age
        times = [created + int(offset * scale) for offset in offsets]
        if draft.lifecycle.status == JobStatus.RUNNING:
            # However long it waited, it has run for no longer than its kind's median duration.
            ran = int(gaps[Gap.RUN] * (offsets[-1] % SECOND / SECOND)) + 1
            times[-1] = max(times[-1], self._until - ran)
        return times

    def _job(self, draft: JobDraft, job_id: str, texts: list[str], random: Random) -> Row:
        template, lifecycle = draft.template, draft.lifecycle
        choice = random.getrandbits(48)
        number, items = _number(draft.age, choice >> 20 & 0xF), (choice >> 5 & 0x1FF) + 1
        head, tail = template.name
        started = lifecycle.started_by
        lease = self._lease(random) if lifecycle.status == JobStatus.RUNNING else (None, None)
        return (
            job_id,
            head if tail is None else f"{head}{number}{tail}",
            template.description,
            lifecycle.status.value,
            template.priorities[choice & 31],
            template.queue,
            f'{template.metadata}"number":{number},"items":{items}}}',
            _result(items, choice) if lifecycle.status == JobStatus.COMPLETED else None,
            None if started is None or not template.reports_progress else _progress(lifecycle, choice),
            texts[0],
            texts[-1],
            texts[lifecycle.available_by],
            None if started is None else texts[started],
            texts[-1] if lifecycle.ended else None,
            lifecycle.attempts,
            template.max_attempts,
            None if started is None else template.workers[(choice >> 40) % len(template.workers)],
            *lease,
        )

    def _lease(self, random: Random) -> tuple[str, str]:
        token = new_id(self._until, id_tails(random, 1)[0])
        return token, format_timestamp(self._until + random.randint(*_LEASE_LEFT))


def _history(
    lifecycle: JobLifecycle, job_id: str, times: list[tuple[int, str]], tails: Iterator[str], random: Random
) -> Iterator[Row]:
    """Yield the events of one job."""
    start = f'{{"job_id":"{hyphenated(job_id)}",'
    for step, (time, text) in zip(lifecycle.steps, times, strict=True):
        endings = step.endings
        ending = endings[0] if len(endings) == 1 else endings[int(random.random() * len(endings))]
        yield new_id(time, next(tails)), step.event, start + ending, text, job_id


def _number(age: int, step: int) -> int:
    """Return the number in the name of a job of this age. Numbers of tickets and batches grow with time."""
    return 2_000 + (SPAN - age) // _NUMBER_EVERY + step


def _result(items: int, choice: int) -> str:
    """Return the result of a job with so many items, of which a few may have been skipped."""
    skipped = min(items - 1, max(0, (choice >> 24 & 0xF) - 12))
    return f'{{"processed":{items - skipped},"skipped":{skipped}}}'


def _progress(lifecycle: JobLifecycle, choice: int) -> int:
    """Return the progress that a started job has reported."""
    return MAX_PROGRESS if lifecycle.status == JobStatus.COMPLETED else (choice >> 28 & 0xFFF) % MAX_PROGRESS


def _picked(lifecycles: tuple[JobLifecycle, ...], luck: float) -> JobLifecycle:
    """Return the lifecycle at the position ``luck``, 0 to 1, of their cumulative shares."""
    return lifecycles[bisect(_odds(lifecycles), luck)]


def _odds(lifecycles: tuple[JobLifecycle, ...]) -> list[float]:
    """Return the cumulative shares at which each lifecycle ends and the next begins."""
    ends = list(accumulate(lifecycle.share for lifecycle in lifecycles))
    return [end / ends[-1] for end in ends[:-1]]


def _templates(random: Random, count: int) -> list[JobTemplate]:
    """Return the templates of ``count`` jobs in order, with occasional runs of the same template."""
    templates = random.choices(_TEMPLATES, cum_weights=_TEMPLATE_WEIGHTS, k=count)
    for start in range(count):
        if random.random() < _BATCH_CHANCE:
            stop = min(start + random.randint(*_BATCH_SIZES), count)
            templates[start:stop] = [templates[start]] * (stop - start)
    return templates


def _templates_of(kind: JobKind) -> Iterator[JobTemplate]:
    """Yield the templates of one kind, one for each subject."""
    lifecycles = JobLifecycles(kind)
    gaps = {Gap.NOTHING: 0.0, Gap.RUN: kind.seconds * SECOND, Gap.LEASE: _LEASE, Gap.DECISION: _DECISION}
    gaps[Gap.WAIT] = next(wait for priorities, wait in _WAITS if priorities == kind.priorities)
    for subject in _subjects(kind):
        # The number is inserted later: the template holds the parts before and after it.
        head, found, tail = kind.name.format(**subject, number="\0").partition("\0")
        metadata = {"source": kind.source, "agent": kind.caller, "pool": kind.pool, **subject}
        yield JobTemplate(
            name=(head, tail if found else None),
            description=kind.description.format(**subject),
            queue=QUEUES[kind.pool] + ("-batch" if kind.priorities == BACKGROUND else ""),
            reports_progress=kind.seconds >= _REPORTED_FROM,
            metadata=json_text(metadata)[:-1] + ",",
            priorities=kind.priorities,
            gaps=tuple(gaps[gap] for gap in Gap),
            workers=WORKERS[kind.pool],
            max_attempts=kind.max_attempts,
            lifecycles=lifecycles,
            odds=_odds(lifecycles.finished),
        )


def _subjects(kind: JobKind) -> list[Mapping[str, str]]:
    """Return the possible subjects of a kind: each value of the field in its name."""
    fields = [field for _, field, _, _ in Formatter().parse(kind.name) if field and field != "number"]
    if not fields:
        return [{}]
    return [{fields[0]: value} for value in SUBJECTS[fields[0]]]


_BY_KIND: Final = [(kind, tuple(_templates_of(kind))) for kind in KINDS]
_TEMPLATES: Final = [template for _, templates in _BY_KIND for template in templates]
_TEMPLATE_WEIGHTS: Final = list(
    accumulate(kind.share / len(templates) for kind, templates in _BY_KIND for _ in templates)
)
