"""Why a worker ends by itself."""


class Stale(Exception):
    """The worker and the table disagree about the position. A restart continues from the stored one."""


class Unrecoverable(Exception):
    """The source of the table is not what it was. A restart will not help."""
