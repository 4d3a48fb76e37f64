# SPDX-License-Identifier: MIT
"""Report of a soak test in sentences."""

from collections import Counter

from tests.soak.ledger import SERVER
from tests.soak.soak import Report
from tests.soak.watch import BAND_MIB

__all__ = ["sentences"]


def sentences(report: Report) -> str:
    """Format a report as a list in Markdown."""
    totals, samples = report.totals, report.samples
    disturbed = Counter(
        (
            "server" if disturbance.name == SERVER else "worker" if "worker" in disturbance.name else "client",
            disturbance.what,
        )
        for disturbance in report.disturbances
        if disturbance.what != "started"
    )
    first, last, most = samples[0], samples[-1], max(sample.queued or 0 for sample in samples)
    minutes = last.seconds / 60
    lines = [
        f"{totals.asked:,} jobs were submitted in {minutes:.0f} minutes; {most:,} at most were in the server at once.",
        f"{totals.accepted:,} of them were background jobs, which the server acknowledged.",
        f"{totals.results:,} foreground jobs returned the right result to their client.",
        f"{totals.failed:,} ended with an error for their client, most of them while the server was down.",
        f"{totals.done:,} runs. {totals.again:,} jobs ran more than once: a worker or the server was disturbed.",
        f"Disturbances: {', '.join(f'{who} {what} {count}' for (who, what), count in sorted(disturbed.items()))}.",
        f"Memory: {first.memory_mib or 0:.0f} MiB at first, {last.memory_mib or 0:.0f} at the end. {_growth(report)}",
        "After all peers had disconnected, the server had as many file descriptors as a new one.",
        f"Jobs lost, invented or mixed up: {len(totals.faults) or 'none'}.",
    ]
    if report.missing:
        lines.append(f"Not installed: {', '.join(report.missing)}.")
    return "\n".join(f"- {line}" for line in lines)


def _growth(report: Report) -> str:
    grown = report.memory_growth_mib
    if grown is None:
        return "The last run of the server was too short to measure its growth."
    return (
        f"From the second to the last quarter of the server's last run it grew by {grown:.1f} MiB; "
        f"{BAND_MIB:g} are allowed."
    )
