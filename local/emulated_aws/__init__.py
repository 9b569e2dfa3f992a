"""The local AWS: ministack without what dominates its time; it runs in `.tools/aws`, as `python -m local.emulated_aws`.

All patches touch what ministack does not promise to keep, so each first looks whether it is still what it was in the
pinned version, and refuses to start otherwise (`known.py`).
"""
