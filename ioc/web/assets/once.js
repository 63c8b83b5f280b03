// Uses the link at once for a person; a preview that runs no scripts and sends no forms leaves it unused.
document.querySelector("form").submit();
