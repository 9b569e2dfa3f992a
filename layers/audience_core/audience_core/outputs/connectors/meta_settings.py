"""What an output at Meta is configured with, and one connection to it."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from audience_core.outputs.setting_types import LocalUrl, SecretText

PHONES = ("mobile_number", "phone_number_2", "phone_number_3")
IDFA, GAID = "ios_advertising_id", "android_advertising_id"
_USER_TYPES = ("email", "customer_id", "other", *(f"other_id_{n}" for n in range(2, 11)))
IDENTITY_TYPES = frozenset({*_USER_TYPES, *PHONES, IDFA, GAID, "facebook"})

GRAPH_URL = "https://graph.facebook.com"

type UserType = Literal[
    "email", "customer_id", "other", "other_id_2", "other_id_3", "other_id_4", "other_id_5",
    "other_id_6", "other_id_7", "other_id_8", "other_id_9", "other_id_10",
]  # fmt: skip
FIXED = {"fixed": True}


class MetaSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    ad_account_id: Annotated[
        str,
        StringConstraints(strip_whitespace=True, pattern=r"^(act_)?[0-9]{1,20}$"),
        Field(title="Ad account id", description="Digits, with or without `act_`", examples=["1234567890"]),
    ]
    access_token: Annotated[
        SecretText,
        Field(description="Of a system user who may manage the account", json_schema_extra={"confidential": True}),
    ]
    app_id: Annotated[
        str,
        Field(pattern=r"^[0-9]{0,20}$", title="Facebook application id", description="Needed to forward Facebook ids"),
    ] = ""
    graph_url: LocalUrl = ""

    @property
    def account_path(self) -> str:
        return f"act_{self.ad_account_id.removeprefix('act_')}"


class MetaConnectionSettings(BaseModel):
    """Those marked `fixed` decide what rows look like at Meta: they stay as the connection was made with."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    customer_file_source: Annotated[
        Literal["USER_PROVIDED_ONLY", "PARTNER_PROVIDED_ONLY", "BOTH_USER_AND_PARTNER_PROVIDED"],
        Field(description="Who collected the data: Meta asks of every audience", json_schema_extra=FIXED),
    ]
    forward_emails: bool = True
    forward_facebook_ids: bool = True
    forward_idfas: bool = True
    forward_gaids: Annotated[bool, Field(description="Google advertising ids")] = True
    forward_phones: bool = True
    multi_key: Annotated[
        bool, Field(description="One more audience whose rows hold all identities of a member", json_schema_extra=FIXED)
    ] = False
    match_on_user_attributes: Annotated[
        bool,
        Field(description="Names, place and gender in the rows of the multi-key audience", json_schema_extra=FIXED),
    ] = False
    external_id_type: Annotated[
        UserType | Literal[""],
        Field(description="Identity that is the external id of multi-key rows", json_schema_extra=FIXED),
    ] = ""
    external_email_identity_type: Annotated[
        UserType, Field(description="Identity that holds the e-mail address", json_schema_extra=FIXED)
    ] = "email"
    value_based: Annotated[
        bool, Field(description="Say what each member is worth, for lookalikes", json_schema_extra=FIXED)
    ] = False
    value_attribute: Annotated[
        str, Field(max_length=256, description="User attribute that is the worth", json_schema_extra=FIXED)
    ] = ""
    allow_zero_values: Annotated[
        bool, Field(description="Also members worth nothing or of unknown worth", json_schema_extra=FIXED)
    ] = False

    @property
    def device_types(self) -> tuple[str, ...]:
        chosen = {IDFA: self.forward_idfas, GAID: self.forward_gaids}
        return tuple(name for name, is_chosen in chosen.items() if is_chosen)

    @model_validator(mode="after")
    def _is_whole(self) -> "MetaConnectionSettings":
        if self.value_based != bool(self.value_attribute):
            raise ValueError("value_based and value_attribute go together")
        if self.match_on_user_attributes and not self.multi_key:
            raise ValueError("match_on_user_attributes needs multi_key")
        if self.external_id_type and not self.multi_key:
            raise ValueError("external_id_type needs multi_key")
        return self
