"""The terms under which accounts receive audiences; a new version must be accepted before the next audience is."""

from audience_core.domain.account import Record


class Terms(Record):
    """Args:
    version: compared for equality alone.
    """

    version: str
    text: str


TERMS = Terms(
    version="2026-11",
    text="""Terms of receiving audiences, version 2026-11

1. Who offers you an audience gives you the identities of people who trusted them, for the purpose that both of you have
   agreed on. Use them for nothing else, and pass them on to the services you connect only.
2. You see the audience's name and its figures, not who is in it or why. Do not try to find out.
3. Whoever leaves the audience is removed from your services. When the sharing ends, all of its members are: make sure
   that your services obey.
4. Either of you may end it at any time, without a reason. Only a new offer brings it back.
5. Others see the name of your account and your logo. The logo must be yours.
6. Both of you can read when an audience was offered, accepted and ended.
""",
)
