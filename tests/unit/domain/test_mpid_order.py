"""Where an mpid stands among all of them."""

import pytest

from audience_core.domain.mpid_order import share_of_all


@pytest.mark.parametrize(
    ("mpid", "share"), [(-(2**63), 0.0), (-(2**62), 0.25), (-1, 0.5), (2**62, 0.75), (2**63 - 1, 1.0)]
)
def test_the_share_of_all_numbers_grows_with_the_number(mpid: int, share: float) -> None:
    assert share_of_all(mpid) == pytest.approx(share)
