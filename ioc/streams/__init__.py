"""From messages to one transaction: decoding and folding are pure, only `ingest` touches broker and store."""
