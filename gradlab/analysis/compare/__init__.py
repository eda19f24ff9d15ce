"""Many runs side by side: which setting matters, what a change does on common seeds, what to conclude.

`collect` reads run directories, `where` filters, `rows` groups, `effects` and `pairs` hold the statistics (with
`seeds`, the seed being the unit of replication), `changes` the comparisons against a baseline, `comparison` joins them.
"""
