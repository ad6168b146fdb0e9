"""Rows with unknown keys recognized by the map's rules, set-based, without ever deciding what is ambiguous.

Rows are nodes; rows known to be the same thing are one component (column ``k``: the canonical id, or a control character and a number).
Each rule in turn gives candidate pairs of components; only a pair in which each is the other's single best candidate in that system is
united. Two rows of one system are never united. What is left over between components are proposals, and the rows they are about wait.
"""

from __future__ import annotations

from accord.connectors.types import literal, quote
from accord.model.figure import Finding
from accord.model.identity import MatchRule
from accord.sync.cycle import Cycle, names
from accord.sync.identity.links import PROPOSAL_ENDS, proposals_query
from accord.sync.identity.normal import Measure, block_form, comparable, normal_form
from accord.sync.identity.own_key import canonical_id
from accord.sync.identity.splink_model import weighed_pairs

LARGEST_BLOCK = 2000  # rows with one and the same value; a larger group says nothing about who is who and costs its square
SHOWN = 3  # proposals per row


def match(cycle: Cycle) -> None:
    """Decide about each row of ``present`` without canonical id: fill it in, or give the reason why it waits.

    Fills ``matched`` (side, own, rule, score: how a row was recognized) and ``proposals_new``.
    """
    entity = cycle.entity
    assert entity.identity is not None
    rules = list(entity.identity.match.values())
    cycle.sql("CREATE OR REPLACE TABLE matched (side INTEGER, own VARCHAR, rule VARCHAR, score DOUBLE)")
    if not rules:
        return
    _make_nodes(cycle, rules)
    make_rejected(cycle)
    cycle.sql("CREATE OR REPLACE TABLE pending (lk0 VARCHAR, rk0 VARCHAR, rule VARCHAR, score DOUBLE, why VARCHAR)")
    for rule in sorted(rules, key=lambda r: r.decide == "review"):
        find_pairs(cycle, rule)
        if rule.decide == "auto":
            _sort_pairs(cycle)
            _unite(cycle, rule)
        else:
            cycle.sql(f"INSERT INTO pending SELECT lk0, rk0, {literal(rule.name)}, score, 'for review' FROM pair")
    cycle.sql(
        "UPDATE present p SET canonical = n.k FROM node n WHERE NOT n.known AND p.side = n.side AND p.own = n.own AND n.k[1] <> '\x01'"
    )
    _hold(cycle)
    _name_united(cycle)
    _propose(cycle)


def _make_nodes(cycle: Cycle, rules: list[MatchRule]) -> None:
    """``node``: every unknown row, and each known id once per set of values some system shows or that is agreed; ``held_by``: k → side."""
    key = quote(cycle.keys[0])
    used = [f for f in cycle.fields if f in {part for rule in rules for part in fields_of(rule)} and f not in cycle.keys]
    fields = names(used)
    unknown, known = [], []
    for side in cycle.sides:
        rows = f"{side.table('cap')} c JOIN present p ON p.side = {side.index} AND p.own = CAST(c.{key} AS VARCHAR) AND NOT p.aside"
        picked = ", ".join(f"any_value(c.{quote(f)}) AS {quote(f)}" for f in used)
        new = "p.canonical IS NULL AND p.reason IS NULL"
        unknown.append(f"SELECT {side.index} AS side, p.own, {picked} FROM {rows} WHERE {new} GROUP BY p.own")
        known.append(f"SELECT p.canonical AS k, {names(used, 'c')} FROM {rows} WHERE p.canonical IS NOT NULL")
    agreed = f"SELECT coalesce(d.winner, CAST(g.{key} AS VARCHAR)), {names(used, 'g')} FROM golden0 g"
    known.append(f"{agreed} LEFT JOIN dead d ON d.loser = CAST(g.{key} AS VARCHAR)")
    cycle.sql(f"""
        CREATE OR REPLACE TABLE node AS
        SELECT row_number() OVER (ORDER BY side, own) AS n, side, own, false AS known, '\x01' || n AS k0, '\x01' || n AS k, {fields}
        FROM ({" UNION ALL ".join(unknown)})
        UNION ALL SELECT NULL, -1, NULL, true, k, k, {fields} FROM ({" UNION ".join(known)})""")
    cycle.sql("""
        CREATE OR REPLACE TABLE held_by AS
        SELECT DISTINCT canonical AS k, side FROM present WHERE canonical IS NOT NULL AND NOT aside
        UNION SELECT DISTINCT k, -1 FROM node WHERE known
        UNION ALL SELECT k, side FROM node WHERE NOT known""")


def fields_of(rule: MatchRule) -> tuple[str, ...]:
    """Every field a rule looks at."""
    return (*rule.exact, *rule.normalized, *rule.fuzzy, *(b.partition(" ")[0] for b in rule.block), *rule.agree)


def make_rejected(cycle: Cycle) -> None:
    """``rejected``: pairs of components (as they were at the start) that a person said are different things, both ways round."""
    cycle.sql("CREATE OR REPLACE TABLE decided (lr VARCHAR, lo VARCHAR, rr VARCHAR, ro VARCHAR)")
    rows = cycle.store.table("identity_decision").to_pylist()
    ends = ("left_resource", "left_key", "right_resource", "right_key")
    mine = [[r[e] for e in ends] for r in rows if r["entity"] == cycle.entity.name and r["decision"] == "rejected"]
    if mine:
        cycle.con.executemany("INSERT INTO decided VALUES (?, ?, ?, ?)", mine)
    ends_now = """
        SELECT resource, own_key AS own, canonical AS k FROM links
        UNION ALL SELECT p.resource, p.own, n.k0 FROM node n JOIN present p USING (side, own) WHERE NOT n.known"""
    cycle.sql(f"""
        CREATE OR REPLACE TABLE rejected AS WITH e AS ({ends_now}), d AS (
            SELECT coalesce(l.k, dl.winner, CASE WHEN lr = '' THEN lo END) AS a,
                coalesce(r.k, dr.winner, CASE WHEN rr = '' THEN ro END) AS b
            FROM decided LEFT JOIN dead dl ON lr = '' AND dl.loser = lo LEFT JOIN dead dr ON rr = '' AND dr.loser = ro
            LEFT JOIN e l ON l.resource = lr AND l.own = lo LEFT JOIN e r ON r.resource = rr AND r.own = ro)
        SELECT a, b FROM d WHERE a IS NOT NULL AND b IS NOT NULL UNION SELECT b, a FROM d WHERE a IS NOT NULL AND b IS NOT NULL""")


def find_pairs(cycle: Cycle, rule: MatchRule) -> None:
    """Fill ``pair`` (lk, rk, score; lk0, rk0 of the best rows in it) with components the rule takes for the same, each pair once."""
    blocks = len(rule.block) if rule.model else len(rule.exact) + len(rule.normalized) + len(rule.block)
    _make_keyed(cycle, rule, blocks)
    holds = [f"coalesce(l.a{i} = r.a{i}, true)" for i in range(len(rule.agree))]
    if rule.model or rule.fuzzy:
        # Likeness alone says little within one system: two of a family look as alike as one person written twice.
        holds.append("l.side <> r.side")
    if rule.model:
        near = " AND ".join([pair_condition(), *holds, *(f"l.e{i} = r.e{i}" for i in range(blocks))])
        if not cycle.count(f"SELECT count(*) FROM (SELECT 1 FROM keyed l JOIN keyed r ON {near} LIMIT 1)"):
            collect_pairs(cycle, "SELECT k, k, k0, k0, 0.0 FROM keyed WHERE false")  # nobody to weigh: a model may not even be trained then
            return
        weighed_pairs(cycle, rule, blocks)
        ways = "SELECT a, b, score FROM weighed UNION ALL SELECT b, a, score FROM weighed"
        rows = f"({ways}) w JOIN keyed l ON l.rowid = w.a JOIN keyed r ON r.rowid = w.b"
        collect_pairs(cycle, f"SELECT l.k, r.k, l.k0, r.k0, w.score FROM {rows} WHERE {' AND '.join([pair_condition(), *holds])}")
        return
    measures = [Measure.parse(text, place=rule.place) for text in rule.fuzzy.values()]
    holds += [f"l.e{i} = r.e{i}" for i in range(blocks)] + [m.holds(f"l.f{i}", f"r.f{i}") for i, m in enumerate(measures)]
    score = f"({' + '.join(m.score(f'l.f{i}', f'r.f{i}') for i, m in enumerate(measures))}) / {len(measures)}" if measures else "1.0"
    on = " AND ".join([pair_condition(), *holds])
    collect_pairs(cycle, f"SELECT l.k, r.k, l.k0, r.k0, {score} FROM keyed l JOIN keyed r ON {on}")


def _make_keyed(cycle: Cycle, rule: MatchRule, blocks: int) -> None:
    """``keyed``: the rows with what the rule looks at: e0… must be equal, f0… are measured, a0… must not differ, c0… are for a model."""
    entity = cycle.entity
    equal = [*(quote(f) for f in rule.exact), *(normal_form(entity, f) for f in rule.normalized)]
    compared = [*equal, *(comparable(f) for f in rule.fuzzy)] if rule.model else []
    equal = ([] if rule.model else equal) + [block_form(entity, b) for b in rule.block]
    columns = ["n, side, known, k0, k", *(f"{sql} AS e{i}" for i, sql in enumerate(equal))]
    columns += [f"CAST({sql} AS VARCHAR) AS c{i}" for i, sql in enumerate(compared)]
    columns += [f"{comparable(f)} AS f{i}" for i, f in enumerate(rule.fuzzy)] + [f"{quote(f)} AS a{i}" for i, f in enumerate(rule.agree)]
    some = " AND ".join(f"e{i} IS NOT NULL" for i in range(blocks))
    group = ", ".join(f"e{i}" for i in range(blocks))
    # Known rows are kept only where an unknown one could meet them; with few new rows that is most of the saving. A model learns from all.
    near = "" if rule.model else f"SEMI JOIN (SELECT DISTINCT {group} FROM every WHERE NOT known) USING ({group})"
    order = "ORDER BY n, k, e0" if rule.model else ""
    every = f"SELECT * FROM (SELECT {', '.join(columns)} FROM node) WHERE {some}"
    cycle.sql(f"CREATE OR REPLACE TEMP TABLE keyed AS WITH every AS MATERIALIZED ({every}) SELECT * FROM every {near} {order}")
    large = f"SELECT {group} FROM keyed GROUP BY ALL HAVING count(*) > {LARGEST_BLOCK}"
    if count := cycle.count(f"SELECT count(*) FROM ({large})"):
        what = f"{count} groups of more than {LARGEST_BLOCK} rows with one value tell nobody apart and were left out"
        sentence = f"entity '{entity.name}', match rule '{rule.name}': {what}; add a field to block."
        cycle.findings.append(Finding("identity_block", f"{entity.name}:{rule.name}", sentence, "warning", count))
        cycle.sql(f"DELETE FROM keyed WHERE ({group}) IN ({large})")


def pair_condition() -> str:
    """SQL: two rows are a pair to look at: an unknown one on the left, each pair once, not yet the same component."""
    return "NOT l.known AND (r.known OR l.n < r.n) AND l.k <> r.k"


def collect_pairs(cycle: Cycle, query: str) -> None:
    """Fill ``pair`` from rows (lk, rk, lk0, rk0, score): the best of each two components, without what was rejected."""
    cycle.sql(f"""
        CREATE OR REPLACE TEMP TABLE pair AS
        SELECT least(lk, rk) AS lk, greatest(lk, rk) AS rk, arg_max(lk0, score) AS lk0, arg_max(rk0, score) AS rk0, max(score) AS score
        FROM ({query}) x(lk, rk, lk0, rk0, score) GROUP BY ALL""")
    if cycle.count("SELECT count(*) FROM rejected"):
        now = "SELECT k0, k FROM node WHERE NOT known UNION SELECT k, k FROM held_by"
        cycle.sql(f"""
            DELETE FROM pair USING (
                WITH now AS ({now}) SELECT a.k AS ak, b.k AS bk FROM rejected r JOIN now a ON a.k0 = r.a JOIN now b ON b.k0 = r.b) x
            WHERE pair.lk = x.ak AND pair.rk = x.bk""")


def _sort_pairs(cycle: Cycle) -> None:
    """Give each pair its ``class``: sure (each the single best of the other in every system they bring), twice (both stand in one system),
    unclear (as good as another), or worse (someone is better)."""
    cycle.sql("""
        CREATE OR REPLACE TEMP TABLE shared AS
        SELECT DISTINCT lk, rk FROM pair JOIN held_by l ON l.k = lk JOIN held_by r ON r.k = rk AND r.side = l.side""")
    cycle.sql("""
        CREATE OR REPLACE TEMP TABLE ranked AS
        WITH fine AS (SELECT * FROM pair ANTI JOIN shared USING (lk, rk)),
        ways AS (SELECT lk AS x, rk AS y, lk, rk, score FROM fine UNION ALL SELECT rk, lk, lk, rk, score FROM fine),
        seen AS (SELECT w.*, h.side, max(score) OVER (PARTITION BY x, h.side) AS best FROM ways w JOIN held_by h ON h.k = w.y),
        tops AS (SELECT *, count(*) FILTER (WHERE score = best) OVER (PARTITION BY x, side) AS n FROM seen)
        SELECT lk, rk, bool_and(score = best) AS is_best, bool_and(n = 1) AS alone FROM tops GROUP BY lk, rk""")
    cycle.sql("""
        CREATE OR REPLACE TEMP TABLE sorted AS
        SELECT p.*, CASE WHEN s.lk IS NOT NULL THEN 'twice' WHEN NOT r.is_best THEN 'worse'
            WHEN r.alone THEN 'sure' ELSE 'unclear' END AS class
        FROM pair p LEFT JOIN shared s USING (lk, rk) LEFT JOIN ranked r USING (lk, rk)""")


def _unite(cycle: Cycle, rule: MatchRule) -> None:
    """Unite the sure pairs; a chain of them that would put two rows of one system together is not united at all."""
    name = literal(rule.name)
    cycle.sql("""
        CREATE OR REPLACE TEMP TABLE label AS
        SELECT k, k AS l FROM (SELECT lk AS k FROM sorted WHERE class = 'sure' UNION SELECT rk FROM sorted WHERE class = 'sure')""")
    while True:
        # The least label spreads along the pairs; a known id ('0') comes before an unknown number ('1').
        cycle.sql("""
            CREATE OR REPLACE TEMP TABLE spread AS
            WITH ways AS (SELECT lk AS k, rk AS o FROM sorted WHERE class = 'sure' UNION ALL SELECT rk, lk FROM sorted WHERE class = 'sure')
            SELECT l.k, arg_min(n.l, (n.l[1] = '\x01', length(n.l), n.l)) AS l
            FROM label l JOIN (SELECT k, k AS o FROM label UNION ALL SELECT k, o FROM ways) w ON w.k = l.k
            JOIN label n ON n.k = w.o GROUP BY l.k""")
        if not cycle.count("SELECT count(*) FROM spread s JOIN label l USING (k) WHERE s.l <> l.l"):
            break
        cycle.sql("CREATE OR REPLACE TEMP TABLE label AS SELECT * FROM spread")
    cycle.sql("""
        CREATE OR REPLACE TEMP TABLE quarrel AS
        SELECT DISTINCT l FROM (SELECT l, side FROM label JOIN held_by USING (k) GROUP BY ALL HAVING count(*) > 1)""")
    cycle.sql(f"""
        INSERT INTO pending SELECT lk0, rk0, {name}, score, CASE class WHEN 'twice' THEN 'twice in one system' ELSE 'more than one fits' END
        FROM sorted s LEFT JOIN label l ON l.k = s.lk WHERE class IN ('twice', 'unclear') OR l.l IN (SELECT l FROM quarrel)""")
    cycle.sql("DELETE FROM label WHERE l IN (SELECT l FROM quarrel)")
    cycle.sql(f"""
        INSERT INTO matched WITH sure AS (SELECT * FROM sorted WHERE class = 'sure')
        SELECT n.side, n.own, {name}, max(s.score) FROM node n
        JOIN (SELECT lk AS k, score FROM sure UNION ALL SELECT rk, score FROM sure) s ON s.k = n.k
        JOIN label b ON b.k = n.k ANTI JOIN matched m ON m.side = n.side AND m.own = n.own WHERE NOT n.known GROUP BY ALL""")
    cycle.sql("UPDATE node SET k = b.l FROM label b WHERE node.k = b.k AND b.k <> b.l AND NOT node.known")
    cycle.sql("UPDATE held_by SET k = b.l FROM label b WHERE held_by.k = b.k AND b.k <> b.l")


def _hold(cycle: Cycle) -> None:
    """Find what is still apart, and let the rows in it wait: their ``reason`` is set.

    Between two rows of one system the one that is recognized already goes on, else the first; the other waits.
    """
    cycle.sql("""
        CREATE OR REPLACE TEMP TABLE open AS
        WITH now AS (SELECT k0, k FROM node WHERE NOT known UNION SELECT k, k FROM held_by)
        SELECT p.*, l.k AS lk, r.k AS rk FROM pending p JOIN now l ON l.k0 = lk0 JOIN now r ON r.k0 = rk0 WHERE l.k <> r.k""")
    cycle.sql("""
        CREATE OR REPLACE TEMP TABLE waits AS
        WITH size AS (SELECT k, count(*) AS n FROM held_by GROUP BY k),
        joint AS (SELECT DISTINCT lk, rk FROM open JOIN held_by l ON l.k = lk JOIN held_by r ON r.k = rk AND r.side = l.side),
        s AS (SELECT o.lk, o.rk, b.lk IS NOT NULL AS twice,
            (o.lk[1] = '\x01', -l.n, length(o.lk), o.lk) < (o.rk[1] = '\x01', -r.n, length(o.rk), o.rk) AS left_stays
            FROM open o JOIN size l ON l.k = lk JOIN size r ON r.k = rk LEFT JOIN joint b ON b.lk = o.lk AND b.rk = o.rk)
        SELECT DISTINCT k FROM (
            SELECT lk AS k FROM s WHERE NOT twice OR NOT left_stays UNION SELECT rk FROM s WHERE NOT twice OR left_stays)
        WHERE k[1] = '\x01'""")
    cycle.sql("""
        UPDATE present p SET reason = 'waits' FROM node n JOIN waits w ON w.k = n.k
        WHERE NOT n.known AND p.side = n.side AND p.own = n.own""")


def _propose(cycle: Cycle) -> None:
    """Write proposals for what is apart, and their ids into the reasons.

    An end is the own key of a row that waits, else the canonical id: so the same question has the same id in the next run.
    """
    if not cycle.count("SELECT count(*) FROM open"):
        return
    ends = "SELECT n.k0, p.resource, p.own, p.canonical, p.reason FROM node n JOIN present p USING (side, own) WHERE NOT n.known"
    cycle.sql(f"""
        CREATE OR REPLACE TABLE ends AS
        WITH e AS ({ends}), o AS (SELECT * FROM open QUALIFY row_number() OVER (PARTITION BY lk, rk ORDER BY score DESC, lk0, rk0) = 1),
        t AS (SELECT CASE WHEN l.reason IS NULL THEN '' ELSE l.resource END AS lr,
                CASE WHEN l.k0 IS NULL THEN lk0 WHEN l.reason IS NULL THEN l.canonical ELSE l.own END AS lo,
                CASE WHEN r.reason IS NULL THEN '' ELSE r.resource END AS rr,
                CASE WHEN r.k0 IS NULL THEN rk0 WHEN r.reason IS NULL THEN r.canonical ELSE r.own END AS ro,
                o.rule, o.score, o.why, lk, rk FROM o LEFT JOIN e l ON l.k0 = lk0 LEFT JOIN e r ON r.k0 = rk0),
        w AS (SELECT *, (lr = '', lr, lo) > (rr = '', rr, ro) AS swap FROM t)
        SELECT CASE WHEN swap THEN rr ELSE lr END AS left_resource, CASE WHEN swap THEN ro ELSE lo END AS left_key,
            CASE WHEN swap THEN lr ELSE rr END AS right_resource, CASE WHEN swap THEN lo ELSE ro END AS right_key,
            * EXCLUDE (lr, lo, rr, ro, swap) FROM w""")
    cycle.sql(f"""
        CREATE OR REPLACE TEMP TABLE offered AS
        SELECT {proposal_id(cycle, ", ".join(PROPOSAL_ENDS))} AS id, * FROM ends
        QUALIFY row_number() OVER (PARTITION BY lk ORDER BY score DESC, rk) <= {SHOWN}
            OR row_number() OVER (PARTITION BY rk ORDER BY score DESC, lk) <= {SHOWN}""")
    cycle.sql("""
        UPDATE present p SET reason = 'identity: may be the same as another row; accord identity accept or reject ' || o.ids
        FROM node n JOIN waits w ON w.k = n.k JOIN (SELECT k, string_agg(DISTINCT id, ', ' ORDER BY id) AS ids FROM (
            SELECT lk AS k, id FROM offered UNION ALL SELECT rk, id FROM offered) GROUP BY k) o ON o.k = n.k
        WHERE NOT n.known AND p.side = n.side AND p.own = n.own""")
    asked = proposals_query(cycle.store, cycle.entity.name)
    cycle.sql(
        f"INSERT INTO proposals_new SELECT id, {names(PROPOSAL_ENDS)}, rule, score, why, $at, {literal(cycle.flow.name)}, false "
        f"FROM offered {f'ANTI JOIN ({asked}) USING (id)' if asked else ''} "
        "QUALIFY row_number() OVER (PARTITION BY id ORDER BY score DESC, rule, why) = 1",
        {"at": cycle.now},
    )


def proposal_id(cycle: Cycle, ends: str) -> str:
    """SQL of the id of a proposal: the same two ends, the same id."""
    return f"'p' || left(md5(concat_ws(chr(31), {literal(cycle.entity.name)}, {ends})), 12)"


def _name_united(cycle: Cycle) -> None:
    """Rows united with each other and with nothing known: one new id, founded by the first of them."""
    cycle.sql(f"""
        UPDATE present p SET canonical = f.id FROM node n JOIN (
            SELECT n.k, {canonical_id(cycle.entity, "arg_min(p.resource, n.n)", "arg_min(p.own, n.n)")} AS id
            FROM node n JOIN present p USING (side, own)
            WHERE NOT n.known AND n.k[1] = '\x01' AND p.reason IS NULL GROUP BY n.k) f ON f.k = n.k
        WHERE NOT n.known AND p.side = n.side AND p.own = n.own AND p.reason IS NULL""")
