"""The vocabulary of identities: their canonical types, which of them belong to devices, and which decide first."""

CUSTOMER_ID = "customer_id"
MOBILE_NUMBER = "mobile_number"
EMAIL = "email"
OTHER = "other"
IOS_ADVERTISING_ID = "ios_advertising_id"
ANDROID_ADVERTISING_ID = "android_advertising_id"
ANDROID_UUID = "android_uuid"
DEVICE_STAMP = "mp_deviceid"
PUSH_TOKEN = "push_token"

PHONE_TYPES = (MOBILE_NUMBER, "phone_number_2", "phone_number_3")
OTHER_TYPES = (OTHER, *(f"other_id_{number}" for number in range(2, 11)))

# Both in the order in which identities decide whose a batch is: customer id first, what changes most often last.
USER_TYPES = (
    CUSTOMER_ID,
    *PHONE_TYPES,
    EMAIL,
    *OTHER_TYPES,
    "facebook",
    "facebook_custom_audience_id",
    "google",
    "twitter",
    "microsoft",
    "yahoo",
    "alias",
)
DEVICE_TYPES = (
    IOS_ADVERTISING_ID,
    "ios_idfv",
    ANDROID_ADVERTISING_ID,
    ANDROID_UUID,
    "fire_advertising_id",
    "roku_advertising_id",
    "roku_publisher_id",
    "microsoft_publisher_id",
    "microsoft_advertising_id",
    "amp_id",
    DEVICE_STAMP,
    PUSH_TOKEN,
)
HIERARCHY = USER_TYPES + DEVICE_TYPES
IDENTITY_TYPES = frozenset(HIERARCHY)

_RANKS = {identity_type: rank for rank, identity_type in enumerate(HIERARCHY)}
_DEVICES = frozenset(DEVICE_TYPES)


def rank(identity_type: str) -> int:
    """Place in the hierarchy, 0 the first to decide; types it does not know come last."""
    return _RANKS.get(identity_type, len(HIERARCHY))


def is_device(identity_type: str) -> bool:
    """Whether a profile may hold many values of the type, one or more for each device of the user."""
    return identity_type in _DEVICES
