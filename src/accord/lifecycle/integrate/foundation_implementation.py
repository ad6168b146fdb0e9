"""Deliverable: The record of waves 1 and 2."""

from __future__ import annotations

from accord.lifecycle.context import StepContext
from accord.lifecycle.integrate.record import wave_record
from accord.lifecycle.integrate.waves import IntegrateAnalysis
from accord.report.document import Document


def build(ctx: StepContext, analysis: IntegrateAnalysis) -> Document:
    """The record of waves 1 and 2."""
    return wave_record(ctx, analysis, name="foundation-implementation", title="Foundation implementation", waves=(1, 2))
