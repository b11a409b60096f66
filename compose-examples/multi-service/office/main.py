"""What the shop has earned."""

from common.money import amount
from common.web import serve

SALES = [350, 350, 420]

serve(f"sold {len(SALES)} for {amount(sum(SALES))}\n")
