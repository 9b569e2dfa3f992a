"""One run of the soak: from a seed, worlds of random definitions and users, each checked."""

from collections.abc import Iterator, Mapping, Sequence
from random import Random

from hypothesis import HealthCheck, Phase, given, seed, settings

from audience_core.domain.audience import Audience
from audience_core.domain.ids import AudienceId
from tests.support.agreement import Disagreement, Engines, World, check
from tests.support.histories import edges, history
from tests.support.smallest import smallest
from tests.support.worlds import DAY, NOW, portfolios_of

USERS, WORLDS = 20, 50
HISTORIES = USERS * WORLDS
MOMENTS = 2

type Portfolio = Mapping[AudienceId, Audience]


def find_disagreement(number: int, engines: Engines) -> tuple[World, Disagreement] | None:
    """The smallest failing world near the first one of this seed, with what was said in it."""
    for world in worlds(number):
        try:
            check(world, engines)
        except Disagreement as error:
            return smallest(world, error, engines)
    return None


def worlds(number: int) -> Iterator[World]:
    """Those of a seed: always the same."""
    drawn, random = draw_portfolios(number, WORLDS), Random(number)
    for index, portfolio in enumerate(drawn):
        yield _world((portfolio, drawn[index - 1]), random)


def draw_portfolios(number: int, count: int) -> Sequence[Portfolio]:
    """By the same strategies as the property tests: definitions of the whole language."""
    drawn: list[Portfolio] = []

    @seed(number)
    @settings(
        max_examples=count,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(portfolios_of(3, 8))
    def draw(portfolio: Portfolio) -> None:
        drawn.append(portfolio)

    draw()
    return drawn


def _world(pair: tuple[Portfolio, Portfolio], random: Random) -> World:
    moments = tuple(NOW + random.randrange(-5 * DAY, 40 * DAY) for _ in range(MOMENTS))
    where = edges([each.definition.root.model_dump() for portfolio in pair for each in portfolio.values()], moments)
    users = tuple(history(random, where) for _ in range(USERS))
    return World(pair, users, moments, random.choice((1, 2, 64)))
