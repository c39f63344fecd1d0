"""Turning what the cluster does into events."""
