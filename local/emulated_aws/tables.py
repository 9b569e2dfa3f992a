"""DynamoDB that reads an expression and a number once, copies items plainly, and expires them a few at a time."""

import copy
import threading
import time
from functools import lru_cache
from types import FunctionType, SimpleNamespace
from typing import Any

from ministack.services import dynamodb

from local.emulated_aws.known import TEXTS_KEPT, require

EXPIRY_PERIOD_S = 300.0
# Items looked at without letting anybody else have their turn, and for how long they have it.
EXPIRY_STEP = 1000
EXPIRY_PAUSE_S = 0.002


def read_each_expression_once() -> None:
    """Keep what is found in the text of an expression: a query reads its condition again for each item."""
    of_text = "_tokenize", "_condition_syntax_error"
    of_tokens = "_check_redundant_parens", "_check_reserved_keyword_usage"
    for name in of_text + of_tokens:
        require(isinstance(getattr(dynamodb, name, None), FunctionType), f"dynamodb.{name} is no function any more")
    tokens_of = lru_cache(TEXTS_KEPT)(dynamodb._tokenize)
    dynamodb._tokenize = lambda text: list(tokens_of(text))
    dynamodb._condition_syntax_error = lru_cache(TEXTS_KEPT)(dynamodb._condition_syntax_error)
    for name in of_tokens:
        setattr(dynamodb, name, _by_tokens(getattr(dynamodb, name)))


def _by_tokens(check: Any) -> Any:
    kept = lru_cache(TEXTS_KEPT)(check)
    return lambda tokens, *rest: kept(tuple(tokens), *rest)


def read_each_number_once() -> None:
    """Keep what is found in the text of a number: a written one is looked at nine times."""
    for name in ("_ddb_canonicalize_number", "_number_error", "_number_size_bytes"):
        require(isinstance(getattr(dynamodb, name, None), FunctionType), f"dynamodb.{name} is no function any more")
        setattr(dynamodb, name, _by_text(getattr(dynamodb, name)))


def _by_text(look: Any) -> Any:
    kept = lru_cache(TEXTS_KEPT)(look)
    return lambda text: kept(text) if type(text) is str else look(text)


def copy_items_plainly() -> None:
    """Copy items, which are JSON, without the books that `deepcopy` keeps of objects that refer to each other."""
    require(getattr(dynamodb, "copy", None) is copy, "dynamodb does not use the copy module")
    dynamodb.copy = SimpleNamespace(deepcopy=_copied)


def _copied(value: Any) -> Any:
    if type(value) is dict:
        return {name: _copied(each) for name, each in value.items()}
    if type(value) is list:
        return [_copied(each) for each in value]
    return value if type(value) is str else copy.deepcopy(value)


def expire_a_few_at_a_time() -> None:
    """Take over the thread that removes expired items: it holds up every request until it has seen all tables."""
    require(getattr(dynamodb, "time", None) is time, "dynamodb does not use the time module")
    require(isinstance(dynamodb._lock, type(threading.Lock())), "dynamodb._lock is no lock any more")
    for name in ("_ttl_reaper", "_remove_item"):
        require(isinstance(getattr(dynamodb, name, None), FunctionType), f"dynamodb.{name} is no function any more")
    dynamodb.time = SimpleNamespace(**vars(time) | {"sleep": _sleep_or_expire})


def _sleep_or_expire(seconds: float) -> None:
    if threading.current_thread().name == "dynamodb-ttl-reaper":
        _expire_forever()
    time.sleep(seconds)


def _expire_forever() -> None:
    while True:
        time.sleep(EXPIRY_PERIOD_S)
        try:
            _expire()
        except Exception as error:
            dynamodb.logger.error("expiry: %s", error)


def _expire() -> None:
    seen = 0
    for (account, region, name), setting in list(dynamodb._ttl_settings.all_items()):
        table = dynamodb._tables.get_scoped(account, region, name)
        if setting.get("TimeToLiveStatus") != "ENABLED" or not table:
            continue
        for partition, items in list(table["items"].items()):
            if seen > EXPIRY_STEP:
                time.sleep(EXPIRY_PAUSE_S)
                seen = 0
            seen += len(items)
            with dynamodb._lock:
                _expire_partition(table, partition, setting["AttributeName"])


def _expire_partition(table: Any, partition: Any, attribute: str) -> None:
    now = time.time()
    # Requests put others meanwhile.
    for key, item in list(table["items"].get(partition, {}).items()):
        if float(item.get(attribute, {}).get("N", "inf")) <= now:
            dynamodb._remove_item(table, partition, key)
