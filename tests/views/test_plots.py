from __future__ import annotations

import re
from pathlib import Path

import pytest

from kafka_lab import events as ev
from kafka_lab.errors import ConfigurationError
from kafka_lab.views.plots import lag_plot, latency_plot, steps_plot

from .lesson import lesson


def acknowledged(topic: str, latency_s: float) -> ev.RecordAcknowledged:
    return ev.RecordAcknowledged(topic, 0, 0, "p", 1, None, None, latency_s)


def test_steps_are_stacked_and_said() -> None:
    plot = steps_plot(
        "Anatomy",
        {"lab": [("session", 1.8), ("election", 0.1)], "defaults": [("session", 18.0), ("client", 0.4)]},
    )
    assert "lab: session 1.80 s, election 0.10 s, together 1.90 s" in plot.said
    assert "defaults: session 18.00 s, client 0.40 s, together 18.40 s" in plot.said
    bars = plot.figure.axes[0].patches
    client = next(bar for bar in bars if bar.get_width() == pytest.approx(0.4))
    assert client.get_x() == pytest.approx(18.0)


def test_latencies_by_topic() -> None:
    events = [*(acknowledged("chat", ms / 1000) for ms in range(1, 101)), acknowledged("audit", 2.0)]
    plot = latency_plot(events)
    assert "chat: 100 records, median 51.0 ms, 99 % within 100.0 ms" in plot.said
    assert "audit: 1 records, median 2000.0 ms" in plot.said
    assert "audit" not in latency_plot(events, ["chat"]).said
    with pytest.raises(ConfigurationError, match="nothing to draw"):
        latency_plot(events, ["other"])


def test_lag_over_time() -> None:
    events = [
        ev.OffsetCommitted("chat", 0, "readers", 3, at_s=1.0),
        ev.HighWatermarkMoved("chat", 0, 9, at_s=2.0),
        ev.OffsetCommitted("chat", 0, "readers", 9, at_s=3.0),
    ]
    plot = lag_plot(events)
    assert plot.said.endswith("readers: 0 at the end, 6 at most")
    assert "readers" in lag_plot(lesson()).said
    with pytest.raises(ConfigurationError, match="no committed offset"):
        lag_plot(events, ["others"])


def test_it_shows_itself_and_can_be_saved(tmp_path: Path) -> None:
    plot = lag_plot(lesson(), ())
    bundle = plot._repr_mimebundle_()
    assert re.match(r'<img style="[^"]+" alt="Lag of consumer groups. readers: ', bundle["text/html"])
    assert plot.save(tmp_path / "lag.svg").read_text(encoding="utf-8").startswith("<?xml")
