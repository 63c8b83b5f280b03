"""One file for each page: where the widgets stand. Pure functions of a document, a theme and a reader."""
