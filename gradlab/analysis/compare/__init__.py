"""Many runs side by side: analysis of variance, paired comparisons on common seeds, what to conclude from them.

`collect` reads run directories, `conditions` filters, `design` says what varies, `mean_table` makes the rows,
`variance` and `paired_differences` hold the statistics (with `seed_means`, the seed being the unit of replication),
`paired_comparisons` the comparisons with a baseline, `comparison` joins them.
"""
