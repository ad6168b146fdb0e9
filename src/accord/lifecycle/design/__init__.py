"""Step 2: canonical model, mappings, contracts, standards and measurement, as a proposed change to the map."""

from accord.lifecycle.design.analysis import DesignAnalysis, analyze

needs = ("assess",)

__all__ = ["DesignAnalysis", "analyze", "needs"]
