"""Metrics in Prometheus' format, as a scraper reads them."""

from prometheus_client.parser import text_string_to_metric_families


def read_metrics(text: str, *labels: str) -> dict[tuple[str, ...], float]:
    """The samples by name and the values of ``labels``; one without a label has an empty value."""
    return {
        (sample.name, *(sample.labels.get(label, "") for label in labels)): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
