"""Where the checks of one flow note what they were asked and what they found."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from accord.connectors.types import literal, quote
from accord.sync.cycle import Cycle, Side
from accord.sync.judge.quarantine import owners_of
from accord.sync.quality.score import GAPS, Asked, validation_of

_SHOWN = 3


@dataclass(slots=True)
class Notes:
    """Checks in the order they were made; check n's gaps are in table ``found`` under n."""

    cycle: Cycle
    checks: list[Asked] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.cycle.sql("CREATE TABLE found (n INTEGER, key VARCHAR, reason VARCHAR)")

    def add(
        self,
        dimension: str,
        check: str,
        asked: int,
        bad: int,
        side: Side | None = None,
        *,
        field: str = "",
        place: str = "",
        note: str = "",
    ) -> int:
        """Note a check and return its number, for its gaps. ``place`` is what stands for the binding when it is about several sides."""
        cycle, owners = self.cycle, owners_of(self.cycle.map, self.cycle.flow.name)
        entity, flow = cycle.entity.name, cycle.flow.name
        resource = f"{side.binding.holder}/{side.binding.resource}" if side else ""
        who = owners[side.name if side else ""]
        place = place or (side.name if side else "")
        self.checks.append(Asked(validation_of(dimension), check, flow, entity, place, resource, field, who, asked, bad, note=note))
        return len(self.checks) - 1

    def gap(self, number: int, key: str | None, reason: str) -> None:
        """Note one gap of a check that is not found by a query."""
        self.cycle.con.execute("INSERT INTO found VALUES (?, ?, ?)", [number, key, reason])

    def gaps(self, query: str) -> None:
        """Note the gaps a query gives as n, key, reason."""
        self.cycle.sql(f"INSERT INTO found {query}")

    def finish(self) -> None:
        """Make table ``gaps`` with the columns of ``GAPS`` in a fixed order, and give the checks their examples."""
        cycle = self.cycle
        columns = [c for c in GAPS if c not in ("key", "reason")]
        rows = ", ".join(f"({n}, {', '.join(literal(getattr(check, c)) for c in columns)})" for n, check in enumerate(self.checks))
        told = f"SELECT * FROM (VALUES {rows}) t(n, {', '.join(map(quote, columns))})" if rows else "SELECT 0 AS n WHERE false"
        kept = ", ".join(f"c.{quote(c)}" for c in columns) if rows else ", ".join(f"'' AS {quote(c)}" for c in columns)
        cycle.sql(f"CREATE TABLE gaps AS SELECT {kept}, f.key, f.reason FROM found f JOIN ({told}) c ON c.n = f.n ORDER BY ALL")
        shown: dict[int, list[str]] = {}
        ranked = f"SELECT n, key, reason FROM found QUALIFY row_number() OVER (PARTITION BY n ORDER BY key, reason) <= {_SHOWN}"
        for number, key, reason in cycle.sql(f"{ranked} ORDER BY n, key, reason"):
            shown.setdefault(int(str(number)), []).append(f"{key}: {reason}" if key else str(reason))
        self.checks = [replace(c, examples=tuple(shown.get(n, ()))) for n, c in enumerate(self.checks)]
