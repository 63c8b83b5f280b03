"""Administration pages: people, centres and keys, on paper-plain HTML behind the gate.

`routes.py` lists the addresses; one file for each subject turns a request into a page with the operations of that
subject. Refused: scripts, a change by GET, a secret on any page but the one that answers its making.
"""

from ioc.web.administration.routes import administration

__all__ = ["administration"]
