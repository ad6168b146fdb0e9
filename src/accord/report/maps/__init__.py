"""Maps: systems and flows, and processes by team, laid out here and drawn as SVG."""

from accord.report.maps.graph import Box, Edge, Layout, Node, Route
from accord.report.maps.integration_map import EdgeStatus, integration_map_picture
from accord.report.maps.layout import lay_out
from accord.report.maps.swimlanes import Passage, ProcessStep, swimlanes_picture

__all__ = [
    "Box",
    "Edge",
    "EdgeStatus",
    "Layout",
    "Node",
    "Passage",
    "ProcessStep",
    "Route",
    "integration_map_picture",
    "lay_out",
    "swimlanes_picture",
]
