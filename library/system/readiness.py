"""What the query API and the gateway say of themselves."""

from foundation.http.client import NoAnswer, Service


def is_ready(url: str, timeout: float = 2.0) -> bool:
    """Whether the server there says so itself."""
    try:
        with Service(url, timeout) as service:
            return service.get(("readyz",), {}).status == 200
    except NoAnswer:
        return False


def what_is_wrong(url: str, timeout: float = 2.0) -> str:
    """Why the server there is not ready, or can't read or write at the moment, as it says; empty: nothing.

    Its ``/readyz`` tells one trouble, or one for each partition: the first stands for all.
    """
    try:
        with Service(url, timeout) as service:
            answer = service.get(("readyz",), {})
            told = answer.value
    except (NoAnswer, ValueError) as error:
        return str(error)
    if trouble := told.get("trouble") or next(iter(told.get("troubles", {}).values()), ""):
        return str(trouble)
    return "" if answer.status == 200 else "it has not caught up yet"


def held_titles(api: str, timeout: float = 2.0) -> int | None:
    """How many titles wait for a repair; None if the query API does not say."""
    try:
        with Service(api, timeout) as service:
            answer = service.get(("stats",), {})
    except NoAnswer:
        return None
    return int(answer.value["held"]) if answer.status == 200 else None
