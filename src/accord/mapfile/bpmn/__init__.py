"""Processes as BPMN 2.0: from a map to a diagram that other tools show and run, and from such a diagram to a map.

What BPMN has no word for stands in elements and attributes of the name space ``urn:accord:bpmn:1``, and only there, so an exported process
comes back the same. Elements that a map has no place for are refused by name and line; parts of a drawing that change no path are named in
``ImportedProcesses.left_out``.

Source:
    Business Process Model and Notation (BPMN) 2.0.2, OMG formal/13-12-09.
"""

from __future__ import annotations

from accord.mapfile.additions import Addition
from accord.mapfile.bpmn.add import add_processes, processes_text
from accord.mapfile.bpmn.diagram import Diagram, diagram_text, place_of, read_diagram
from accord.mapfile.bpmn.reading import import_bpmn
from accord.mapfile.bpmn.words import BpmnProblems, ImportedProcesses
from accord.mapfile.bpmn.writing import export_bpmn

__all__ = [
    "Addition",
    "BpmnProblems",
    "Diagram",
    "ImportedProcesses",
    "add_processes",
    "diagram_text",
    "export_bpmn",
    "import_bpmn",
    "place_of",
    "processes_text",
    "read_diagram",
]
