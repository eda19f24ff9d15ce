"""The report model: the content of reports as plain rows, marks, series and sentences; other modules only draw it.

No module here knows rich, matplotlib or HTML. All values are numbers, texts and numpy arrays in frozen dataclasses.

- `marks`: how a survival, a share of learned seeds and a reach read: text, sign, shade; for every field of a table, of
  the heat map and of the page.
- `rows`: `RowGroup`, the configurations of a run (or of a comparison) as rows along one axis, with the row of the
  summary at each length as a point.
- `heatmap`: `HeatMap`, the arrangement of configurations in rows and columns, by index.
- `profiles`: `ProfileIndex` finds profiles in ``layers``; `Profile` has the series along the axis: single seeds, their
  mean with its interval, theory with its scatter, an LSTM's cell state.
- `effects`: `VarianceTable`, `EffectTable` and `PairedTable`, the numbers and notes of `gradlab compare`.
- `causes`, `conclusions`: the sentences below a run and below a comparison.
"""
