"""Why a worker ends by itself."""


class Stale(Exception):
    """The worker and the table disagree about the position. A restart continues from the stored one."""


class Damaged(Exception):
    """The rows on disk can't be read. They have been deleted; a restart recovers them from the changelog."""


class Unrecoverable(Exception):
    """The source of the table was replaced or truncated. A restart will not help."""
