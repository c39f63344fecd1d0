"""The textbook on trial: what it says about Kafka, and the experiment that lets a cluster decide each."""

from kafka_lab.errors import ConfigurationError, unknown
from kafka_lab.experiments.claims.claim import VERDICTS, Check, Claim, Finding, judge, summary, verdict_of
from kafka_lab.experiments.claims.logs import LOG_CLAIMS
from kafka_lab.experiments.claims.openim import OPENIM_CLAIMS
from kafka_lab.experiments.claims.readers import READER_CLAIMS
from kafka_lab.experiments.claims.replicas import REPLICA_CLAIMS
from kafka_lab.experiments.claims.topics import TOPIC_CLAIMS

__all__ = ["CLAIMS", "VERDICTS", "Check", "Claim", "Finding", "claim_of", "judge", "summary", "verdict_of"]

_ALL = (*LOG_CLAIMS, *TOPIC_CLAIMS, *REPLICA_CLAIMS, *READER_CLAIMS, *OPENIM_CLAIMS)
#: Every claim by its id, in the article's order.
CLAIMS = {claim.id: claim for claim in sorted(_ALL, key=lambda claim: (claim.id[0], int(claim.id[1:])))}


def claim_of(claim_id: str) -> Claim:
    """Return the claim with an id such as ``"K16"``, in capitals or not.

    Raises
    ------
    ConfigurationError
        There is none.
    """
    if claim_id.upper() not in CLAIMS:
        raise ConfigurationError(unknown("claim", claim_id, CLAIMS))
    return CLAIMS[claim_id.upper()]
