"""The report page: everything about some runs in one HTML file that needs no network.

The charts are plain SVG made by a little JavaScript of ours in ``assets/``, not by a plotting library: an embedded one
is 1 to 5 MB before the first number, draws colours that do not follow dark mode or paper, and leaves the keyboard out.
The style and the script of the page here are about 130 kB.
"""

from gradlab.report.page.build import Page, build_page

__all__ = ["Page", "build_page"]
