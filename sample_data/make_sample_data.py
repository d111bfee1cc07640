"""Make the sample data: a customer table (CSV and Parquet, the same rows) and a small folder of labelled images.

Everything is invented and drawn from one fixed seed, so a second run writes the same bytes. Run it with

    python sample_data/make_sample_data.py
"""

import csv
import unicodedata
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms

HERE = Path(__file__).resolve().parent
SEED = 20240517

T = TypeVar("T")
Floats = NDArray[np.float64]
Paint = tuple[Floats, Floats]  # per pixel: the mix of the two palette colours, and the brightness

# --------------------------------------------------------------------------------------------------------- customers

ROWS = 5_000
ROWS_PER_GROUP = 1_250
LAST_DAY = np.datetime64("2024-12-31T20:00:00", "s")

FIRST_NAMES = (
    "Anna", "Jörg", "Zoë", "José", "Mary", "Søren", "Amélie", "Paweł", "Chloe", "Björn", "Inês", "Liam", "Ayşe",
    "Noah", "Renée", "Tom", "Małgorzata", "Ivan", "Siân", "Lucía", "Omar", "Grace", "Jiří", "Priya", "Kenji", "Élodie",
)  # fmt: skip
LAST_NAMES = (
    "Müller", "O'Neill", "García", "Smith", "Nguyễn", "Łukasik", "Groß", "Lefèvre", "Åkesson", "Brown", "D'Angelo",
    "Sørensen", "Novák", "Taylor-Jones", "Costa", "Şahin", "Kowalski", "van Dijk", "Rossi", "Jones", "Sato", "Peña",
)  # fmt: skip
# As clerks may have typed it: the last two need quoting in a CSV file.
NAME_STYLES = ("{first} {last}", "{last}, {first}", '{first} "{nick}" {last}')
NICKNAMES = ("Annie", "Ace", "Buddy", "Doc", "Lucky", "Red", "Sunny", "The Boss")
REGION_OF_CITY = {
    "Aarhus": "north", "Malmö": "north", "Tromsø": "north", "Łódź": "east", "Brno": "east", "Kraków": "east",
    "Sevilla": "south", "Málaga": "south", "Forlì": "south", "Saint-Étienne": "west", "Cork": "west", "Köln": "west",
    "Newport, Wales": "west",
}  # fmt: skip
PLANS = ("basic", "plus", "pro", "enterprise")
PLAN_SHARES = (0.45, 0.30, 0.18, 0.07)
PLAN_RISK = (0.9, 0.1, -0.6, -1.4)

CALM_SENTENCES = (
    "Asked for a copy of the last invoice.", "Happy with the new dashboard.", "Prefers email.",
    "Moved to a new address, details updated.", "Would like to hear about the yearly discount.",
    'Said the support team was "really helpful".', "Uses the app on weekends mostly.", "Referred two friends in May.",
)  # fmt: skip
UPSET_SENTENCES = (
    "Complained about the price increase.", "Waited too long for an answer, twice.", "Asked how to cancel.",
    'Called the checkout "slow and confusing".', "Says a competitor is cheaper.", "Wants a refund for the last month.",
)  # fmt: skip

SCHEMA = pa.schema(
    [
        pa.field("customer_id", pa.string(), nullable=False),
        pa.field("name", pa.string()),
        pa.field("email", pa.string()),
        pa.field("city", pa.string()),
        pa.field("region", pa.dictionary(pa.int32(), pa.string())),
        pa.field("age", pa.int64()),
        pa.field("height_m", pa.float64(), metadata={"unit": "m"}),
        pa.field("income", pa.float64(), metadata={"unit": "EUR per year"}),
        pa.field("balance", pa.float64(), metadata={"unit": "EUR"}),
        pa.field("visits", pa.int32()),
        pa.field("plan", pa.dictionary(pa.int32(), pa.string())),
        pa.field("signup_date", pa.date32()),
        pa.field("last_seen", pa.timestamp("us")),
        pa.field("note", pa.string()),
        pa.field("churn", pa.string(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
    ],
    metadata={"title": "Invented customers", "licence": "CC0-1.0", "seed": str(SEED)},
)


def pick(rng: np.random.Generator, options: Sequence[str], weights: Sequence[float] | None = None) -> list[str]:
    """One option for each row."""
    return [options[i] for i in rng.choice(len(options), ROWS, p=weights)]


def with_gaps(rng: np.random.Generator, values: Sequence[T], share: float) -> list[T | None]:
    """The values with about this share of them missing."""
    return [None if gap else value for value, gap in zip(values, rng.random(ROWS) < share, strict=True)]


def email_address(first: str, last: str, number: int) -> str:
    """A plain ASCII address under a domain reserved for examples."""
    local = f"{first}.{last}{number}".lower().replace("ø", "o").replace("ł", "l").replace("ß", "ss")
    ascii_only = unicodedata.normalize("NFKD", local).encode("ascii", "ignore").decode()
    return "".join(c for c in ascii_only if c.isalnum() or c in ".-") + "@example.com"


def make_notes(rng: np.random.Generator, churned: NDArray[np.bool_]) -> list[str]:
    """One to three sentences a row, more often upset ones where the customer left; a few span lines."""
    notes = []
    for left in churned:
        sentences = UPSET_SENTENCES if rng.random() < (0.6 if left else 0.15) else CALM_SENTENCES
        chosen = rng.choice(len(sentences), rng.integers(1, 4), replace=False)
        notes.append(("\n" if rng.random() < 0.05 else " ").join(sentences[i] for i in chosen))
    return notes


def make_customers() -> pa.Table:
    """The customer table; churn depends on idle time, visits, balance, plan and age, so that it can be learnt."""
    rng = np.random.default_rng([SEED, 0])
    styles = pick(rng, NAME_STYLES, (0.75, 0.18, 0.07))
    people = list(zip(pick(rng, FIRST_NAMES), pick(rng, LAST_NAMES), pick(rng, NICKNAMES), styles, strict=True))
    emails = [email_address(first, last, number) for number, (first, last, _, _) in enumerate(people, start=1)]
    cities = pick(rng, tuple(REGION_OF_CITY))

    plan = rng.choice(len(PLANS), ROWS, p=PLAN_SHARES)
    age = (18 + 70 * rng.beta(1.8, 2.6, ROWS)).astype(np.int64)
    income = rng.lognormal(10.2 + 0.15 * plan + 0.004 * (age - 40), 0.45).round(2)
    balance = rng.normal(450, 600, ROWS).round(2)
    visits = rng.poisson(rng.gamma(2.0, 2.5, ROWS))

    signup = np.datetime64("2018-01-01", "D") + rng.integers(0, 2_400, ROWS)
    idle_days = np.minimum(rng.lognormal(3.2, 1.1, ROWS), (LAST_DAY - signup) / np.timedelta64(1, "D") - 1)
    last_seen = LAST_DAY - (idle_days * 86_400).astype(np.int64)

    risk = np.log(idle_days / 40) - 0.25 * (visits - 5) - balance / 700 + np.array(PLAN_RISK)[plan] - (age - 45) / 40
    churned = rng.random(ROWS) < 1 / (1 + np.exp(1.0 - 1.3 * risk))

    columns = {
        "customer_id": [f"C{number:06d}" for number in range(1, ROWS + 1)],
        "name": [style.format(first=first, last=last, nick=nick) for first, last, nick, style in people],
        "email": with_gaps(rng, emails, 0.06),
        "city": cities,
        "region": [REGION_OF_CITY[city] for city in cities],
        "age": with_gaps(rng, age.tolist(), 0.04),
        "height_m": rng.normal(1.71, 0.09, ROWS).round(2).tolist(),
        "income": income.tolist(),
        "balance": balance.tolist(),
        "visits": visits.tolist(),
        "plan": [PLANS[p] for p in plan],
        "signup_date": signup.tolist(),
        "last_seen": with_gaps(rng, last_seen.tolist(), 0.05),
        "note": with_gaps(rng, make_notes(rng, churned), 0.15),
        "churn": ["yes" if left else "no" for left in churned],
        "split": pick(rng, ("train", "val", "test"), (0.70, 0.15, 0.15)),
    }
    return pa.table(columns, schema=SCHEMA)


def csv_cell(value: object) -> str:
    """One value as CSV text: an empty cell for a missing one, two decimals for every float, ISO dates."""
    match value:
        case None:
            return ""
        case float():
            return f"{value:.2f}"
        case date():  # a datetime is a date, too
            return value.isoformat()
        case _:
            return str(value)


def write_customers(folder: Path) -> None:
    """Write customers.csv and customers.parquet."""
    table = make_customers()
    pq.write_table(table, folder / "customers.parquet", row_group_size=ROWS_PER_GROUP, compression="zstd")
    with (folder / "customers.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(table.column_names)
        writer.writerows([csv_cell(value) for value in row.values()] for row in table.to_pylist())


# ------------------------------------------------------------------------------------------------------------ images

IMAGES_PER_CLASS = 14
TRAIN_IMAGES_PER_CLASS = 10
SIZES = ((96, 96), (128, 96), (112, 96))  # width, height
# File type and colour mode by turns. Every class uses all palettes, so colour does not give the class away.
KINDS = (("jpg", "RGB"), ("png", "RGB"), ("jpg", "RGB"), ("png", "L"),
         ("jpg", "RGB"), ("png", "RGB"), ("jpg", "RGB"), ("png", "RGBA"))  # fmt: skip
PALETTES = (
    ((32, 60, 92), (226, 214, 178)), ((92, 44, 32), (238, 170, 96)), ((28, 72, 52), (196, 220, 132)),
    ((64, 40, 84), (236, 178, 196)), ((50, 54, 60), (214, 220, 226)),
)  # fmt: skip


def texture(rng: np.random.Generator, width: int, height: int) -> Floats:
    """Cloud-like noise around 0: random grids from coarse to fine, smoothly enlarged and summed."""
    total = np.zeros((height, width))
    for octave in range(5):
        grid = rng.normal(0, 0.5**octave, (3 * 2**octave, 3 * 2**octave)).astype(np.float32)
        total += np.asarray(Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC))
    return total


def paint_waves(rng: np.random.Generator, x: Floats, y: Floats, noise: Floats) -> Paint:
    """Water-like stripes at any angle, bent by the noise."""
    angle, length = rng.uniform(0, np.pi), rng.uniform(14, 24)
    phase = 2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / length + 0.9 * noise
    return 0.5 + 0.5 * np.sin(phase), 0.85 + 0.15 * np.cos(phase)


def paint_discs(rng: np.random.Generator, x: Floats, y: Floats, noise: Floats) -> Paint:
    """A few balls, lit from the top left, in front of a sloping background."""
    mix = 0.15 + 0.45 * y / y.max() + 0.06 * noise
    light = np.full(x.shape, 0.8)
    for _ in range(rng.integers(3, 6)):
        radius = rng.uniform(11, 24)
        dx = (x - rng.uniform(0.1, 0.9) * x.max()) / radius
        dy = (y - rng.uniform(0.1, 0.9) * y.max()) / radius
        inside = dx**2 + dy**2 < 1
        depth = np.sqrt(np.clip(1 - dx**2 - dy**2, 0, None))
        lit = np.clip(-0.5 * dx - 0.6 * dy + 0.62 * depth, 0, None)
        mix = np.where(inside, rng.uniform(0.6, 1.0) + 0.05 * noise, mix)
        light = np.where(inside, 0.25 + 0.9 * lit, light)
    return mix, light


def paint_bricks(rng: np.random.Generator, x: Floats, y: Floats, noise: Floats) -> Paint:
    """A wall in running bond: every brick has its own tint, rounded edges and pale mortar around it."""
    width, height = rng.uniform(22, 34), rng.uniform(10, 15)
    row = (y / height).astype(int)
    shifted = x / width + 0.5 * (row % 2) + rng.uniform(0, 1)
    tint = rng.uniform(0.05, 0.55, (32, 32))[row, shifted.astype(int)] + 0.08 * noise
    edge = np.minimum(np.minimum(shifted % 1, 1 - shifted % 1) * width, np.minimum(y % height, height - y % height))
    return np.where(edge < 1.2, 0.9, tint), 0.75 + 0.3 * np.clip(edge / 4, 0, 1)


PAINTERS: dict[str, Callable[[np.random.Generator, Floats, Floats, Floats], Paint]] = {
    "bricks": paint_bricks,
    "discs": paint_discs,
    "waves": paint_waves,
}


def draw(rng: np.random.Generator, label: str, size: tuple[int, int]) -> Image.Image:
    """One RGB picture: the class's pattern in two colours, under uneven light, with film grain."""
    width, height = size
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    noise = texture(rng, width, height)
    mix, light = PAINTERS[label](rng, x, y, noise)
    dark, pale = np.array(PALETTES[rng.integers(len(PALETTES))], dtype=np.float64)
    uneven = 1 + 0.1 * texture(rng, width, height) + rng.uniform(-0.3, 0.3) * (x / width - 0.5)
    colours = dark + (pale - dark) * np.clip(mix, 0, 1)[..., None]
    pixels = colours * (light * uneven)[..., None] + rng.normal(0, 4, (height, width, 3))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def in_mode(image: Image.Image, mode: str) -> Image.Image:
    """The image in this colour mode; an RGBA one fades out towards its corners."""
    if mode == "RGBA":
        across, down = np.linspace(-1, 1, image.width), np.linspace(-1, 1, image.height)[:, None]
        alpha = np.clip(2.2 - 1.4 * (across**2 + down**2), 0, 1)
        image.putalpha(Image.fromarray((255 * alpha).astype(np.uint8)))
        return image
    return image.convert(mode)


def srgb_profile() -> bytes:
    """An sRGB colour profile, with the time of making that its header holds (bytes 24 to 35) set to zero."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile[:24] + bytes(12) + profile[36:]


def write_camera_jpeg(image: Image.Image, path: Path) -> None:
    """A JPEG as from a phone held upright: stored lying down, with EXIF tags telling so and a colour profile."""
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Example Camera Co."
    exif[ExifTags.Base.Orientation] = 6  # "turn a quarter clockwise to show"
    lying = image.transpose(Image.Transpose.ROTATE_90)
    lying.save(path, quality=92, exif=exif, icc_profile=srgb_profile())


def write_images(folder: Path) -> None:
    """Write images/train/<class>/ and images/val/<class>/."""
    for label_number, label in enumerate(PAINTERS):
        for number in range(IMAGES_PER_CLASS):
            suffix, mode = KINDS[number % len(KINDS)]
            split = "train" if number < TRAIN_IMAGES_PER_CLASS else "val"
            path = folder / split / label / f"{label}_{number:02d}.{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            rng = np.random.default_rng([SEED, 1, label_number, number])
            image = in_mode(draw(rng, label, SIZES[number % len(SIZES)]), mode)
            if number == 4 and label != "waves":
                write_camera_jpeg(image, path)
            else:
                image.save(path, quality=88, optimize=True)


if __name__ == "__main__":
    write_customers(HERE)
    write_images(HERE / "images")
