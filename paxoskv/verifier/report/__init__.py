"""The report of a run: figures made from the evidence, text for a terminal, one page of HTML, one JSON document."""
