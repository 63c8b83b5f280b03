"""Live pages in Dash: walls, desks and tablets. Dash and plotly have no other home."""
