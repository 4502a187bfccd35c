"""Self-contained HTML pages: evaluation reports and contact sheets.

Each page is one file without any outside reference: styles and script are inline, photos are
embedded as small JPEGs, each of them once. It opens from a disk, from an e-mail and on a phone.
"""

from __future__ import annotations

from steeple.report.matches import show_matches
from steeple.report.model import (
    Curve,
    EvaluationReport,
    Guide,
    Line,
    Mark,
    Origin,
    Row,
    Sample,
    Table,
    Tile,
    Why,
)
from steeple.report.pages import write_contact_sheet, write_curve, write_evaluation_report

__all__ = [
    "Curve",
    "EvaluationReport",
    "Guide",
    "Line",
    "Mark",
    "Origin",
    "Row",
    "Sample",
    "Table",
    "Tile",
    "Why",
    "show_matches",
    "write_contact_sheet",
    "write_curve",
    "write_evaluation_report",
]
