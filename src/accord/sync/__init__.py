"""Keep systems in agreement: capture ▸ validate ▸ merge ▸ apply ▸ reconcile."""

from accord.sync.flows import Ran, run_flows
from accord.sync.order import flow_order, rests_on
from accord.sync.proof.reconcile import reconcile
from accord.sync.result import FlowResult, PairResult, Reconciliation, TargetPlan
from accord.sync.run import run_flow

__all__ = [
    "FlowResult",
    "PairResult",
    "Ran",
    "Reconciliation",
    "TargetPlan",
    "flow_order",
    "reconcile",
    "rests_on",
    "run_flow",
    "run_flows",
]
