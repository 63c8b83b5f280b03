"""What the centre talks about: plain frozen records and arithmetic, without I/O."""
