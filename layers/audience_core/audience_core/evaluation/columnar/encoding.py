"""Columns of values as Arrow arrays and back: numbers as millionths, texts as dictionaries, all else as JSON."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from audience_core.domain.event import AttributeValue
from audience_core.evaluation.columnar.arrays import Bools, Integers
from audience_core.evaluation.columnar.columns import NO_CODE, Codes, Column, Numbers, as_codes, column_of, take
from audience_core.evaluation.values import MISSING

NUMBER, TEXT, JSON = "number", "text", "json"


def encoding_of(column: Column) -> str:
    if isinstance(column, Numbers):
        return NUMBER
    return TEXT if all(isinstance(value, str) and is_utf8(value) for value in column.values) else JSON


def is_utf8(text: str) -> bool:
    """JSON can carry half a surrogate pair, which no UTF-8 can."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def packed(column: Column) -> pa.Array:
    if isinstance(column, Numbers):
        return pa.array(column.micros, mask=None if column.present is None else ~column.present)
    is_text = encoding_of(column) == TEXT
    return _texts(column.codes, column.values if is_text else [json.dumps(value) for value in column.values])


def packed_labels(column: Codes) -> pa.Array:
    return _texts(column.codes, column.values)


def _texts(codes: Integers, values: Sequence[AttributeValue]) -> pa.Array:
    mask = codes == NO_CODE
    places = pa.array(codes, mask=mask if mask.any() else None)
    return pa.DictionaryArray.from_arrays(places, pa.array(values, pa.string()))


def packed_rest(columns: Mapping[str, Column], rows: int) -> pa.Array:
    """One JSON object per row of the attributes it has; null where it has none."""
    documents: list[dict[str, AttributeValue]] = [{} for _ in range(rows)]
    for name, column in columns.items():
        coded = as_codes(column)
        for row in np.flatnonzero(coded.codes != NO_CODE).tolist():
            documents[row][name] = coded.values[coded.codes[row]]
    return pa.array([json.dumps(each) if each else None for each in documents], pa.string()).dictionary_encode()


def unpacked(array: pa.Array, encoding: str) -> Column:
    if encoding == NUMBER:
        buffer = array.buffers()[1]
        micros = np.frombuffer(buffer, np.int64)[array.offset : array.offset + len(array)]
        return Numbers(micros, _present(array))
    texts = unpacked_labels(array)
    return texts if encoding == TEXT else Codes(texts.codes, [json.loads(str(text)) for text in texts.values])


def unpacked_labels(array: pa.DictionaryArray) -> Codes:
    places, values = array.indices, array.dictionary.to_pylist()
    codes = np.frombuffer(places.buffers()[1], np.int32)[places.offset : places.offset + len(places)]
    present = _present(places)
    return Codes(codes if present is None else np.where(present, codes, NO_CODE), values)


def from_rest(array: pa.DictionaryArray, names: Sequence[str]) -> dict[str, Column]:
    """The columns of attributes that have none of their own; each distinct object is parsed once."""
    texts = unpacked_labels(array)
    documents: list[dict[str, Any]] = [json.loads(str(text)) for text in texts.values]
    # Code -1 finds the last place: a row without an object has none of the attributes.
    return {
        name: take(column_of([*(each.get(name, MISSING) for each in documents), MISSING]), texts.codes)
        for name in names
    }


def names_in_rest(array: pa.DictionaryArray) -> list[str]:
    documents = (json.loads(str(text)) for text in unpacked_labels(array).values)
    return sorted({name for document in documents for name in document})


def _present(array: pa.Array) -> Bools | None:
    if not array.null_count:
        return None
    bits = np.unpackbits(np.frombuffer(array.buffers()[0], np.uint8), bitorder="little")
    return bits[array.offset : array.offset + len(array)].view(np.bool_)
