"""When customers come: each habit as a run of visits that ends now or earlier."""

from dataclasses import dataclass
from random import Random

from local.shop.people import DAY_MS, Customer, Device, Habit

HISTORY_DAYS = 60
# A visit that has begun is over before now.
LATEST_MS = 45 * 60_000
MIN_GAP_MS = 2 * 3_600_000


@dataclass(frozen=True, slots=True)
class Pace:
    """Days before now of first and last visit, days between visits, and how many at most.

    Args:
        gap_days: mean; visits are as irregular as people.
    """

    first: tuple[float, float]
    last: tuple[float, float]
    gap_days: float
    most: int


PACES = {
    Habit.NEWCOMER: Pace((0.2, 5.0), (0.0, 1.5), 2.0, 3),
    Habit.REGULAR: Pace((8.0, 59.0), (0.0, 6.0), 16.0, 5),
    Habit.ENTHUSIAST: Pace((25.0, 59.0), (0.0, 1.5), 4.0, 13),
    Habit.LAPSING: Pace((24.0, 36.0), (8.0, 13.0), 4.0, 6),
    Habit.ONE_OFF: Pace((6.0, 59.0), (5.0, 58.0), 4.0, 2),
}


@dataclass(frozen=True, slots=True)
class Visit:
    """One session; `ago_ms` is its start, in milliseconds before now."""

    index: int
    ago_ms: int
    device: Device
    is_first_on_device: bool


def visits(draw: Random, customer: Customer) -> list[Visit]:
    """All visits of a customer, the earliest first."""
    used: set[str] = set()
    found = []
    for index, ago_ms in enumerate(_times(draw, PACES[customer.habit])):
        device = _device(draw, customer, index)
        found.append(Visit(index, ago_ms, device, device.stamp not in used))
        used.add(device.stamp)
    return found


def _times(draw: Random, pace: Pace) -> list[int]:
    ago = draw.uniform(*pace.first)
    end = min(draw.uniform(*pace.last), ago)
    times = [_milliseconds(ago)]
    while len(times) < pace.most:
        ago -= draw.expovariate(1 / pace.gap_days)
        if _milliseconds(ago) < max(_milliseconds(end), LATEST_MS):
            break
        if times[-1] - _milliseconds(ago) >= MIN_GAP_MS:
            times.append(_milliseconds(ago))
    return times


def _milliseconds(days: float) -> int:
    return int(days * DAY_MS)


def _device(draw: Random, customer: Customer, index: int) -> Device:
    """The first device until they have signed up: only then does the other one know who they are."""
    is_known = customer.signs_up_at_visit is not None and index > customer.signs_up_at_visit
    return draw.choice(customer.devices) if is_known else customer.devices[0]
