"""How amounts are written, everywhere in the house."""

CURRENCY = "EUR"


def amount(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02} {CURRENCY}"
