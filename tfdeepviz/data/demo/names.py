"""Invented artist names and track titles, by genre."""

import numpy as np

_ARTISTS: dict[str, tuple[str, str]] = {
    "Electronic": (
        "Night/Neon/Polar/Vector/Static/Glass/Hollow/Ultra/Lumen/Carbon/Signal/Delta",
        "Transit/Circuit/Harbour/Array/Lantern/Shift/Motion/Bloom/District/Engine/Parade/Method",
    ),
    "Experimental": (
        "Null/Fold/Salt/Quiet/Broken/Slow/Copper/Inner/Torn/Pale/Distant/Field",
        "Apparatus/Assembly/Weather/Notation/Cartography/Residue/Committee/Mechanism/Interval/Archive/Hum/Orchard",
    ),
    "Folk": (
        "Hazel/Marlow/Ada/Rowan/Thistle/Juniper/Wren/Alder/Bramble/Linnet/Corrie/Mabel",
        "Hollow/& Sons/Whitlock/Fernsby/Lane/Greaves/Weir/Thornfield/Meadow/Carrow/Brookes/Halewood",
    ),
    "Hip-Hop": (
        "Dusty/Corner/Velvet/Brother/Concrete/Midnight/Slim/Low/Basement/Golden/Lazy/Uptown",
        "Crates/Theory/Motive/Saint/Ledger/Kitchen/Sermon/Tape/Habit/Avenue/Static/Chapter",
    ),
    "Instrumental": (
        "Elin/Tobias/Marta/Anselm/Ivo/Clara/Leonie/Sofia/Henrik/Odile/Mateus/Vera",
        "Lindvall/Aurelio/Marchese/Vogelsang/Hartwell/Sandor/Novotny/Ferrano/Ekdal/Morel/Albrecht/Castelan",
    ),
    "International": (
        "Safar/Seven/Saffron/River/Copper/Monsoon/Caravan/Anatol/Baobab/Indigo/Lotus/Mountain",
        "Ensemble/Road/Duo/Gathering/Strings/Circle/Quartet/Market/Gate/Procession/Tide/Moons",
    ),
    "Pop": (
        "Sunday/Cherry/Paper/Electric/Summer/Mila/Silver/Jolie/Sugar/Rosa/Bright/Penny",
        "Holiday/Hearts/Avenue/Kites/Arcade/Lane/Delight/Skies/Postcards/June/Fever/Club",
    ),
    "Rock": (
        "The Rusted/The Iron/The Stray/The Burning/The Velvet/The Feral/The Loud/The Crooked/The Howling/The Last",
        "Pistons/Wolves/Parish/Highways/Rivals/Saints/Motors/Letters/Choir/Engines/Vandals/Sparrows",
    ),
}

_TITLES: dict[str, tuple[str, str]] = {
    "Electronic": (
        "Midnight/Infra/Solar/Parallel/Phase/Rapid/Afterglow/Terminal",
        "Drive/Sequence/Bloom/Pressure/Lines/Return/Machine/Horizon",
    ),
    "Experimental": (
        "Study/Fragment/Erosion/Signal/Unfolding/Dust/Object/Room",
        "No. 4/in Grey/for Nine Motors/(Unstable)/at Low Tide/of a Door/Backwards/II",
    ),
    "Folk": (
        "Willow/Harvest/The Miller's/Grey/Heather/The Crossing/Winter/Lantern",
        "Waltz/Reel/Fair/Hills/Farewell/Lane/Morning/Song",
    ),
    "Hip-Hop": (
        "Corner/Rainy/Cold/Block/Paper/Sunday/Loose/Late",
        "Store/Loop/Change/Windows/Smoke/Bus/Hours/Notebook",
    ),
    "Instrumental": (
        "First/Falling/Letters in/Evening/A Small/Silent/Amber/Distant",
        "Snow/Nocturne/Light/Garden/Promise/Water/Ascent/Elegy",
    ),
    "International": (
        "Dance/Road/Song/Night/Gates/Dust/Well/Winds",
        "of Seven Wells/to the Coast/at the Ferry/of the Weavers/by Lamplight/of Cardamom/after Rain/of Two Rivers",
    ),
    "Pop": (
        "Say It/Hold On/Summer/One Heart/Never/Dancing/Golden/Call Me",
        "Twice/Closer/in Colour/on Repeat/Letting Go/Tonight/Again/Anyway",
    ),
    "Rock": (
        "Burn/Broken/Run/Highway/Last/No/Wild/Ashes",
        "It Down/Teeth/for Cover/Nine/Warning/Mercy/Blood/in June",
    ),
}


def _combinations(parts: tuple[str, str], rng: np.random.Generator) -> list[str]:
    pairs = [f"{first} {second}" for first in parts[0].split("/") for second in parts[1].split("/")]
    return [pairs[i] for i in rng.permutation(len(pairs))]


def _name(names: list[str], index: int) -> str:
    """Name number `index`; names repeat with a number appended once the list (about a hundred) runs out."""
    again, place = divmod(index, len(names))
    return f"{names[place]} {again + 1}" if again else names[place]


def artist_names(genre: str, count: int, rng: np.random.Generator) -> tuple[str, ...]:
    """Distinct artist names of a genre."""
    names = _combinations(_ARTISTS[genre], rng)
    return tuple(_name(names, i) for i in range(count))


def track_titles(genre: str, count: int, rng: np.random.Generator) -> tuple[str, ...]:
    """Distinct track titles of a genre."""
    names = _combinations(_TITLES[genre], rng)
    return tuple(_name(names, i) for i in range(count))
