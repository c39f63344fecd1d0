"""The findings as one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib.metadata import version

from kafka_lab.experiments.claims.claim import Finding

__all__ = ["report_html"]

_STYLE = """
body { font: 16px/1.5 "DejaVu Sans", Arial, sans-serif; color: #1f2937; max-width: 62rem; margin: 2rem auto }
body { padding: 0 1rem; background: #fff }
table { border-collapse: collapse; margin: .6rem 0; display: block; overflow-x: auto }
th, td { text-align: left; padding: .25rem .8rem .25rem 0; vertical-align: top }
th, td { border-bottom: 1px solid #d1d5db }
figure { margin: 1rem 0 } img { max-width: 100% }
pre { overflow-x: auto; background: #f3f4f6; padding: .8rem }
a { color: #0072b2 }
"""


def report_html(findings: Sequence[Finding]) -> str:
    """Return a page with a summary and a card for each finding; it has no script and loads nothing."""
    rows = "".join(
        f"<tr><td><a href='#{escape(f.claim)}'>{escape(f.claim)}</a></td><td>{escape(f.sentence)}</td>"
        f"<td><strong>{escape(f.verdict)}</strong></td>"
        f"<td>{'' if f.as_expected else 'expected: ' + escape(f.expected)}</td></tr>"
        for f in findings
    )
    cards = "".join(f"<div id='{escape(f.claim)}'>{f._repr_html_()}</div>" for f in findings)
    agreed = sum(f.as_expected for f in findings)
    return (
        "<!DOCTYPE html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'; style-src 'unsafe-inline'; "
        'img-src data:">'
        f"<title>The textbook on trial</title><style>{_STYLE}</style></head><body>"
        "<h1>The textbook on trial</h1>"
        f"<p>{len(findings)} sentences about Kafka and OpenIM, put before a running cluster by kafka-lab "
        f"{escape(version('kafka-lab'))}. {agreed} verdicts are what the documentation lets one expect.</p>"
        "<table><thead><tr><th scope='col'>claim</th><th scope='col'>the sentence</th>"
        f"<th scope='col'>verdict</th><th scope='col'></th></tr></thead><tbody>{rows}</tbody></table>"
        f"{cards}</body></html>"
    )
