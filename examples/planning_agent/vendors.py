"""The vendors that the planning chooses from, by city. None of them exists."""

from dataclasses import dataclass
from typing import Final

CATEGORIES: Final = ("venue", "caterer", "photographer", "makeup_artist")


@dataclass(frozen=True)
class Vendor:
    """`price` in the city's currency: for the event, or for each guest where `per_guest`. `rating` is 1 to 5."""

    id: str
    name: str
    price: int
    rating: float
    description: str
    capacity: int | None = None
    per_guest: bool = False

    def cost_for(self, guests: int) -> int:
        return self.price * guests if self.per_guest else self.price

    def has_room_for(self, guests: int) -> bool:
        return self.capacity is None or guests <= self.capacity


VENDORS: Final[dict[str, dict[str, tuple[Vendor, ...]]]] = {
    "Jaipur, India": {
        "venue": (
            Vendor("jai-v1", "Amber Courtyard", 940_000, 4.7, "Courtyard and garden below the fort.", 320),
            Vendor("jai-v2", "Lotus Haveli", 820_000, 4.5, "Restored haveli with three halls.", 280),
            Vendor("jai-v3", "Pearl Pavilion", 610_000, 4.1, "Lawn and marquee outside the city.", 500),
        ),
        "caterer": (
            Vendor(
                "jai-c1",
                "Saffron Kitchen",
                3_300,
                4.8,
                "Rajasthani and Punjabi, live counters.",
                per_guest=True,
            ),
            Vendor(
                "jai-c2", "Thali House", 2_600, 4.4, "Vegetarian menus from five regions.", per_guest=True
            ),
            Vendor("jai-c3", "Desert Rose Catering", 2_250, 4.2, "Buffet with two menus.", per_guest=True),
        ),
        "photographer": (
            Vendor("jai-p1", "Kavya Mehra Studio", 340_000, 4.9, "Two photographers and a film, three days."),
            Vendor("jai-p2", "Pink City Frames", 260_000, 4.5, "Two photographers, two days."),
        ),
        "makeup_artist": (
            Vendor("jai-m1", "Studio Noor", 210_000, 4.8, "Bride and family, all ceremonies."),
            Vendor("jai-m2", "Meena Beauty", 140_000, 4.4, "Bride, two looks."),
        ),
    },
    "Rome, Italy": {
        "venue": (
            Vendor(
                "rom-v1", "Terrazza Celio", 6_900, 4.7, "Roof terrace with a view of the Celian hill.", 80
            ),
            Vendor("rom-v2", "Villa dei Glicini", 5_800, 4.6, "Garden villa on the Appian Way.", 120),
            Vendor("rom-v3", "Sala Trastevere", 4_200, 4.2, "Vaulted hall with its own courtyard.", 70),
        ),
        "caterer": (
            Vendor("rom-c1", "Tavola Lunga", 98, 4.8, "Five courses, seasonal.", per_guest=True),
            Vendor(
                "rom-c2", "Cucina Aurelia", 84, 4.5, "Four courses and a buffet of sweets.", per_guest=True
            ),
        ),
        "photographer": (
            Vendor("rom-p1", "Luce Romana", 2_500, 4.8, "One photographer and an album."),
            Vendor("rom-p2", "Studio Fori", 1_900, 4.4, "One photographer, six hours."),
        ),
        "makeup_artist": (
            Vendor("rom-m1", "Bianca Serra", 1_100, 4.7, "At home, for up to four people."),
            Vendor("rom-m2", "Salone Flora", 700, 4.3, "In the salon, for two people."),
        ),
    },
    "New York, USA": {
        "venue": (
            Vendor("nyc-v1", "Harbor Hall", 36_500, 4.7, "Waterfront hall with a stage.", 260),
            Vendor("nyc-v2", "The Foundry Loft", 31_000, 4.5, "Brick loft on two floors.", 200),
            Vendor("nyc-v3", "Madison Rooms", 27_500, 4.0, "Hotel ballroom, parquet and bar.", 220),
        ),
        "caterer": (
            Vendor(
                "nyc-c1",
                "Union Table",
                178,
                4.8,
                "Plated dinner, three menus to choose from.",
                per_guest=True,
            ),
            Vendor("nyc-c2", "Cornerstone Catering", 149, 4.4, "Stations and passed plates.", per_guest=True),
        ),
        "photographer": (
            Vendor("nyc-p1", "Bright Room Media", 12_800, 4.7, "Photographs, film and a live wall."),
            Vendor("nyc-p2", "Fifth Street Photo", 8_400, 4.5, "Two photographers, five hours."),
        ),
        "makeup_artist": (
            Vendor("nyc-m1", "Stagecraft Beauty", 6_200, 4.6, "Speakers and hosts, on site all evening."),
            Vendor("nyc-m2", "Lena Ortiz", 3_900, 4.5, "Speakers and hosts, before the opening."),
        ),
    },
    "Auckland, New Zealand": {
        "venue": (
            Vendor("akl-v1", "Harbourlight Pavilion", 9_800, 4.8, "On the water, with a deck.", 90),
            Vendor("akl-v2", "Kauri Rooms", 8_400, 4.5, "Two rooms and a garden.", 60),
            Vendor("akl-v3", "The Boatshed", 3_900, 4.4, "For small parties by the water.", 30),
        ),
        "caterer": (Vendor("akl-c1", "Feijoa & Fig", 88, 4.6, "Shared plates.", per_guest=True),),
        "photographer": (Vendor("akl-p1", "Long White Studio", 1_500, 4.5, "One photographer, four hours."),),
        "makeup_artist": (Vendor("akl-m1", "Tui Beauty", 600, 4.4, "At home, for two people."),),
    },
}
