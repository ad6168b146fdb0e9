"""Currencies are codes of ISO 4217."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from accord.mapfile.problems import Problem
from accord.mapfile.rules.facts import Facts
from accord.model.errors import nearest

_CURRENCIES_TEXT: Final = """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP CNY COP CRC CUP CVE
    CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES
    KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR
    NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND
    TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG
"""
CURRENCIES: Final = frozenset(_CURRENCIES_TEXT.split())


def check(facts: Facts) -> Iterator[Problem]:
    """Codes that are no currency."""
    yield from _code(facts, ("currency",), "the map", facts.map.currency)
    for value in facts.map.unit_values.values():
        path = ("unit_values", value.name, "currency")
        if value.currency:
            yield from _code(facts, path, f"unit value '{value.name}'", value.currency)


def _code(facts: Facts, path: tuple[str, ...], holder: str, code: str) -> Iterator[Problem]:
    if code not in CURRENCIES:
        meant = code.upper() if code.upper() in CURRENCIES else nearest(code.upper(), CURRENCIES)
        yield facts.problem(
            path,
            f"{holder}: '{code}' is no currency.",
            "Expected an ISO 4217 code such as EUR." + (f" Did you mean '{meant}'?" if meant else ""),
        )
