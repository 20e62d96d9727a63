"""List how days are named in speech, as parts of regular expressions."""

from pipelines.text.number_words import CARDINALS, ORDINALS

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
ONES = tuple(word for word, n in ORDINALS.items() if 1 <= n <= 9)
ABOVE_NINE = tuple(word for word, n in ORDINALS.items() if 10 <= n <= 30)
"""tenth … twentieth, thirtieth: the ordinals of days that nothing is put together with."""
COUNTS = {word: n for word, n in CARDINALS.items() if 1 <= n <= 12}
WEEKDAYS_ZH = "一二三四五六日"

WEEKDAY = rf"(?:{'|'.join(WEEKDAYS)})"
COUNT = "|".join(COUNTS)
NUMBER_ZH = r"(?:\d{1,3}|[一二两三四五六七八九十]{1,3})"
WEEK_ZH = "(?:周|星期|礼拜)"
