"""How fast the centre is, beside what this machine can do at all.

    make bench                                    all of them
    make bench ARGS="ingest start"                some of them
    python -m benchmarks --tiny                   seconds instead of minutes: shows that they run, says nothing else

| name       | what is measured                                                                                 |
|------------|--------------------------------------------------------------------------------------------------|
| ingest     | log → decode → windows → committed, 10,000 assets, four levels of units, batch ids, jobs running |
| intake     | HTTP requests of 2,000 messages → judged → durable in the log                                    |
| start      | second start, store kept → first live number in the API                                          |
| latency    | message accepted at the HTTP intake → number changed in a real browser, at the default rate      |
| production | Kafka → windows committed in PostgreSQL, beside a bare consumer and Quix Streams                 |
| charts     | 24 hours of one series in nine units, from 50 million rows in PostgreSQL                         |
| memory     | resident memory of ingest while millions of observations pass                                    |

Absolute figures belong to one machine. So every run measures the machine as well, before and after: a loop of plain
Python, a bare read and decode of the same log, plain upserts into SQLite. Compare ratios across machines, and absolute
figures only within one. Where a figure is a median, it is of five rounds of one run, and the range stands beside it.
No test of the project asserts a time.

The last three start a Kafka broker and a PostgreSQL server of their own and print how they are set; where
`scripts/services` could not get them, they say so and measure nothing. What was reached when: docs/benchmarks.md.

Everything works in a temporary folder (of `TMPDIR`) and on free ports; nothing of an existing centre is touched.
"""
