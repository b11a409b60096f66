"""What the shop offers."""

from common.money import amount
from common.web import serve

PRICES = {"tea": 350, "cake": 420}

serve("".join(f"{name}: {amount(price)}\n" for name, price in PRICES.items()))
