"""Prices of AWS, us-east-1, on demand, November 2026, in US dollars; every one can be replaced by `--price`."""

from collections.abc import Iterable, Mapping

from audience_cli.errors import UsageError

PRICES: Mapping[str, float] = {
    "dynamodb_write": 0.625e-6,  # a write request unit
    "dynamodb_read": 0.125e-6,  # a read request unit
    "api_request": 1.00e-6,  # HTTP API, up to 512 KB
    "lambda_request": 0.20e-6,
    "lambda_gb_second": 16.6667e-6,
    "sqs_request": 0.40e-6,
    "sqs_fifo_request": 0.50e-6,
    "s3_put": 5.0e-6,
    "s3_get": 0.4e-6,
    "alarm_month": 0.10,
    "metric_month": 0.30,
    "secret_month": 0.40,
    "state_transition": 25.0e-6,
}


def with_changes(given: Iterable[str]) -> dict[str, float]:
    """Prices with those replaced that are given as `name=dollars`, each for one unit."""
    prices = dict(PRICES)
    for each in given:
        name, _, value = each.partition("=")
        if name not in prices:
            raise UsageError(f"no price {name!r}; there are {', '.join(prices)}")
        prices[name] = _dollars(each, value)
    return prices


def _dollars(given: str, value: str) -> float:
    try:
        dollars = float(value)
    except ValueError as error:
        raise UsageError(f"{given!r}: a price is name=dollars, for one unit") from error
    if not 0 <= dollars < 1000:
        raise UsageError(f"{given!r}: a price lies between 0 and 1000 dollars")
    return dollars
