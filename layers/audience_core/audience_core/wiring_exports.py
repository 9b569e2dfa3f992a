"""What exports work with; apart, so that only their functions import what signs links."""

from audience_core import wiring
from audience_core.management.exports import ExportStores
from audience_core.pipeline.export import Exporter


def exports() -> ExportStores:
    """What `management.exports` works with."""
    of = wiring.stores()
    return ExportStores(of.audiences, of.jobs, of.workflows, of.export_files, of.signing_keys, of.sharing)


def exporter() -> Exporter:
    """What `pipeline.export` works with."""
    of = wiring.stores()
    people, job = (of.memberships, of.history, of.profiles), (of.jobs, of.run_files)
    return Exporter(
        of.accounts,
        of.audiences,
        *people,
        *job,
        files=of.export_files,
        mail=of.mail,
        keys=of.signing_keys,
        results=of.results,
        shards=of.shards,
        erasures=of.archive,
        sharing=of.sharing,
    )
