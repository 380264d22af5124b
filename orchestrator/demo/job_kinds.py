"""The kinds of jobs that agents submit: their names, priorities and durations."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

#: Priorities of 32 jobs each, from background work to jobs that a person waits for.
BACKGROUND: Final = (-10,) * 12 + (-5,) * 8 + (0,) * 12
USUAL: Final = (0,) * 25 + (1,) * 2 + (5,) * 4 + (10,)
RAISED: Final = (0,) * 6 + (5,) * 14 + (10,) * 10 + (20,) * 2
URGENT: Final = (10,) * 6 + (20,) * 17 + (50,) * 7 + (100,) * 2

#: Why jobs fail, by worker pool. A kind's own reasons are twice as frequent.
FAILURES: Final = MappingProxyType(
    {
        "cpu": ("Exit status 137: out of memory", "Exit status 1", "Timed out after 900 s"),
        "gpu": ("CUDA out of memory: tried to allocate 2.31 GiB", "Token limit exceeded", "Node was drained"),
        "io": ("503 from upstream after 5 tries", "Connection reset by peer", "Disk quota exceeded"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobKind:
    """A kind of job.

    Attributes:
        name: name of its jobs; may contain one field of ``vocabulary.SUBJECTS`` and ``{number}``.
        description: description of its jobs; may contain the same field, but no number.
        caller: the account that submits it.
        source: what triggered the submission.
        priorities: the priorities of 32 of its jobs.
        pool: the workers that run it.
        seconds: median duration.
        share: its frequency relative to other kinds.
        failure_factor: its failure rate relative to other kinds.
        failures: its own reasons for failures.
        max_attempts: maximum number of attempts.
    """

    name: str
    description: str = ""
    caller: str
    source: str = "agent"
    priorities: tuple[int, ...] = USUAL
    pool: str = "cpu"
    seconds: float
    share: int = 10
    failure_factor: float = 1.0
    failures: tuple[str, ...] = ()
    max_attempts: int = 3


KINDS: Final = (
    JobKind(
        name="Review pull request {repository}#{number}",
        description="Read the change to {repository}, comment on it, approve it if nothing is left to say.",
        caller="review-agent",
        source="webhook",
        priorities=RAISED,
        pool="gpu",
        seconds=48,
        share=30,
        failures=("The pull request was closed meanwhile", "Diff is larger than the context window"),
    ),
    JobKind(
        name="Run tests of {repository}",
        description="Build {repository} at its newest commit and run all of its tests.",
        caller="review-agent",
        source="webhook",
        seconds=260,
        share=26,
        failure_factor=1.8,
        failures=("14 of 2,318 tests failed", "1 of 846 tests failed", "Dependencies could not be resolved"),
    ),
    JobKind(
        name="Index repository {repository}",
        caller="review-agent",
        source="schedule",
        priorities=BACKGROUND,
        seconds=95,
        share=12,
    ),
    JobKind(
        name="Scan {repository} for leaked secrets",
        description="Look for credentials in every commit of {repository} since the last scan.",
        caller="ops-agent",
        source="schedule",
        seconds=34,
        share=9,
        failure_factor=0.5,
    ),
    JobKind(
        name="Summarise ticket #{number}",
        caller="support-agent",
        source="webhook",
        priorities=RAISED,
        pool="gpu",
        seconds=11,
        share=60,
        failure_factor=0.6,
        failures=("Ticket has no text",),
    ),
    JobKind(
        name="Draft reply to ticket #{number}",
        description="Propose an answer in the customer's language; a person sends it.",
        caller="support-agent",
        source="webhook",
        priorities=RAISED,
        pool="gpu",
        seconds=23,
        share=44,
        failures=("Answer was refused by the policy check", "No template matches"),
    ),
    JobKind(
        name="Classify incoming mail, batch {number}",
        caller="support-agent",
        source="schedule",
        pool="gpu",
        seconds=17,
        share=34,
        failure_factor=0.5,
    ),
    JobKind(
        name="Transcribe call {number}",
        caller="support-agent",
        source="webhook",
        priorities=BACKGROUND,
        pool="gpu",
        seconds=140,
        share=22,
        failures=("Recording is shorter than 2 s", "Unsupported codec: amr-wb"),
    ),
    JobKind(
        name="Export {dataset} to the warehouse",
        description="Copy what changed in {dataset} since the last export, then compare row counts.",
        caller="data-agent",
        source="schedule",
        pool="io",
        seconds=310,
        share=18,
        failures=("Row counts differ: 1,204,311 and 1,204,298", "Column delivered_at is missing"),
    ),
    JobKind(
        name="Refresh embeddings of {dataset}",
        caller="data-agent",
        source="schedule",
        priorities=BACKGROUND,
        pool="gpu",
        seconds=620,
        share=10,
        failure_factor=1.4,
        max_attempts=5,
    ),
    JobKind(
        name="Deduplicate {dataset}",
        caller="data-agent",
        priorities=BACKGROUND,
        seconds=450,
        share=7,
        max_attempts=5,
    ),
    JobKind(
        name="Sync {dataset} from the CRM",
        caller="data-agent",
        source="schedule",
        pool="io",
        seconds=75,
        share=24,
        failure_factor=1.5,
        failures=("429 from upstream: retry after 3600 s", "OAuth token has expired"),
    ),
    JobKind(
        name="Back up {store}",
        description="Full backup of {store}, encrypted, kept for 35 days and read back once.",
        caller="scheduler",
        source="schedule",
        pool="io",
        priorities=URGENT,
        seconds=1500,
        share=6,
        failure_factor=0.7,
        failures=("Checksum of part 118 differs",),
    ),
    JobKind(
        name="Evaluate {model} on every suite",
        description="Run {model} on golden-tickets, long-context, multilingual, regression and tool-use.",
        caller="research-agent",
        pool="gpu",
        seconds=1900,
        share=4,
        failure_factor=1.6,
        max_attempts=5,
    ),
    JobKind(
        name="Fine-tune {model}, run {number}",
        description="Train {model} on what was labelled since the last run; promote it if it wins.",
        caller="research-agent",
        priorities=BACKGROUND,
        pool="gpu",
        seconds=5400,
        share=2,
        failure_factor=2.5,
        failures=("Loss is not a number at step 4,212",),
    ),
    JobKind(
        name="Collect sources on {product} competitors",
        caller="research-agent",
        pool="io",
        seconds=210,
        share=6,
        failure_factor=1.3,
        failures=("robots.txt forbids 38 of 52 pages",),
    ),
    JobKind(
        name="Deploy {service} to production",
        description="Roll {service} out to 5 %, 25 % and all of production; back if errors rise.",
        caller="ops-agent",
        priorities=URGENT,
        seconds=420,
        share=8,
        failure_factor=1.3,
        failures=("Health check failed at 5 %: rolled back", "Image signature is missing"),
        max_attempts=1,
    ),
    JobKind(
        name="Deploy {service} to staging",
        caller="ops-agent",
        source="webhook",
        priorities=RAISED,
        seconds=150,
        share=15,
        max_attempts=1,
    ),
    JobKind(
        name="Rotate credentials of {service}",
        caller="scheduler",
        source="schedule",
        seconds=9,
        share=5,
        failure_factor=0.4,
    ),
    JobKind(
        name="Render invoices, batch {number}",
        caller="finance-agent",
        source="schedule",
        priorities=RAISED,
        seconds=58,
        share=20,
        failure_factor=0.6,
        failures=("Customer 88213 has no VAT number",),
    ),
    JobKind(
        name="Reconcile payments of {region}",
        description="Match bank statements with open invoices of {region}; list what is left for a person.",
        caller="finance-agent",
        source="schedule",
        seconds=130,
        share=10,
        failures=("Statement of the 14th is missing",),
    ),
    JobKind(
        name="Import price list of {supplier}",
        caller="finance-agent",
        source="webhook",
        pool="io",
        seconds=40,
        share=12,
        failure_factor=1.7,
        failures=("Line 2,207: price is not a number", "Unknown currency: 'EURO'"),
    ),
    JobKind(
        name="Forecast demand in {region}",
        caller="planner-agent",
        source="schedule",
        seconds=340,
        share=8,
    ),
    JobKind(
        name="Plan the week of {team}",
        caller="planner-agent",
        source="schedule",
        pool="gpu",
        seconds=28,
        share=5,
    ),
    JobKind(
        name="Weekly report for {team}",
        description="Numbers, what changed since last week, and three sentences on why.",
        caller="planner-agent",
        source="schedule",
        pool="gpu",
        seconds=66,
        share=6,
    ),
    JobKind(
        name="Translate release notes of {product} into 14 languages",
        caller="planner-agent",
        pool="gpu",
        seconds=52,
        share=5,
    ),
    JobKind(
        name="Check links in the documentation of {product}",
        caller="scheduler",
        source="schedule",
        priorities=BACKGROUND,
        pool="io",
        seconds=180,
        share=6,
        failure_factor=1.2,
        failures=("7 of 1,930 links are dead",),
    ),
    JobKind(
        name="Resize product images, batch {number}",
        caller="data-agent",
        source="webhook",
        seconds=31,
        share=28,
        failure_factor=0.5,
        failures=("Image 12 of 200 is truncated",),
    ),
)
