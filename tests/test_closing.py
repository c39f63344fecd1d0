from __future__ import annotations

import pytest

from kafka_lab.closing import Closers


def test_one_failure_keeps_nothing_else_open() -> None:
    closers, closed = Closers(), []
    closers.add(lambda: closed.append("first"))
    closers.add(lambda: [].pop())
    closers.add(lambda: {}["no such key"])
    closers.add(lambda: closed.append("last"))
    with pytest.raises(ExceptionGroup, match="the lab") as caught:
        closers.close("the lab")
    assert closed == ["last", "first"]
    assert [type(error) for error in caught.value.exceptions] == [KeyError, IndexError]
    closers.close("the lab")


def test_an_interruption_comes_after_the_rest() -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    closers, closed = Closers(), []
    closers.add(lambda: closed.append("first"))
    closers.add(interrupt)
    with pytest.raises(KeyboardInterrupt):
        closers.close("the lab")
    assert closed == ["first"]
