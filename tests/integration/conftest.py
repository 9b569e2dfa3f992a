"""What the runtime gives to every function."""

import os

# Powertools reads them when a handler is imported, which is before any fixture runs.
os.environ.setdefault("POWERTOOLS_METRICS_NAMESPACE", "AudienceManager")
os.environ.setdefault("POWERTOOLS_SERVICE_NAME", "test")
