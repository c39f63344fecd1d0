"""A broker whose log folder refuses writes."""

from __future__ import annotations

import pytest

from kafka_lab import Lab
from kafka_lab.errors import FaultError
from kafka_lab.events import FaultEnded, FaultStarted, NodeExited

pytestmark = pytest.mark.jvm


def test_a_broker_shuts_down_on_a_failed_disk_and_comes_back_with_its_data(lab: Lab, topic: str) -> None:
    leader = lab.leader_of(topic, 0)
    assert leader
    lab.producer().send(topic, b"kept", partition=0).get(30)
    with lab.fail_disk(leader):
        exited = lab.wait_for(NodeExited, node=leader)
        assert exited.exit_code == 1  # of its own accord
        assert exited.expected
        assert "all log dirs" in lab._assembly.cluster.node(leader).process.log_text()
        with pytest.raises(FaultError, match="repair_disk"):
            lab.restart(leader)
    assert lab.timeline.find(FaultEnded, since=exited.seq, node=leader, fault="fail_disk")
    lab.heal_all()
    assert leader in lab.isr_of(topic, 0)
    assert [record.value for record in lab.read(topic)] == [b"kept"]


def test_a_disk_is_failed_and_repaired_once(lab: Lab) -> None:
    with pytest.raises(FaultError, match="nothing to repair"):
        lab.repair_disk("broker-1")
    with pytest.raises(FaultError, match="no broker"):
        lab.fail_disk("zookeeper-1")
    lab.fail_disk("broker-1")
    with pytest.raises(FaultError, match="broken already"):
        lab.fail_disk("broker-1")
    assert lab.wait_for(FaultStarted, node="broker-1").fault == "fail_disk"
    lab.repair_disk("broker-1")
    lab.kill("broker-1")
    with pytest.raises(FaultError, match="restart"):
        lab.fail_disk("broker-1")
