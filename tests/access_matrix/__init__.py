"""Who sees what, asked of the running application: every route, callback and live topic, for everybody, everywhere."""
