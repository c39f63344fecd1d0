"""Consumer groups whose members are threads of the lab: started, killed, hung and counted."""

from kafka_lab.groups.group import Group
from kafka_lab.groups.member import COMMITS, STRATEGIES, Delivered, Way

__all__ = ["COMMITS", "STRATEGIES", "Delivered", "Group", "Way"]
