# SPDX-License-Identifier: MIT
"""How a soak has gone, in words."""

from collections import Counter

from tests.soak.ledger import SERVER
from tests.soak.soak import Report
from tests.soak.watch import BAND_MIB

__all__ = ["sentences"]


def sentences(report: Report) -> str:
    """Return a list in Markdown."""
    balance, samples = report.balance, report.samples
    hits = Counter(
        ("server" if blow.name == SERVER else "worker" if "worker" in blow.name else "client", blow.what)
        for blow in report.blows
        if blow.what != "started"
    )
    first, last, most = samples[0], samples[-1], max(sample.queued or 0 for sample in samples)
    lines = [
        f"{balance.asked:,} jobs were submitted in {last.seconds / 60:.0f} minutes; {most:,} were the most at a time.",
        f"{balance.accepted:,} were left with the server, which acknowledged them.",
        f"{balance.results:,} brought their own result to a client that waited.",
        f"{balance.failed:,} ended with an error for their client, most of them while the server was away.",
        f"{balance.done:,} runs. {balance.again:,} jobs were run more than once, their worker or the server being hit.",
        f"Hits: {', '.join(f'{who} {what} {count}' for (who, what), count in sorted(hits.items()))}.",
        f"Memory: {first.memory_mib or 0:.0f} MiB at first, {last.memory_mib or 0:.0f} at the end. {_growth(report)}",
        "When all had gone it had as many descriptors as a server to which nobody has come yet.",
        f"Lost, invented, mixed up: {len(balance.faults) or 'nothing'}.",
    ]
    if report.missing:
        lines.append(f"Not there: {', '.join(report.missing)}.")
    return "\n".join(f"- {line}" for line in lines)


def _growth(report: Report) -> str:
    grown = report.memory_growth_mib
    if grown is None:
        return "Its last life was too short to tell of growth."
    return f"From the second to the last quarter of its last life it grew by {grown:.1f} MiB; {BAND_MIB:g} are allowed."
