"""Experiments on a running lab: each returns a report that prints, draws, compares and serialises."""

from kafka_lab.experiments.failover import FailoverReport, failover

__all__ = ["FailoverReport", "failover"]
