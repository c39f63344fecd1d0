from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kafka_lab.events import (
    NotificationAccepted,
    NotificationRefused,
    NotificationStored,
    NotificationUnknown,
)
from kafka_lab.ledger import account


def accepted(name: str, asked_s: float, answered_s: float, user: str = "ada") -> NotificationAccepted:
    return NotificationAccepted(name, inboxes=(user,), received_s=asked_s, at_s=answered_s)


def stored(name: str, seq: int, user: str = "ada", *, redelivered: bool = False) -> NotificationStored:
    return NotificationStored(name, user, seq, "ws2ms_chat", 0, seq, redelivered=redelivered)


def test_a_clean_account() -> None:
    found = account([accepted("m1", 0, 1), stored("m1", 1), accepted("m2", 2, 3), stored("m2", 2)])
    assert found.clean
    assert (found.accepted, found.expected, found.stored) == (2, 2, 2)


def test_a_lost_message_is_named() -> None:
    found = account([accepted("m1", 0, 1), stored("other", 1)])
    assert found.missing == ("m1@ada",)
    assert not found.clean


def test_a_message_stored_twice() -> None:
    found = account([accepted("m1", 0, 1), stored("m1", 1), stored("m1", 2)])
    assert found.stored_twice == 1
    assert not found.clean


def test_a_redelivery_that_the_inbox_knew_is_clean() -> None:
    found = account([accepted("m1", 0, 1), stored("m1", 1), stored("m1", 1, redelivered=True)])
    assert found.redelivered == 1
    assert found.clean


def test_sent_one_after_another_but_stored_the_other_way_round() -> None:
    found = account([accepted("m1", 0, 1), accepted("m2", 2, 3), stored("m2", 1), stored("m1", 2)])
    assert found.out_of_order == 1


def test_sent_at_the_same_time_any_order_is_right() -> None:
    found = account([accepted("m1", 0, 3), accepted("m2", 1, 2), stored("m2", 1), stored("m1", 2)])
    assert found.clean


def test_refused_and_unknown_are_counted_apart() -> None:
    found = account([NotificationRefused("", 400, "no"), NotificationUnknown("m1", "late")])
    assert (found.refused, found.unknown, found.accepted) == (1, 1, 0)


def test_an_online_only_message_owes_nobody_a_copy() -> None:
    assert account([NotificationAccepted("m1", inboxes=(), received_s=0)]).clean


@given(st.permutations(range(6)))
def test_any_other_order_than_the_sent_one_is_found(order: list[int]) -> None:
    sent = [accepted(f"m{n}", n, n + 0.5) for n in range(6)]
    found = account([*sent, *(stored(f"m{n}", seq) for seq, n in enumerate(order, start=1))])
    assert (found.out_of_order == 0) == (list(order) == sorted(order))
