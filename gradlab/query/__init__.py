"""The one language of conditions: what `exclude`, `expect`, `--where`, `--fail-on`, `--baseline` and the filter of the
report page read. A text becomes a tree, and the tree says of a row whether it is meant; no tables and no torch here.

    depth>=16 and norm=none                          an expression over the columns of rows
    activation in [relu, leaky_relu] or not depth<8
    survival[norm=batch] > 10 * survival[norm=none]  a statement about the results, with selections in brackets
    decay[activation=sigmoid] within 2% of theory_decay
"""

from gradlab.query.columns import (
    NUMBER,
    TEXT,
    TRUTH,
    Columns,
    ColumnType,
    WrittenCondition,
    columns_json,
    setting_columns,
)
from gradlab.query.expressions import (
    And,
    Condition,
    Expression,
    Not,
    Or,
    Pattern,
    conjuncts,
    evaluate,
    evaluate_columns,
    expression_json,
    names,
    value_of,
)
from gradlab.query.parser import parse
from gradlab.query.scanner import Operand, QueryError
from gradlab.query.statement_parser import parse_statement
from gradlab.query.statements import BLOCK_COLUMNS, COLUMNS, LAST_BLOCK, Expectation, Quantity, Statement

__all__ = [
    "BLOCK_COLUMNS",
    "COLUMNS",
    "LAST_BLOCK",
    "NUMBER",
    "TEXT",
    "TRUTH",
    "And",
    "ColumnType",
    "Columns",
    "Condition",
    "Expectation",
    "Expression",
    "Not",
    "Operand",
    "Or",
    "Pattern",
    "Quantity",
    "QueryError",
    "Statement",
    "WrittenCondition",
    "columns_json",
    "conjuncts",
    "evaluate",
    "evaluate_columns",
    "expression_json",
    "names",
    "parse",
    "parse_statement",
    "setting_columns",
    "value_of",
]
