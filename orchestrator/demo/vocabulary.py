"""The words of the demo data: accounts, and the kinds and subjects of jobs and tasks."""

from random import Random
from types import MappingProxyType
from typing import Final, NamedTuple

from orchestrator.choices import Role

SUBJECTS: Final = MappingProxyType(
    {
        "repository": (
            "billing-api",
            "checkout-web",
            "identity",
            "mobile-app",
            "search-gateway",
            "stock-sync",
        ),
        "service": ("auth-gateway", "catalogue", "checkout", "invoicing", "order-router", "webhook-relay"),
        "dataset": ("clickstream", "customer_profiles", "order_lines", "returns", "warehouse_stock"),
        "model": ("churn-v4", "demand-v11", "embedding-small", "fraud-v7", "intent-router", "reranker-v2"),
        "team": ("Finance", "Logistics", "Marketing", "Platform", "Procurement", "Sales EMEA", "Support"),
        "region": (
            "Benelux",
            "DACH",
            "Iberia",
            "Île-de-France",
            "Nordics",
            "São Paulo",
            "UK & Ireland",
            "東京",
        ),
        "supplier": ("Ahlström Papier", "Brightwater Foods", "Mørk Maskin", "Tanaka Precision"),
    }
)


#: Demo jobs have queues of their own, so that the demo's workers take no other job.
QUEUE_PREFIX: Final = "demo-"


class JobKind(NamedTuple):
    """A kind of job; its name may contain ``{number}`` and one field of ``SUBJECTS``."""

    name: str
    agent: str
    queue: str
    priority: int
    seconds: int  # median duration
    share: int  # frequency relative to other kinds
    failure: str = "Exit status 137: out of memory"

    @property
    def pool(self) -> str:
        """Return the queue's name without the prefix of all demo queues."""
        return self.queue.removeprefix(QUEUE_PREFIX)


KINDS: Final = (
    JobKind(
        "Review pull request {repository}#{number}",
        "review-agent",
        "demo-gpu",
        10,
        48,
        30,
        "Diff is too large",
    ),
    JobKind(
        "Run tests of {repository}", "review-agent", "demo-general", 0, 260, 26, "14 of 2,318 tests failed"
    ),
    JobKind("Index repository {repository}", "review-agent", "demo-batch", -10, 95, 12),
    JobKind("Scan {repository} for leaked secrets", "ops-agent", "demo-batch", -10, 34, 9),
    JobKind("Summarise ticket #{number}", "support-agent", "demo-gpu", 0, 11, 40, "Ticket has no text"),
    JobKind(
        "Draft reply to ticket #{number}",
        "support-agent",
        "demo-gpu",
        10,
        23,
        34,
        "Policy check refused the text",
    ),
    JobKind("Classify incoming mail, batch {number}", "support-agent", "demo-general", 0, 17, 30),
    JobKind(
        "Transcribe call {number}", "support-agent", "demo-gpu", -10, 140, 22, "Unsupported codec: amr-wb"
    ),
    JobKind(
        "Export {dataset} to the warehouse", "data-agent", "demo-transfers", 0, 310, 18, "503 after 5 tries"
    ),
    JobKind("Refresh embeddings of {dataset}", "data-agent", "demo-gpu", -10, 620, 10, "CUDA out of memory"),
    JobKind(
        "Sync {dataset} from the CRM", "data-agent", "demo-transfers", 0, 75, 24, "OAuth token has expired"
    ),
    JobKind(
        "Evaluate {model} on every suite", "research-agent", "demo-gpu", 0, 1900, 4, "Timed out after 3,600 s"
    ),
    JobKind(
        "Fine-tune {model}, run {number}", "research-agent", "demo-gpu", -10, 5400, 2, "Loss is not a number"
    ),
    JobKind(
        "Deploy {service} to production", "ops-agent", "demo-deployments", 50, 420, 8, "Health check failed"
    ),
    JobKind(
        "Deploy {service} to staging",
        "ops-agent",
        "demo-deployments",
        10,
        150,
        15,
        "Image signature is missing",
    ),
    JobKind(
        "Render invoices, batch {number}",
        "finance-agent",
        "demo-general",
        10,
        58,
        20,
        "VAT number is missing",
    ),
    JobKind(
        "Reconcile payments of {region}",
        "finance-agent",
        "demo-general",
        0,
        130,
        10,
        "A statement is missing",
    ),
    JobKind(
        "Import price list of {supplier}",
        "finance-agent",
        "demo-transfers",
        0,
        40,
        12,
        "Unknown currency: 'EURO'",
    ),
    JobKind("Forecast demand in {region}", "planner-agent", "demo-batch", 0, 340, 8),
    JobKind("Weekly report for {team}", "planner-agent", "demo-batch", 0, 66, 6),
)

#: The queues of demo jobs.
QUEUES: Final = tuple(dict.fromkeys(kind.queue for kind in KINDS))

#: Accounts that appear in job histories, with their roles. Agents submit jobs, runners run those of a queue.
OPERATORS: Final = MappingProxyType({"ines.carvalho": Role.ADMIN, "tomasz.nowak": Role.MODERATOR})
AGENTS: Final = tuple(dict.fromkeys(kind.agent for kind in KINDS))
RUNNERS: Final = MappingProxyType({kind.queue: f"runner-{kind.pool}" for kind in KINDS})

# The lengths of the two lists have no common factor, so that stepping through both yields every pair.
# fmt: off
FIRST_NAMES: Final = (
    "samuel", "mila", "kenji", "freya", "tariq", "aiko", "lars", "priya", "mateo", "niamh",
    "jun", "clara", "yusuf", "beatriz", "oskar", "hana", "chidi", "elif", "hugo", "amara",
    "sven", "lucia", "wei",
)
LAST_NAMES: Final = (
    "okafor", "novak", "tanaka", "hansen", "haddad", "mori", "lindqvist", "patel", "lopez", "murphy",
    "chen", "rossi", "aksoy", "silva", "berg", "kim", "ndiaye", "demir", "weber", "adeyemi",
    "eriksen", "costa", "zhang", "keller",
)
# fmt: on


def with_subject(random: Random, template: str) -> tuple[str, dict[str, str]]:
    """Return a text with a random value in its field, and that value by the field's name.

    The text may contain one field of ``SUBJECTS``.
    """
    for field, values in SUBJECTS.items():
        if f"{{{field}}}" in template:
            subject = {field: random.choice(values)}
            return template.replace(f"{{{field}}}", subject[field]), subject
    return template, {}
