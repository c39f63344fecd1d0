"""Experiments on a running lab: each returns a report that prints, draws, compares and serialises."""

from kafka_lab.experiments.durability import DurabilityReport, durability
from kafka_lab.experiments.failover import FailoverReport, failover
from kafka_lab.experiments.ordering import OrderingReport, ordering

__all__ = ["DurabilityReport", "FailoverReport", "OrderingReport", "durability", "failover", "ordering"]
