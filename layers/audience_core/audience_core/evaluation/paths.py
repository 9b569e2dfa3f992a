"""The criteria of a definition and where they stand in it, as JSON pointers."""

from collections.abc import Iterator

from audience_core.domain.definition import AllOf, AnyOf, Criterion, Not

# Of the root, in the body that creates an audience.
ROOT = "/definition/root"


def parts(criterion: Criterion, path: str) -> Iterator[tuple[str, Criterion]]:
    """What logic combines; nothing for all else."""
    match criterion:
        case AllOf(criteria=criteria) | AnyOf(criteria=criteria):
            for place, each in enumerate(criteria):
                yield f"{path}/criteria/{place}", each
        case Not(criterion=inner):
            yield f"{path}/criterion", inner
        case _:
            return


def criteria(root: Criterion, path: str = ROOT) -> Iterator[tuple[str, Criterion]]:
    """The criterion and all below it, each before its parts."""
    yield path, root
    for place, part in parts(root, path):
        yield from criteria(part, place)
