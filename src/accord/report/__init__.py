"""Documents and pictures: figures in, Markdown, HTML and SVG out. Reads nothing, decides nothing."""
