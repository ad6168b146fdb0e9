"""How a campaign goes from brief to launch: five teams, four handoffs, three gates."""

from __future__ import annotations

from datetime import datetime
from random import Random
from typing import Final

from accord_marketing_operations.organization.calendar import BERLIN, utc
from accord_marketing_operations.organization.floor import Floor, Then, minutes_later
from accord_marketing_operations.organization.world import Row, World

_PASS: Final = {"brief": 0.86, "review": 0.82, "publish": 0.94}
_GATE_OF: Final = {"brief": "GTE-01", "review": "GTE-02", "publish": "GTE-03"}
_WAIVED: Final = 0.02  # shipped although the gate was not passed


def run_year(world: World, random: Random) -> None:
    """Let every planned campaign be worked on; fills tasks, handoffs, gate results, time entries and what became of the plans."""
    floor = Floor(world, random)
    deliverables: dict[str, list[Row]] = {}
    for deliverable in world.deliverable:
        deliverables.setdefault(deliverable["campaign_id"], []).append(deliverable)
    for campaign in world.campaign:
        mine = deliverables.get(campaign["id"], [])
        if mine:
            # Not before its time: whoever takes a task on is booked from then on.
            floor.at(_local(campaign["planned_start"]), _Story(floor, campaign, mine).begin)
    floor.run()
    _settle_milestones(world)


class _Story:
    """One campaign on its way; every method is called when its moment has come."""

    def __init__(self, floor: Floor, campaign: Row, deliverables: list[Row]) -> None:
        self.floor, self.campaign, self.deliverables = floor, campaign, deliverables
        self.waiting = {d["id"] for d in deliverables if d["mandatory"]}
        self.gates = {gate["id"]: gate for gate in floor.world.gate}

    def begin(self, start: datetime) -> None:
        minutes = self.floor.random.randrange(240, 720, 15)
        task = self.floor.open_task("brief", "marketing", minutes, self.campaign, None, start)
        version = self.floor.random.choice((1, 1, 1, 2))
        brief: Row = {
            "id": f"BRF-{len(self.floor.world.brief) + 1:04d}",
            "campaign_id": self.campaign["id"],
            "version": version,
            "required_by": utc(_local(self.deliverables[0]["due_at"])),
            "approved_at": None,
        }
        self.floor.world.brief.append(brief)
        self._status("active", start)
        self.floor.work(task, minutes, start, lambda now: self._brief_done(task, minutes, brief, now))

    def _brief_done(self, task: Row, minutes: int, brief: Row, now: datetime) -> None:
        if not self._gate("brief", task, now):
            self.floor.reopen(task, minutes // 4, now, lambda done: self._brief_done(task, minutes, brief, done))
            return
        brief["approved_at"] = utc(now)
        plan_minutes = self.floor.random.randrange(180, 420, 15)
        plan = self.floor.open_task("plan", "operations_planning", plan_minutes, self.campaign, None, now)

        def accepted(moment: datetime, handoff: Row) -> None:
            self.floor.work(plan, plan_minutes, moment, lambda done: self._plan_done(plan, plan_minutes, done), started=_start(handoff))

        self.floor.hand_over(task, minutes, plan, now, accepted)

    def _plan_done(self, plan: Row, minutes: int, now: datetime) -> None:
        for deliverable in self.deliverables:
            self._produce(deliverable, plan, minutes, now)

    def _produce(self, deliverable: Row, plan: Row, plan_minutes: int, now: datetime) -> None:
        # People need a little more than the standard on average, with the long tail of real estimates.
        minutes = round(float(deliverable["std_hours"]) * 60 * self.floor.random.lognormvariate(0.02, 0.25))
        task = self.floor.open_task("produce", "creative_studio", int(deliverable["std_hours"] * 60), self.campaign, deliverable, now)

        def started(handoff: Row, moment: datetime) -> None:
            handoff["started_at"] = utc(moment)
            deliverable["assignee"] = task["assignee"]
            self._move(deliverable, "in_production", moment)

        def accepted(moment: datetime, handoff: Row) -> None:
            self.floor.work(
                task,
                minutes,
                moment,
                lambda done: self._review(deliverable, task, minutes, done),
                started=lambda begun: started(handoff, begun),
            )

        self.floor.hand_over(plan, plan_minutes // len(self.deliverables), task, now, accepted)

    def _review(self, deliverable: Row, produced: Row, produced_minutes: int, now: datetime) -> None:
        deliverable["version"] += 1
        self._move(deliverable, "in_review", now)
        minutes = self.floor.random.randrange(45, 180, 15)
        task = self.floor.open_task("review", "brand_legal", minutes, self.campaign, deliverable, now)

        def reviewed(moment: datetime) -> None:
            if self._gate("review", task, moment):
                deliverable["accepted_at"] = utc(moment)
                self._move(deliverable, "approved", moment)
                self._publish(deliverable, task, minutes, moment)
                return
            self._move(deliverable, "in_production", moment)
            self.floor.reopen(produced, round(produced_minutes * 0.2), moment, again)

        def again(moment: datetime) -> None:
            deliverable["version"] += 1
            self._move(deliverable, "in_review", moment)
            self.floor.reopen(task, minutes // 2, moment, reviewed)

        def accepted(moment: datetime, handoff: Row) -> None:
            self.floor.work(task, minutes, moment, reviewed, started=_start(handoff))

        self.floor.hand_over(produced, produced_minutes, task, now, accepted)

    def _publish(self, deliverable: Row, reviewed: Row, reviewed_minutes: int, now: datetime) -> None:
        minutes = self.floor.random.randrange(30, 120, 15)
        task = self.floor.open_task("publish", "channel_operations", minutes, self.campaign, deliverable, now)

        def ready(moment: datetime) -> None:
            if not self._gate("publish", task, moment):
                self.floor.reopen(task, 30, moment, ready)
                return
            self._go_out(deliverable, moment)

        def accepted(moment: datetime, handoff: Row) -> None:
            self.floor.work(task, minutes, moment, ready, started=_start(handoff))

        self.floor.hand_over(reviewed, reviewed_minutes, task, now, accepted)

    def _go_out(self, deliverable: Row, now: datetime) -> None:
        random = self.floor.random
        planned = _local(self.campaign["planned_launch"])
        publication: Row = {
            "id": f"PUB-{len(self.floor.world.publication) + 1:05d}",
            "deliverable_id": deliverable["id"],
            "campaign_id": self.campaign["id"],
            "channel": deliverable["channel"],
            "planned_at": utc(planned),
            "published_at": None,
            "corrected_at": None,
            "status": "scheduled",
        }
        self.floor.world.publication.append(publication)

        def published(moment: datetime) -> None:
            publication["published_at"] = utc(moment)
            publication["status"] = "published"
            self._move(deliverable, "published", moment)
            if random.random() < 0.06:
                self.floor.at(minutes_later(moment, random.randrange(90, 6000)), corrected)

        def corrected(moment: datetime) -> None:
            publication["corrected_at"] = utc(moment)
            publication["status"] = "corrected"

        self.floor.at(minutes_later(max(now, planned), random.choice((1, 2, 3, 5, 8, 12, 14, 25))), published)
        self.waiting.discard(deliverable["id"])
        if not self.waiting and self.campaign["launched_at"] is None:
            self.floor.at(max(now, planned), self._launched)

    def _launched(self, now: datetime) -> None:
        if self.campaign["launched_at"] is None:
            self.campaign["launched_at"] = utc(now)
            self.campaign["updated_at"] = utc(now)
            end = max(_local(self.campaign["planned_end"]), now)
            self.floor.at(end, lambda done: self._status("done", done))

    def _gate(self, step: str, task: Row, now: datetime) -> bool:
        """Judge a piece of work and write the verdict down; ``True`` when the work goes on, passed or waived."""
        random = self.floor.random
        gate = self.gates[_GATE_OF[step]]
        passed = random.random() < _PASS[step]
        threshold = int(gate["threshold"])
        failed = () if passed else random.sample(str(gate["checks"]).split(","), random.choice((1, 1, 2)))
        self.floor.world.gate_result.append(
            {
                "id": f"GTR-{len(self.floor.world.gate_result) + 1:05d}",
                "gate": gate["id"],
                "object": task["deliverable_id"] or task["campaign_id"],
                "campaign_id": task["campaign_id"],
                "at": utc(now),
                "passed": passed,
                "score": random.randrange(threshold, 101) if passed else random.randrange(threshold - 40, threshold),
                "attempt": task["attempt"] if step != "review" else self._reviews(task) + 1,
                "failed_checks": ",".join(failed) or None,
            }
        )
        return passed or random.random() < _WAIVED

    def _reviews(self, task: Row) -> int:
        """How often the deliverable of a review has been judged before."""
        return sum(1 for g in self.floor.world.gate_result if g["gate"] == "GTE-02" and g["object"] == task["deliverable_id"])

    def _status(self, status: str, now: datetime) -> None:
        self.campaign["status"] = status
        self.campaign["updated_at"] = utc(now)

    def _move(self, deliverable: Row, status: str, now: datetime) -> None:
        deliverable["status"] = status
        deliverable["updated_at"] = utc(now)


def _start(handoff: Row) -> Then:
    """What to call when the receiving team begins."""

    def note(moment: datetime) -> None:
        handoff["started_at"] = utc(moment)

    return note


def _local(moment: datetime) -> datetime:
    return moment.astimezone(BERLIN).replace(tzinfo=None)


def _settle_milestones(world: World) -> None:
    """Milestones follow the campaign: reached when what they stand for has happened."""
    campaigns = {c["id"]: c for c in world.campaign}
    approved = {b["campaign_id"]: b["approved_at"] for b in world.brief}
    for milestone in world.milestone:
        campaign = campaigns[milestone["campaign_id"]]
        reached = {
            "brief approved": approved.get(campaign["id"]),
            "content complete": campaign["launched_at"],
            "launch": campaign["launched_at"],
            "closed": campaign["updated_at"] if campaign["status"] == "done" else None,
        }[milestone["name"]]
        if campaign["status"] == "cancelled":
            milestone["status"] = "dropped"
        elif reached is not None:
            milestone["status"] = "reached"
            milestone["updated_at"] = reached
