"""Every memory on every task under one protocol: the plan, one cell of it, all cells, and the page that shows them."""
