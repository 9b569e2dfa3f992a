"""Commerce events from the wire: their name, built-in attributes and products."""

from collections.abc import Mapping
from typing import Any

from audience_core.domain.event import Scalar
from audience_core.pipeline.wire.values import Losses, event_attributes, mapping, scalar, sequence, text

PROMOTION_NAMES = {"view": "promotion_view", "click": "promotion_click"}
IMPRESSION = "impression"

# Field on the wire -> name of the built-in attribute.
_OF_ACTION = {
    "total_amount": "$total_amount",
    "tax_amount": "$tax_amount",
    "shipping_amount": "$shipping_amount",
    "transaction_id": "$transaction_id",
    "coupon_code": "$coupon_code",
    "affiliation": "$affiliation",
    "checkout_step": "$checkout_step",
    "product_action_list": "$product_action_list",
    "product_list_source": "$product_list_source",
}
_OF_EVENT = {"currency_code": "$currency", "screen_name": "$screen_name"}
_OF_PRODUCT = {
    "id": "id",
    "name": "name",
    "brand": "brand",
    "category": "category",
    "variant": "variant",
    "position": "position",
    "price": "price",
    "quantity": "quantity",
    "coupon_code": "coupon_code",
    "total_product_amount": "total_amount",
}
_OF_PROMOTION = {"id": "id", "name": "name", "creative": "creative", "position": "position"}

type Products = tuple[Mapping[str, Scalar], ...]


def commerce_name(data: dict[str, Any]) -> str:
    """The product action, `promotion_view`, `promotion_click` or `impression`."""
    if promotion := mapping(data.get("promotion_action")):
        return PROMOTION_NAMES.get(_action(promotion), "")
    if data.get("product_impressions"):
        return IMPRESSION
    return _action(mapping(data.get("product_action")))


def commerce_attributes(data: dict[str, Any], losses: Losses) -> dict[str, Scalar]:
    action = mapping(data.get("product_action"))
    return picked(action, _OF_ACTION, losses) | picked(data, _OF_EVENT, losses)


def commerce_products(data: dict[str, Any], losses: Losses) -> Products:
    """The products of the action or of all impressions, or the promotions in their place."""
    promotions = sequence(mapping(data.get("promotion_action")).get("promotions"))
    given = sequence(mapping(data.get("product_action")).get("products"))
    for impression in sequence(data.get("product_impressions")):
        given = given + sequence(mapping(impression).get("products"))
    products = [_product(mapping(each), losses) for each in given]
    products += [picked(mapping(each), _OF_PROMOTION, losses) for each in promotions]
    return tuple(product for product in products if product)


def picked(given: dict[str, Any], fields: Mapping[str, str], losses: Losses) -> dict[str, Scalar]:
    """The fields that are there and not null, by their built-in names."""
    return {name: scalar(given[field], losses) for field, name in fields.items() if given.get(field) is not None}


def _product(given: dict[str, Any], losses: Losses) -> dict[str, Scalar]:
    """Built-in fields win over custom attributes of the same name."""
    return event_attributes(given.get("custom_attributes"), losses) | picked(given, _OF_PRODUCT, losses)


def _action(given: dict[str, Any]) -> str:
    return text(given.get("action")).lower()
