"""Experiments on a running lab: each returns a report that prints, draws, compares and serialises."""

from kafka_lab.experiments.assignment import AssignmentReport, assignment
from kafka_lab.experiments.durability import DurabilityReport, durability
from kafka_lab.experiments.failover import FailoverReport, failover
from kafka_lab.experiments.ordering import OrderingReport, ordering
from kafka_lab.experiments.retention import RetentionReport, retention
from kafka_lab.experiments.semantics import SemanticsReport, semantics
from kafka_lab.experiments.takeover import TakeoverReport, takeover

__all__ = [
    "AssignmentReport",
    "DurabilityReport",
    "FailoverReport",
    "OrderingReport",
    "RetentionReport",
    "SemanticsReport",
    "TakeoverReport",
    "assignment",
    "durability",
    "failover",
    "ordering",
    "retention",
    "semantics",
    "takeover",
]
