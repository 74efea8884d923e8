"""Word tables of English normalisation."""

from __future__ import annotations

MONTHS = {
    "January": "January", "February": "February", "March": "March", "April": "April", "May": "May",
    "June": "June", "July": "July", "August": "August", "September": "September",
    "October": "October", "November": "November", "December": "December",
    "Jan": "January", "Feb": "February", "Mar": "March", "Apr": "April", "Jun": "June",
    "Jul": "July", "Aug": "August", "Sept": "September", "Sep": "September", "Oct": "October",
    "Nov": "November", "Dec": "December",
}  # fmt: skip
"""The twelve full names come first, in order."""

TITLES = {
    "Mr": "Mister", "Mrs": "Missus", "Ms": "Miz", "Dr": "Doctor", "Prof": "Professor",
    "St": "Saint", "Mt": "Mount", "Gen": "General", "Gov": "Governor", "Sen": "Senator",
    "Rep": "Representative", "Capt": "Captain", "Lt": "Lieutenant", "Col": "Colonel",
    "Sgt": "Sergeant", "Rev": "Reverend", "Hon": "Honorable", "Pres": "President",
}  # fmt: skip
"""Read so only before a capitalized word."""

ABBREVIATIONS = {
    "Mr.": "Mister", "Mrs.": "Missus", "Ms.": "Miz", "Dr.": "Drive", "St.": "Street",
    "Ave.": "Avenue", "Blvd.": "Boulevard", "Rd.": "Road", "Ln.": "Lane", "Hwy.": "Highway",
    "Apt.": "Apartment", "Bldg.": "Building", "Fl.": "Floor", "Jr.": "Junior", "Sr.": "Senior",
    "Ltd.": "Limited", "Inc.": "Incorporated", "Corp.": "Corporation", "Co.": "Company",
    "Dept.": "Department", "dept.": "department", "Univ.": "University", "Govt.": "Government",
    "approx.": "approximately", "est.": "established", "vs.": "versus", "vs": "versus",
    "vol.": "volume", "Vol.": "Volume", "fig.": "figure", "Fig.": "Figure", "pp.": "pages",
    "ed.": "edition", "etc.": "et cetera", "e.g.": "for example", "i.e.": "that is",
    "a.m.": "AM", "p.m.": "PM", "incl.": "including", "max.": "maximum", "min.": "minimum",
    "tel.": "telephone", "Tel.": "Telephone", "ext.": "extension", "temp.": "temporary",
    "Jan.": "January", "Feb.": "February", "Apr.": "April", "Aug.": "August",
    "Sept.": "September", "Sep.": "September", "Oct.": "October", "Nov.": "November",
    "Dec.": "December", "Mon.": "Monday", "Tue.": "Tuesday", "Wed.": "Wednesday",
    "Thu.": "Thursday", "Fri.": "Friday", "Sat.": "Saturday", "U.S.": "US", "U.S.A.": "USA",
    "U.K.": "UK", "U.N.": "UN", "E.U.": "EU", "D.C.": "DC", "Ph.D.": "PhD", "w/o": "without",
    "w/": "with", "aka": "also known as", "FAQs": "F A Qs", "WIFI": "Wi-Fi",
    "WiFi": "Wi-Fi", "wifi": "Wi-Fi",
}  # fmt: skip

UNITS: dict[str, tuple[str, str]] = {
    "km": ("kilometer", "kilometers"), "cm": ("centimeter", "centimeters"),
    "mm": ("millimeter", "millimeters"), "m": ("meter", "meters"),
    "kg": ("kilogram", "kilograms"), "mg": ("milligram", "milligrams"), "g": ("gram", "grams"),
    "lb": ("pound", "pounds"), "lbs": ("pound", "pounds"), "oz": ("ounce", "ounces"),
    "ft": ("foot", "feet"), "mi": ("mile", "miles"), "yd": ("yard", "yards"),
    "ml": ("milliliter", "milliliters"), "mL": ("milliliter", "milliliters"),
    "L": ("liter", "liters"), "km/h": ("kilometer per hour", "kilometers per hour"),
    "kph": ("kilometer per hour", "kilometers per hour"), "mph": ("mile per hour", "miles per hour"),
    "m/s": ("meter per second", "meters per second"), "Hz": ("hertz", "hertz"),
    "kHz": ("kilohertz", "kilohertz"), "MHz": ("megahertz", "megahertz"),
    "GHz": ("gigahertz", "gigahertz"), "KB": ("kilobyte", "kilobytes"),
    "MB": ("megabyte", "megabytes"), "GB": ("gigabyte", "gigabytes"), "TB": ("terabyte", "terabytes"),
    "Mbps": ("megabit per second", "megabits per second"), "hr": ("hour", "hours"),
    "hrs": ("hour", "hours"), "min": ("minute", "minutes"), "mins": ("minute", "minutes"),
    "sec": ("second", "seconds"), "secs": ("second", "seconds"),
    "ms": ("millisecond", "milliseconds"), "sq ft": ("square foot", "square feet"),
    "sq m": ("square meter", "square meters"), "m²": ("square meter", "square meters"),
    "m2": ("square meter", "square meters"), "km²": ("square kilometer", "square kilometers"),
    "m³": ("cubic meter", "cubic meters"), "kWh": ("kilowatt hour", "kilowatt hours"),
    "kW": ("kilowatt", "kilowatts"), "W": ("watt", "watts"), "V": ("volt", "volts"),
    "dB": ("decibel", "decibels"), "℃": ("degree Celsius", "degrees Celsius"),
    "℉": ("degree Fahrenheit", "degrees Fahrenheit"), "ha": ("hectare", "hectares"),
}  # fmt: skip

CURRENCIES: dict[str, tuple[str, str, str, str]] = {
    "$": ("dollar", "dollars", "cent", "cents"), "US$": ("dollar", "dollars", "cent", "cents"),
    "USD": ("dollar", "dollars", "cent", "cents"), "€": ("euro", "euros", "cent", "cents"),
    "EUR": ("euro", "euros", "cent", "cents"), "£": ("pound", "pounds", "penny", "pence"),
    "GBP": ("pound", "pounds", "penny", "pence"), "¥": ("yuan", "yuan", "", ""),
    "￥": ("yuan", "yuan", "", ""), "RMB": ("yuan", "yuan", "", ""), "CNY": ("yuan", "yuan", "", ""),
    "HK$": ("Hong Kong dollar", "Hong Kong dollars", "cent", "cents"),
    "HKD": ("Hong Kong dollar", "Hong Kong dollars", "cent", "cents"),
    "JPY": ("yen", "yen", "", ""), "₹": ("rupee", "rupees", "", ""), "₩": ("won", "won", "", ""),
}  # fmt: skip
"""One, many, one hundredth, many hundredths."""

ROMAN_AFTER = (
    "Chapter", "chapter", "Part", "part", "Act", "Scene", "Section", "section", "Volume", "Book",
    "Phase", "phase", "Article", "article", "World War", "Type", "type", "Level", "level", "Stage",
    "stage", "Class", "class", "Grade", "Title", "Appendix", "Schedule",
)  # fmt: skip
ROMAN_ORDINAL_AFTER = (
    "Pope", "King", "Queen", "Henry", "Louis", "Edward", "George", "William", "Charles", "James",
    "Richard", "Elizabeth", "Napoleon", "Pius", "Frederick", "Philip", "Alexander", "Nicholas",
    "Peter", "Catherine", "Ivan", "John Paul",
)  # fmt: skip

SIGNS = {
    "≥": "at least", "≤": "at most", "≈": "about", "≠": "is not", "±": "plus or minus", "÷": "divided by",
    "&": "and", "@": "at", "%": "percent", "§": "section", "™": "", "®": "", "©": "copyright",
    "½": "one half", "¼": "one quarter", "¾": "three quarters", "²": "squared", "³": "cubed",
    "°": "degrees", "→": "to", "<": "less than", ">": "greater than", "=": "equals", "×": "times",
    "α": "alpha", "β": "beta", "γ": "gamma", "π": "pi", "μ": "micro", "Ω": "omega",
    "*": "", "^": "", "_": "", "|": "", "\\": "", "~": "about", "#": "", "•": "", "`": "", "+": "plus",
}  # fmt: skip
