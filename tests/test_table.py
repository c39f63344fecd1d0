from __future__ import annotations

from kafka_lab.table import Table


def test_html_is_escaped() -> None:
    assert "<script>" not in Table(("text",), [("<script>alert(1)</script>",)]).to_html()


def test_wide_characters_are_aligned() -> None:
    lines = Table(("who", "what"), [("系统", "x"), ("ab", "y")]).to_text().splitlines()
    assert lines[1] == "系统  x"
    assert lines[2] == "ab    y"
