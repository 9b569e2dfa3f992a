"""What the sample shop sells, and where its customers live and shop."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Product:
    product_id: str
    name: str
    category: str
    price: float


@dataclass(frozen=True, slots=True)
class Place:
    """A city, with the regulation that its customers are asked for consent under."""

    country: str
    city: str
    latitude: float
    longitude: float
    regulation: str


PRODUCTS = tuple(
    Product(f"{category}-{number}", name, category, price)
    for category, items in {
        "boots": (("Ridge boot", 149.0), ("Trail runner", 109.0), ("Winter boot", 179.0), ("Sandal", 49.5)),
        "tents": (("One-person tent", 199.0), ("Family tent", 419.0), ("Tarp", 59.0)),
        "packs": (("Day pack", 64.0), ("Trekking pack", 159.0), ("Dry bag", 19.9)),
        "clothing": (("Rain jacket", 129.0), ("Merino shirt", 59.0), ("Wool socks", 14.9), ("Gloves", 24.5)),
        "kitchen": (("Gas stove", 44.0), ("Titanium mug", 27.5), ("Water filter", 38.0)),
        "light": (("Head torch", 34.9), ("Lantern", 29.0), ("Spare batteries", 7.9)),
    }.items()
    for number, (name, price) in enumerate(items, 1)
)
CATEGORIES = tuple(dict.fromkeys(each.category for each in PRODUCTS))

PLACES = (
    Place("US", "Denver", 39.74, -104.99, "ccpa"),
    Place("US", "Seattle", 47.61, -122.33, "ccpa"),
    Place("US", "Boston", 42.36, -71.06, "ccpa"),
    Place("GB", "Leeds", 53.80, -1.55, "gdpr"),
    Place("DE", "Munich", 48.14, 11.58, "gdpr"),
    Place("FR", "Grenoble", 45.19, 5.72, "gdpr"),
    Place("JP", "Nagano", 36.65, 138.18, ""),
)

FIRST_NAMES = ("ada", "ben", "cleo", "dan", "eva", "finn", "gia", "hugo", "ines", "jon", "kim", "lea", "max", "nell")
LAST_NAMES = ("adler", "brook", "cole", "dale", "field", "grove", "hill", "lake", "marsh", "stone", "wood")
SEARCHES = ("boots", "rain jacket", "tent 2 person", "light stove", "gift", "wool", "head torch", "sale")
SCREENS = ("Home", "Category", "Product", "Wish list", "Stores", "Account")
PUBLISHERS = (("Summit Ads", "autumn-sale"), ("Summit Ads", "new-hikers"), ("Trail Radio", "podcast-7"))
