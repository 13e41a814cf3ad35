"""Transactions as people and programs write them: a little language of lines, and JSON.

Both become a `Plan` by way of the same fields, so that an operation is called and checked alike in either.

Where to start reading: `fields` (what an operation or a compare may say), `text` and `document` (the two forms),
`results` (what came of it).
"""
