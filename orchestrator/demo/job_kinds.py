"""The kinds of jobs that agents submit here: what they are called, how urgent and how long they are."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

#: Priorities of 32 jobs, from those that may wait for the night to those that somebody waits for.
BACKGROUND: Final = (-10,) * 12 + (-5,) * 8 + (0,) * 12
USUAL: Final = (0,) * 25 + (1,) * 2 + (5,) * 4 + (10,)
RAISED: Final = (0,) * 6 + (5,) * 14 + (10,) * 10 + (20,) * 2
URGENT: Final = (10,) * 6 + (20,) * 17 + (50,) * 7 + (100,) * 2

#: Why jobs fail, by where they run; the reasons of a kind come first.
FAILURES: Final = MappingProxyType(
    {
        "cpu": ("Exit status 137: out of memory", "Exit status 1", "Timed out after 900 s"),
        "gpu": ("CUDA out of memory: tried to allocate 2.31 GiB", "Token limit exceeded", "Node was drained"),
        "io": ("503 from upstream after 5 tries", "Connection reset by peer", "Disk quota exceeded"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of job.

    Attributes:
        name: what its jobs are called; may hold one field of ``vocabulary.SUBJECTS`` and ``{number}``.
        description: of each of its jobs, with the same fields but the number.
        caller: the account that submits it.
        source: what made that account do so.
        priorities: those of 32 of its jobs.
        pool: the workers that run it.
        seconds: how long half of its jobs take at most.
        share: how frequent it is, relative to others.
        trouble: how often it fails, relative to others.
        failures: reasons for that, of its own.
        max_attempts: how many lost leases it survives.
    """

    name: str
    description: str = ""
    caller: str
    source: str = "agent"
    priorities: tuple[int, ...] = USUAL
    pool: str = "cpu"
    seconds: float
    share: int = 10
    trouble: float = 1.0
    failures: tuple[str, ...] = ()
    max_attempts: int = 3


KINDS: Final = (
    Kind(
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
    Kind(
        name="Run tests of {repository}",
        description="Build {repository} at its newest commit and run all of its tests.",
        caller="review-agent",
        source="webhook",
        seconds=260,
        share=26,
        trouble=1.8,
        failures=("14 of 2,318 tests failed", "1 of 846 tests failed", "Dependencies could not be resolved"),
    ),
    Kind(
        name="Index repository {repository}",
        caller="review-agent",
        source="schedule",
        priorities=BACKGROUND,
        seconds=95,
        share=12,
    ),
    Kind(
        name="Scan {repository} for leaked secrets",
        description="Look for credentials in every commit of {repository} since the last scan.",
        caller="ops-agent",
        source="schedule",
        seconds=34,
        share=9,
        trouble=0.5,
    ),
    Kind(
        name="Summarise ticket #{number}",
        caller="support-agent",
        source="webhook",
        priorities=RAISED,
        pool="gpu",
        seconds=11,
        share=60,
        trouble=0.6,
        failures=("Ticket has no text",),
    ),
    Kind(
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
    Kind(
        name="Classify incoming mail, batch {number}",
        caller="support-agent",
        source="schedule",
        pool="gpu",
        seconds=17,
        share=34,
        trouble=0.5,
    ),
    Kind(
        name="Transcribe call {number}",
        caller="support-agent",
        source="webhook",
        priorities=BACKGROUND,
        pool="gpu",
        seconds=140,
        share=22,
        failures=("Recording is shorter than 2 s", "Unsupported codec: amr-wb"),
    ),
    Kind(
        name="Export {dataset} to the warehouse",
        description="Copy what changed in {dataset} since the last export, then compare row counts.",
        caller="data-agent",
        source="schedule",
        pool="io",
        seconds=310,
        share=18,
        failures=("Row counts differ: 1,204,311 and 1,204,298", "Column delivered_at is missing"),
    ),
    Kind(
        name="Refresh embeddings of {dataset}",
        caller="data-agent",
        source="schedule",
        priorities=BACKGROUND,
        pool="gpu",
        seconds=620,
        share=10,
        trouble=1.4,
        max_attempts=5,
    ),
    Kind(
        name="Deduplicate {dataset}",
        caller="data-agent",
        priorities=BACKGROUND,
        seconds=450,
        share=7,
        max_attempts=5,
    ),
    Kind(
        name="Sync {dataset} from the CRM",
        caller="data-agent",
        source="schedule",
        pool="io",
        seconds=75,
        share=24,
        trouble=1.5,
        failures=("429 from upstream: retry after 3600 s", "OAuth token has expired"),
    ),
    Kind(
        name="Back up {store}",
        description="Full backup of {store}, encrypted, kept for 35 days and read back once.",
        caller="scheduler",
        source="schedule",
        pool="io",
        priorities=URGENT,
        seconds=1500,
        share=6,
        trouble=0.7,
        failures=("Checksum of part 118 differs",),
    ),
    Kind(
        name="Evaluate {model} on every suite",
        description="Run {model} on golden-tickets, long-context, multilingual, regression and tool-use.",
        caller="research-agent",
        pool="gpu",
        seconds=1900,
        share=4,
        trouble=1.6,
        max_attempts=5,
    ),
    Kind(
        name="Fine-tune {model}, run {number}",
        description="Train {model} on what was labelled since the last run; promote it if it wins.",
        caller="research-agent",
        priorities=BACKGROUND,
        pool="gpu",
        seconds=5400,
        share=2,
        trouble=2.5,
        failures=("Loss is not a number at step 4,212",),
    ),
    Kind(
        name="Collect sources on {product} competitors",
        caller="research-agent",
        pool="io",
        seconds=210,
        share=6,
        trouble=1.3,
        failures=("robots.txt forbids 38 of 52 pages",),
    ),
    Kind(
        name="Deploy {service} to production",
        description="Roll {service} out to 5 %, 25 % and all of production; back if errors rise.",
        caller="ops-agent",
        priorities=URGENT,
        seconds=420,
        share=8,
        trouble=1.3,
        failures=("Health check failed at 5 %: rolled back", "Image signature is missing"),
        max_attempts=1,
    ),
    Kind(
        name="Deploy {service} to staging",
        caller="ops-agent",
        source="webhook",
        priorities=RAISED,
        seconds=150,
        share=15,
        max_attempts=1,
    ),
    Kind(
        name="Rotate credentials of {service}",
        caller="scheduler",
        source="schedule",
        seconds=9,
        share=5,
        trouble=0.4,
    ),
    Kind(
        name="Render invoices, batch {number}",
        caller="finance-agent",
        source="schedule",
        priorities=RAISED,
        seconds=58,
        share=20,
        trouble=0.6,
        failures=("Customer 88213 has no VAT number",),
    ),
    Kind(
        name="Reconcile payments of {region}",
        description="Match bank statements with open invoices of {region}; list what is left for a person.",
        caller="finance-agent",
        source="schedule",
        seconds=130,
        share=10,
        failures=("Statement of the 14th is missing",),
    ),
    Kind(
        name="Import price list of {supplier}",
        caller="finance-agent",
        source="webhook",
        pool="io",
        seconds=40,
        share=12,
        trouble=1.7,
        failures=("Line 2,207: price is not a number", "Unknown currency: 'EURO'"),
    ),
    Kind(
        name="Forecast demand in {region}",
        caller="planner-agent",
        source="schedule",
        seconds=340,
        share=8,
    ),
    Kind(
        name="SeedPlan the week of {team}",
        caller="planner-agent",
        source="schedule",
        pool="gpu",
        seconds=28,
        share=5,
    ),
    Kind(
        name="Weekly report for {team}",
        description="Numbers, what changed since last week, and three sentences on why.",
        caller="planner-agent",
        source="schedule",
        pool="gpu",
        seconds=66,
        share=6,
    ),
    Kind(
        name="Translate release notes of {product} into 14 languages",
        caller="planner-agent",
        pool="gpu",
        seconds=52,
        share=5,
    ),
    Kind(
        name="Check links in the documentation of {product}",
        caller="scheduler",
        source="schedule",
        priorities=BACKGROUND,
        pool="io",
        seconds=180,
        share=6,
        trouble=1.2,
        failures=("7 of 1,930 links are dead",),
    ),
    Kind(
        name="Resize product images, batch {number}",
        caller="data-agent",
        source="webhook",
        seconds=31,
        share=28,
        trouble=0.5,
        failures=("Image 12 of 200 is truncated",),
    ),
)
