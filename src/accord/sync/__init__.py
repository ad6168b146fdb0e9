"""Keep systems in agreement: capture ▸ validate ▸ merge ▸ apply ▸ reconcile."""

from accord.sync.order import flow_order
from accord.sync.proof.reconcile import reconcile
from accord.sync.result import FlowResult, PairResult, Reconciliation, TargetPlan
from accord.sync.run import run_flow

__all__ = ["FlowResult", "PairResult", "Reconciliation", "TargetPlan", "flow_order", "reconcile", "run_flow"]
