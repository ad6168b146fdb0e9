"""What the people know at their desks: efforts, answers to forms, and whom they tell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from accord.model.errors import UsageError
from accord.work import Task
from accord.work.inbox import show
from accord_marketing_operations.simulate.habits import Habits
from accord_marketing_operations.simulate.office import Office
from accord_marketing_operations.simulate.plans import Plan

# Step: fewest and most working minutes. What is made takes a share of its standard hours instead.
_MINUTES: Final = {
    "brief": (240, 720),
    "plan": (180, 420),
    "review": (45, 180),
    "publish": (30, 120),
    "order": (15, 45),
    "hand_in": (10, 30),
    "approve": (15, 60),
    "correct": (60, 240),
    "respond": (10, 60),
    "open": (5, 15),
    "fix": (60, 300),
}
_OTHERS: Final = (15, 90)
_SHARES: Final = {"produce": 0.65, "edit": 0.15, "design": 0.2}
_CHECKS: Final = {"review": ("brand", "legal", "spelling", "accessibility"), "publish": ("links", "sizes", "consent", "tracking")}
_FORMATS: Final = {"video": "mp4", "banner": "png", "social_post": "png", "email": "html", "landing_page": "html"}
Answer = dict[str, Any]


class PackDesk:
    """The pack's processes as the people of the sample organization carry them out.

    Args:
        office: where they work.
        plans: the campaigns, by id.
        people: what each can give: id, team, hours a day.
    """

    def __init__(self, office: Office, plans: dict[str, Plan], people: list[dict[str, Any]]) -> None:
        self._office, self._plans, self._people = office, plans, people
        self._random: Random = office.random
        self._habits: Habits = office.habits
        self._items = {item["id"]: (item, plan) for plan in plans.values() for item in plan.items}
        self._versions: Counter[str] = Counter()
        self._tickets: dict[str, tuple[str, bool]] = {}
        self._taken: dict[str, list[str]] = {}

    def minutes(self, task: Task) -> int:
        """Efforts are those of the year before."""
        if task.step in _SHARES and task.case in self._items:
            hours = float(self._items[task.case][0]["std_hours"])
            return max(15, round(hours * 60 * _SHARES[task.step] * self._random.lognormvariate(0.02, 0.25)))
        return self._random.randrange(*_MINUTES.get(task.step, _OTHERS), 5)

    def answer(self, task: Task) -> Answer:
        """What the form of the step asks for."""
        fill: Callable[[Task], Answer] | None = getattr(self, f"_fill_{task.step}", None)
        return fill(task) if fill else _PLAIN.get((task.process, task.step), {}) | {}

    def done(self, task: Task) -> None:
        """Whoever has to be told of it is told."""
        tell: Callable[[Task], None] | None = getattr(self, f"_after_{task.step}", None)
        if tell:
            tell(task)

    def report(self, ticket: str, deliverable: str) -> None:
        """A customer calls; about a deliverable, or about something else when it is empty."""
        self._tickets[ticket] = (deliverable, bool(deliverable))
        self._signal("ticket.reported", ticket, {})

    def _signal(self, message: str, key: str, content: Answer, *, by: str = "Nils Adler") -> tuple[str, ...]:
        identity = f"{message}:{key}:{self._office.now:%m%dT%H%M%S}"
        try:
            return self._office.command("signal").signal(message, key=key, content=content, by=by, id=identity)
        except UsageError:  # it came after nobody waited any more, which the log records
            self._office.counts["message too late"] += 1
            return ()

    def request(self, plan: Plan) -> None:
        """Marketing wants a campaign."""
        content = {"campaign": plan.id, "kinds_to_agree": plan.kinds_to_agree}
        reached = self._signal("campaign.requested", plan.id, content, by="Ana Adler")
        plan.instance = reached[0]

    def _fill_brief(self, task: Task) -> Answer:
        plan = self._plans[task.case]
        good = self._random.random() < self._habits.passes_brief
        return {
            "goal": plan.goal,
            "audience": "customers",
            "budget": plan.budget if good else 0,
            "begins": plan.begins.date().isoformat(),
            "launch": plan.launch.date().isoformat(),
            "version": 1,
            "items": plan.items,
        }

    def _fill_plan(self, task: Task) -> Answer:
        # Of the hours of a day some are free for this campaign.
        free = self._random.choice((2.0, 3.0, 4.0))
        return {"people": [person | {"hours": free} for person in self._people], "notes": "as agreed"}

    def _fill_negotiate(self, task: Task) -> Answer:
        plan = self._plans[task.case]
        plan.launch += timedelta(days=14)
        plan.moved += timedelta(days=14)
        return {"choice": "later_launch", "launch": plan.launch.date().isoformat(), "items": plan.items}

    def _fill_approve_allocation(self, task: Task) -> Answer:
        return {"approved_hours": sum(float(i["std_hours"]) for i in self._plans[task.case].items)}

    def _fill_content_strategy(self, task: Task) -> Answer:
        return {"items": self._plans[task.case].items, "items_incomplete": 0}

    def _fill_retrospective(self, task: Task) -> Answer:
        one = {"id": f"IMP-{task.case}", "metric": "first_pass_yield"}
        return {"actions": [one] if self._random.random() < 0.3 else []}

    def _fill_order(self, task: Task) -> Answer:
        item, plan = self._items[task.case]
        wanted = _FORMATS.get(str(item["kind"]), "pdf")
        return {"instructions": f"{item['kind']} for {item['channel']}", "wanted_at": plan.launch.isoformat(), "wanted_format": wanted}

    def _made(self, task: Task) -> Answer:
        return {"file": self._file(task), "sources_cleared": True}

    def _file(self, task: Task, *, right: bool = True) -> str:
        wanted = _FORMATS.get(str(self._items[task.case][0]["kind"]), "pdf")
        return f"content/{task.case}/{self._versions[task.case]}.{wanted if right else 'raw'}"

    def _hours(self, task: Task) -> float:
        """What is put down for a correction, in quarters of an hour."""
        return round(self.minutes(task) / 15) / 4

    def _fill_produce(self, task: Task) -> Answer:
        return self._made(task)

    def _fill_hand_in(self, task: Task) -> Answer:
        self._versions[task.case] += 1
        # Of the four reasons for sending work back a check before the offer finds incomplete work and missing approvals, and a wrong format
        # where the gate looks at it.
        drawn = self._random.random() / self._habits.rejected if task.attempt == 1 else 1.0
        lacking, found = drawn < 1 - self._habits.left_after_checks, drawn < 1 - self._office.left(task)
        file = self._file(task, right=lacking or not found)
        return {"file": file, "version": self._versions[task.case], "sources_cleared": not lacking}

    def _fill_correct(self, task: Task) -> Answer:
        self._versions[task.case] += 1
        return {**self._made(task), "version": self._versions[task.case], "hours": self._hours(task)}

    def _fill_repair(self, task: Task) -> Answer:
        self._versions[task.case] += 1
        return {"file": self._file(task), "version": self._versions[task.case], "hours": self._hours(task)}

    def _judged(self, task: Task, share: float) -> Answer:
        checks = _CHECKS[task.step]
        wrong = "" if self._random.random() < share else self._random.choice(checks)
        return {name: name != wrong for name in checks}

    def _fill_review(self, task: Task) -> Answer:
        said = self._judged(task, self._habits.passes_review)
        return said if all(said.values()) else {**said, "defect_in_version": self._versions[task.case]}

    def _fill_publish(self, task: Task) -> Answer:
        taken = self._taken.setdefault(self._items[task.case][0]["channel"], [])
        given = [*taken]
        taken.append(self._items[task.case][1].launch.isoformat())
        return {**self._judged(task, self._habits.passes_publish), "taken": given}

    def _fill_open(self, task: Task) -> Answer:
        deliverable, content = self._tickets[task.case]
        told: Answer = {"deliverable": deliverable} if content else {}
        return {"severity": self._random.choice(("low", "normal", "high")), "about_content": content, **told}

    def _fill_assess(self, task: Task) -> Answer:
        deliverable = self._tickets[task.case][0]
        return {"defect_text": "a wrong price", "deliverable": deliverable, "version": max(1, self._versions[deliverable])}

    def _fill_check_fix(self, task: Task) -> Answer:
        return {"fixed": self._random.random() < self._habits.passes_review}

    def _fill_wanted_by_brand(self, task: Task) -> Answer:
        return {"brand_checks": ["brand", "legal", "spelling", "accessibility"], "brand_threshold": 80}

    def _fill_wanted_by_studio(self, task: Task) -> Answer:
        same = self._random.random() < 0.6
        return {"studio_checks": ["brand", "legal", "spelling", *(["accessibility"] if same else [])], "studio_threshold": 80}

    def _fill_joint_planning(self, task: Task) -> Answer:
        # Whom finance objects to gives up a week; what has begun stays.
        for plan in self._plans.values():
            if task.number > 1 and plan.id == self._dearest() and plan.begins > self._office.now:
                plan.moved += timedelta(days=7)
        return {"plan_version": task.number, "planned": [row for _, plan in sorted(self._plans.items()) for row in self._planned(plan)]}

    def _dearest(self) -> str:
        ahead = [plan for plan in self._plans.values() if plan.begins > self._office.now and not plan.called_off]
        return max(ahead, key=lambda plan: (plan.budget, plan.id)).id if ahead else ""

    def _planned(self, plan: Plan) -> list[dict[str, str]]:
        """When the production of each deliverable is to begin: its standard hours, four a day, before it is due, moved as agreed."""
        rows = []
        for item in plan.items:
            due = datetime.fromisoformat(str(item["due"])) + plan.moved
            begins = max(plan.begins, due - timedelta(days=float(item["std_hours"]) / 4))
            rows.append({"task": str(item["id"]), "campaign": plan.id, "begins": begins.date().isoformat()})
        return [] if plan.called_off else rows

    def _fill_sign_finance(self, task: Task) -> Answer:
        # The first plan of a month is over its budget; the second is not.
        return {"finance_signs": task.number > 1, **({"objection": "over budget"} if task.number == 1 else {})}

    def _fill_view_of_operations(self, task: Task) -> Answer:
        expected = show(self._office.store, task.instance)[0].variables["recommendation"]["expected_effect"]
        return {"operations_agree": float(expected) >= self._habits.worth_hours}

    def _fill_judge(self, task: Task) -> Answer:
        # What showed no effect is taken back.
        return {"keep": show(self._office.store, task.instance)[0].variables["measured"]["verdict"] == "better"}

    def _fill_joint_execution(self, task: Task) -> Answer:
        open_ = self._office.work.tasks()
        overdue = [t for t in open_ if t.due_at is not None and t.due_at < self._office.now]
        return {"running": len(open_), "overdue": len(overdue)}

    def _after_test_alert(self, task: Task) -> None:
        owners = {route["owner"] for route in show(self._office.store, task.instance)[0].variables["routes"]}
        # Whose way was repaired is heard.
        unheard = sum(self._random.random() >= self._habits.answers_alert for _ in owners) if task.number == 1 else 0
        if unheard < len(owners):
            said = {"acknowledged": True, "unheard": unheard}
            self._office.at(self._office.later(20), lambda: self._heard(task.case, said))

    def _heard(self, case: str, said: Answer) -> None:
        self._signal("alert.acknowledged", case, said, by="Paul Conrad")

    def _after_go_live(self, task: Task) -> None:
        if self._random.random() < self._habits.defects:
            ticket = f"TCK-9{len(self._tickets):04d}"
            self._tickets[ticket] = (task.case, True)
            self._office.at(self._office.later(self._random.randrange(60, 480)), lambda: self.report(ticket, task.case))

    def _after_assess(self, task: Task) -> None:
        deliverable = self._tickets[task.case][0]
        self._signal("defect.found", deliverable, {"defect_text": "a wrong price"}, by="Hugo Hahn")


_PLAIN: Final[dict[tuple[str, str], Answer]] = {
    ("content_delivery", "approve"): {"released": True},
    ("quality_alignment", "settle"): {"checks": ["brand", "legal", "spelling", "accessibility"], "threshold": 80},
    ("quality_alignment", "sign_brand"): {"brand_signs": True},
    ("quality_alignment", "sign_studio"): {"studio_signs": True},
    ("optimization", "decide"): {"marketing_agrees": True},
    ("optimization", "realised"): {"confirmed": True},
    ("improvement", "propose"): {"hypothesis": "a checklist before the hand-in", "metric": "first_pass_yield"},
    ("joint_cycles", "sign_marketing"): {"marketing_signs": True},
    ("joint_cycles", "sign_creative"): {"creative_signs": True},
    ("joint_cycles", "sign_channels"): {"channels_sign": True},
    ("joint_cycles", "joint_monitoring"): {"kpis_on_target": 3},
    ("map_change", "describe"): {"reason": "the tracker has a new field"},
    ("map_change", "propose"): {"change": "entities.yaml: deliverable.language", "lint_errors": 0},
    ("map_change", "try_out"): {"expected_rows_changed": 0},
    ("map_change", "approve_marketing"): {"marketing_approves": True},
    ("map_change", "approve_operations"): {"operations_approve": True},
    ("map_change", "verify"): {"shadow_differences": 0, "shadow_report": "reports/shadow.md"},
}
