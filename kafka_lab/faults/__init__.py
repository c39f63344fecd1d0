"""Breaking things and healing them. Each act leaves FaultStarted, its undoing FaultEnded."""

from kafka_lab.faults.fault import Fault
from kafka_lab.faults.healing import Faults

__all__ = ["Fault", "Faults"]
