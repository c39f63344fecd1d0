from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import pytest

from kafka_lab import Lab
from kafka_lab.errors import ConfigurationError
from kafka_lab.experiments import DurabilityReport, durability
from kafka_lab.experiments.durability import RECIPES
from kafka_lab.ledger import delivery
from kafka_lab.views.scene import to_svg

LOSS = DurabilityReport(
    "frozen followers", "1", False, 1, "t", delivery(sent=range(5), acknowledged=range(5), read=[0, 1, 1])
)
NONE = DurabilityReport(
    "frozen followers", "all", True, 2, "t", delivery(sent=range(5), acknowledged=range(5), read=range(5))
)


def test_a_report_prints_compares_draws_and_serialises() -> None:
    assert ["acknowledged,", "but", "lost", "3"] in [line.split() for line in str(LOSS).splitlines()]
    rows = {row[0]: row[1:] for row in LOSS.compare(NONE).rows}
    assert rows["acknowledged, but lost"] == ("3", "0")
    assert rows["there twice"] == ("1", "0")
    ET.fromstring(to_svg(LOSS.scene()))
    assert "⚠" in to_svg(LOSS.scene())
    assert "⚠" not in to_svg(NONE.scene())
    assert json.loads(json.dumps(LOSS.to_dict()))["delivery"]["lost"] == [2, 3, 4]


@pytest.mark.jvm
@pytest.mark.parametrize("recipe", ["frozen followers", "frozen leader", "isolated leader"])
def test_acks_1_loses_what_acks_all_does_not(lab: Lab, recipe: str) -> None:
    weak = durability(lab, recipe, acks="1", min_insync_replicas=1, messages=20)
    assert weak.delivery.acknowledged == 21
    # All of them, but for what is in the answer to a fetch that waited: on a busy machine half a dozen.
    assert 10 <= len(weak.delivery.lost) <= 20
    strong = durability(lab, recipe, messages=20)
    assert strong.delivery.acknowledged == strong.delivery.stored == 21
    assert not strong.delivery.lost
    assert not strong.delivery.doubled
    assert all(set(p.isr) == set(p.replicas) for p in lab.state.topics[strong.topic].values())


@pytest.mark.jvm
def test_an_unclean_election_loses_even_with_acks_all_if_one_copy_is_enough(lab: Lab) -> None:
    found = durability(lab, "unclean election", min_insync_replicas=1, messages=20).delivery
    assert found.acknowledged == 21
    assert found.lost == tuple(range(1, 21))


@pytest.mark.jvm
def test_lost_responses_double_unless_the_producer_is_idempotent(lab: Lab) -> None:
    found = durability(lab, "lost responses", idempotence=False, messages=20).delivery
    assert found.doubled
    assert not found.lost
    found = durability(lab, "lost responses", messages=20).delivery
    assert not found.doubled
    assert found.stored == found.acknowledged == 21


@pytest.mark.jvm
def test_what_cannot_be_tried(lab: Lab) -> None:
    for arguments, complaint in [
        ({"recipe": "hope"}, ", ".join(RECIPES)),
        ({"acks": "2"}, "'1' or 'all'"),
        ({"acks": "1", "idempotence": True}, "needs acks='all'"),
        ({"messages": 0}, "1 to 200"),
    ]:
        with pytest.raises(ConfigurationError, match=complaint):
            durability(lab, **arguments)
