"""Scripts for people who build or look after the project; nothing in the product imports them."""
