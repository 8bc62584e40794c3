"""What a campaign found: results over replicates, comparisons, plots, as text, Markdown, HTML and SVG."""
