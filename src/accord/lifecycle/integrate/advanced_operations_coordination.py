"""Deliverable: The record of wave 3."""

from __future__ import annotations

from accord.lifecycle.context import StepContext
from accord.lifecycle.integrate.record import wave_record
from accord.lifecycle.integrate.waves import IntegrateAnalysis
from accord.report.document import Document


def build(ctx: StepContext, analysis: IntegrateAnalysis) -> Document:
    """The record of wave 3."""
    return wave_record(ctx, analysis, name="advanced-operations-coordination", title="Advanced operations coordination", waves=(3,))
