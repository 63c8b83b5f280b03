"""What runs by the clock: APScheduler's only home. What a job does stands in `ioc.operations`."""
