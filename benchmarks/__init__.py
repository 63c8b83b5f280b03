"""How fast the centre is, beside what this machine can do at all.

    make bench                                    all of them
    make bench ARGS="ingest start"                some of them
    python -m benchmarks --tiny                   seconds instead of minutes: shows that they run, says nothing else

| name    | what is measured                                                                                    |
|---------|-----------------------------------------------------------------------------------------------------|
| ingest  | log → decode → windows → committed, 10,000 assets, four levels of units, batch ids, jobs running    |
| intake  | HTTP requests of 2,000 messages → judged → durable in the log                                       |
| start   | second start, store kept → first live number in the API                                             |
| latency | message accepted at the HTTP intake → number changed in a real browser, at the default rate         |

Absolute figures belong to one machine. So every run measures the machine as well, before and after: a loop of plain
Python, a bare read and decode of the same log, plain upserts into SQLite. Compare ratios across machines, and absolute
figures only within one. Where a figure is a median, it is of five rounds of one run, and the range stands beside it.
No test of the project asserts a time.

Everything works in a temporary folder (of `TMPDIR`) and on free ports; nothing of an existing centre is touched.
"""
