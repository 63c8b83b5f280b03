"""The peer of `production`: the same tumbling windows, as a user of Quix Streams writes them by its documentation.

    python quix_windows.py BROKER TOPIC FOLDER MESSAGES default|tuned

It runs in an environment of its own (benchmarks/peer.py) and imports nothing of the project. It reads the topic from
its beginning, keeps count, sum, smallest and largest of ten seconds of event time for each key in RocksDB, and says
as one line of JSON how many messages it took how long for. The clock begins with the first message, and ends when the
last one's windows are committed.
"""

import json
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from quixstreams import Application
from quixstreams.dataframe.windows import Count, Max, Min, Sum

TUNED: dict[str, Any] = {"commit_interval": 30.0, "use_changelog_topics": False}


def event_time(value: Any, _headers: Any, _timestamp: float, _kind: Any) -> int:
    begin = value["dateObserved"].partition("/")[0]
    return round(datetime.fromisoformat(begin).timestamp() * 1000)


def main(broker: str, topic_name: str, folder: str, wanted: int, kind: str) -> None:
    app = Application(
        broker_address=broker,
        consumer_group=f"bench-{kind}",
        auto_offset_reset="earliest",
        state_dir=Path(folder),
        loglevel="WARNING",
        **(TUNED if kind.startswith("tuned") else {}),
    )
    topic = app.topic(topic_name, value_deserializer="json", timestamp_extractor=event_time)
    seen, windows = 0, 0
    began = 0.0

    def look(_value: Any) -> None:
        nonlocal seen, began
        seen += 1
        if seen == 1:
            began = time.perf_counter()
        elif seen == wanted:
            app.stop()

    def closed(_value: Any) -> None:
        nonlocal windows
        windows += 1

    frame = app.dataframe(topic).update(look)
    aggregated = frame.tumbling_window(10_000).agg(
        count=Count(), sum=Sum("intensity"), min=Min("intensity"), max=Max("intensity")
    )
    aggregated.final().update(closed)
    app.run(timeout=300)
    seconds = time.perf_counter() - began
    sys.stdout.write(json.dumps({"messages": min(seen, wanted), "seconds": seconds, "windows": windows}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5])
