"""What use cases of management work with; apart, so that the functions of the data path do not import them."""

from audience_core import wiring
from audience_core.management.erasures import ProfileStores
from audience_core.management.jobs import JobStores
from audience_core.management.received import OwnAndReceived
from audience_core.management.sharing import SharingStores


def jobs() -> JobStores:
    """What `management.jobs` works with."""
    of = wiring.stores()
    return JobStores(of.jobs, of.audiences, of.workflows)


def own_and_received() -> OwnAndReceived:
    """Audiences of an account, those that are shared with it included."""
    of = wiring.stores()
    return OwnAndReceived(of.audiences, of.sharing)


def sharing() -> SharingStores:
    """What `management.sharing` works with."""
    of = wiring.stores()
    return SharingStores(of.accounts, of.audiences, of.sharing)


def profiles() -> ProfileStores:
    """What `management.erasures` works with."""
    of = wiring.stores()
    return ProfileStores(of.profiles, of.identities, of.jobs, of.workflows)
