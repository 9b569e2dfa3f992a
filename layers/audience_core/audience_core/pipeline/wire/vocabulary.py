"""The closed sets of words of the wire format, and the fields that events of each type must have."""

EVENT_TYPES = frozenset(
    {
        "application_state_transition",
        "breadcrumb",
        "commerce_event",
        "crash_report",
        "custom_event",
        "first_run",
        "network_performance",
        "opt_out",
        "pre_attribution",
        "profile",
        "push_message",
        "push_reaction",
        "push_registration",
        "screen_view",
        "session_end",
        "session_start",
        "uninstall",
        "user_attribute_change",
        "user_identity_change",
    }
)

# A client that does not know better says "unknown" in these, and is believed.
ENVIRONMENTS = frozenset({"production", "development", "unknown"})
CUSTOM_EVENT_TYPES = frozenset(
    {
        "attribution",
        "location",
        "media",
        "navigation",
        "other",
        "search",
        "social",
        "transaction",
        "unknown",
        "user_content",
        "user_preference",
    }
)
TRANSITION_TYPES = frozenset(
    {
        "application_background",
        "application_exit",
        "application_foreground",
        "application_initialized",
        "unknown",
    }
)
PUSH_MESSAGE_TYPES = frozenset({"sent", "received", "action", "unknown"})

PRODUCT_ACTIONS = frozenset(
    {
        "add_to_cart",
        "add_to_wishlist",
        "checkout",
        "checkout_option",
        "click",
        "purchase",
        "refund",
        "remove_from_cart",
        "remove_from_wish_list",
        "view_detail",
    }
)
PROMOTION_ACTIONS = frozenset({"view", "click"})

# Event type -> fields of `data` that must hold a text.
REQUIRED_TEXTS: dict[str, tuple[str, ...]] = {
    "application_state_transition": ("application_transition_type",),
    "breadcrumb": ("label",),
    "custom_event": ("event_name", "custom_event_type"),
    "push_message": ("push_message_type",),
    "push_registration": ("registration_token",),
    "user_attribute_change": ("user_attribute_name",),
}
# Field of `data` -> the words it may hold, in events of whatever type that have to have it.
CLOSED_SETS = {
    "application_transition_type": TRANSITION_TYPES,
    "custom_event_type": CUSTOM_EVENT_TYPES,
    "push_message_type": PUSH_MESSAGE_TYPES,
}

# What tells a crash report from a commerce event: the published Python client gives both the same type.
CRASH_FIELDS = frozenset(
    {"breadcrumbs", "class_name", "exception_handled", "message", "severity", "stack_trace", "topmost_context"}
)
COMMERCE_PARTS = ("product_action", "promotion_action", "product_impressions")


def is_crash_in_disguise(data: dict[str, object]) -> bool:
    """Whether the data of a `commerce_event` is really a crash report's."""
    has_commerce = any(data.get(part) for part in COMMERCE_PARTS)
    return not has_commerce and any(data.get(field) is not None for field in CRASH_FIELDS)
