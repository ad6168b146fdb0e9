"""Step 1: what stands, what is missing, and the baseline."""

from accord.lifecycle.assess.analysis import AssessAnalysis, analyze

needs = ()

__all__ = ["AssessAnalysis", "analyze", "needs"]
