// The grammar of a filter, as gradlab/query/parser.py has it, and words that are looked for in all texts of a row.

const EXAMPLE = "as in depth>=16, norm=none or activation in [relu, tanh]";

/**
 * Return the tree of an expression over `columns` (name: {kind, aliases, defaults}), as gradlab.query.parser does; a
 * word that is no comparison is looked for in all texts of a row. Throws QueryError.
 */
function parseQuery(text, columns) {
  const scanner = new Scanner(text);
  let depth = 0;

  const expression = () => {
    const parts = [alternatives()];
    while (scanner.take(",")) parts.push(alternatives());
    return parts.length === 1 ? parts[0] : { and: parts.flatMap((part) => part.and || [part]) };
  };
  const alternatives = () => {
    const parts = [conjunction()];
    while (scanner.takeWord("or")) parts.push(conjunction());
    return parts.length === 1 ? parts[0] : { or: parts };
  };
  const conjunction = () => {
    const parts = [negation()];
    while (scanner.takeWord("and") || begins()) parts.push(negation());
    return parts.length === 1 ? parts[0] : { and: parts };
  };
  const begins = () =>
    scanner.token.kind === "(" ||
    scanner.token.kind === "quoted" ||
    (scanner.token.kind === "word" && ["", "not"].includes(scanner.token.keyword));
  const negation = () => {
    const opening = scanner.takeWord("not") || scanner.take("(");
    if (!opening) return condition();
    depth += 1;
    if (depth > QUERY_DEEPEST)
      throw new QueryError(`more than ${QUERY_DEEPEST} parentheses and nots are inside of each other`, opening.at);
    let tree;
    if (opening.kind === "word") tree = { not: negation() };
    else {
      tree = expression();
      if (scanner.token.kind === "end") throw new QueryError("this parenthesis is never closed", opening.at);
      if (!scanner.take(")")) scanner.fail(`expected and, or, or ), found ${scanner.shown}`);
    }
    depth -= 1;
    return tree;
  };
  const condition = () => {
    const name = scanner.token;
    if (name.kind === "quoted") return { search: scanner.operand("").text };
    if (name.kind !== "word" || name.keyword)
      scanner.fail(`expected the name of a column, found ${scanner.shown}`, EXAMPLE);
    const after = scanner.ahead();
    const { at } = name;
    if (after.kind === "sign") {
      scanner.step();
      const sign = scanner.step().text;
      const operand = scanner.token.kind === "[" ? scanner.items("in the list") : scanner.operand(`after ${sign}`);
      return bound(columns, { name: name.text, at, sign: sign === "==" ? "=" : sign, operand });
    }
    const second = after.keyword === "not" ? scanner.read(after.at + after.text.length) : after;
    if (second.keyword !== "in") return { search: scanner.operand("").text };
    while (scanner.token.at <= second.at) scanner.step();
    if (scanner.token.kind !== "[" && !scanner.token.text.includes(".."))
      scanner.fail(`expected a list after in, found ${scanner.shown}`, "as in depth in [16, 32]");
    const operand = scanner.token.kind === "[" ? scanner.items("in the list") : scanner.operand("after in");
    return bound(columns, { name: name.text, at, sign: second === after ? "=" : "!=", operand });
  };

  if (scanner.token.kind === "end") return { and: [] };
  const tree = expression();
  if (scanner.token.kind !== "end") scanner.fail(`expected and, or, or the end, found ${scanner.shown}`);
  return tree;
}
