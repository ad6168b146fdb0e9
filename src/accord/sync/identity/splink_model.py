"""A match rule weighed by splink: a probabilistic model (Fellegi-Sunter) trained on the rows themselves. An optional extra."""

from __future__ import annotations

import logging
from typing import Any

import duckdb

from accord.model.errors import MapError, TerminalError
from accord.model.identity import MatchRule
from accord.sync.cycle import Cycle
from accord.sync.identity.normal import Measure

_SEED = 20_250
_MOST_PAIRS = 1_000_000  # sampled for the chance that two different rows agree
_COMPARISONS = {
    "jaro_winkler": "JaroWinklerAtThresholds",
    "jaro": "JaroAtThresholds",
    "jaccard": "JaccardAtThresholds",
    "levenshtein": "LevenshteinAtThresholds",
    "damerau_levenshtein": "DamerauLevenshteinAtThresholds",
}


def weighed_pairs(cycle: Cycle, rule: MatchRule, blocks: int) -> None:
    """Fill ``weighed`` (a, b, score) with pairs of ``keyed`` rows, by rowid, whose probability reaches the rule's.

    ``keyed`` has columns e0… (values pairs must share) and c0… (values compared: those of exact, normalized and fuzzy, in this order).

    Raises:
        MapError: fewer than two fields to compare.
        TerminalError: splink is not installed, or cannot train a model on these rows.
    """
    plain = len(rule.exact) + len(rule.normalized)
    if plain + len(rule.fuzzy) < 2:
        expected = "Expected two or more fields in exact, normalized and fuzzy."
        raise MapError(f"match rule '{rule.name}': a model needs fields to weigh against each other.", place=rule.place, expected=expected)
    try:
        import splink
        from splink import comparison_library
        from splink.internals.exceptions import EMTrainingException, SplinkException
    except ImportError as error:
        what = f"match rule '{rule.name}' asks for splink, which is not installed."
        raise TerminalError(f"{what} Install it with: pip install 'accord[identity]'") from error
    logging.getLogger("splink").setLevel(logging.ERROR)  # what it advises is about settings that are ours
    measures = [Measure.parse(text, place=rule.place) for text in rule.fuzzy.values()]
    compared: list[Any] = [comparison_library.ExactMatch(f"c{i}") for i in range(plain)]
    for i, measure in enumerate(measures, plain):
        limit = measure.limit if measure.similar else int(measure.limit)
        compared.append(getattr(comparison_library, _COMPARISONS[measure.name])(f"c{i}", [limit]))
    columns = ", ".join([*(f"e{i}" for i in range(blocks)), *(f"c{i}" for i in range(len(compared)))])
    rows = cycle.con.execute(f"SELECT rowid AS unique_id, {columns} FROM keyed ORDER BY rowid").to_arrow_table()
    within: list[Any] = [splink.block_on(*(f"e{i}" for i in range(blocks)))]
    with duckdb.connect(":memory:", config={"threads": 1}) as own:  # one thread: the same rows give the same sample, and the same model
        own.register("rows", rows)
        own.execute("CREATE TABLE people AS SELECT * FROM rows")
        settings = splink.SettingsCreator(link_type="dedupe_only", comparisons=compared, blocking_rules_to_generate_predictions=within)
        linker = splink.Linker("people", settings, db_api=splink.DuckDBAPI(connection=own), set_up_basic_logging=False)
        every = [f"c{i}" for i in range(len(compared))]
        try:
            linker.training.estimate_probability_two_random_records_match([splink.block_on(*every)], recall=0.7)
            linker.training.estimate_u_using_random_sampling(max_pairs=_MOST_PAIRS, seed=_SEED)
            for column in every:
                linker.training.estimate_parameters_using_expectation_maximisation(splink.block_on(column))
            found = linker.inference.predict(threshold_match_probability=rule.probability).as_duckdbpyrelation()
        except (EMTrainingException, SplinkException, ValueError) as error:
            why = str(error).strip().partition("\n")[0].rstrip(".")
            what = f"match rule '{rule.name}': splink cannot train a model on {rows.num_rows} rows: {why}"
            raise TerminalError(f"{what}. Give it more rows, or measures with limits of your own.") from error
        pairs = found.project("unique_id_l AS a, unique_id_r AS b, match_probability AS score").to_arrow_table()
    cycle.con.register("weighed_rows", pairs)
    cycle.sql("CREATE OR REPLACE TEMP TABLE weighed AS SELECT * FROM weighed_rows")
    cycle.con.unregister("weighed_rows")
