// What the tree of a query says of a row, as gradlab/query/expressions.py has it.

/** Relative distance to a value of a range within which a number counts as that value. */
const RANGE_SLACK = 1e-9;

/**
 * Say whether a tree holds for a row: true, false, or null where that is unknown. `valueOf(name)` is the row's value of
 * a column, a number, a truth or a text (null: empty), and `texts()` all its texts in one.
 */
function evaluateQuery(tree, valueOf, texts) {
  const inside = (part) => evaluateQuery(part, valueOf, texts);
  if (tree.search !== undefined) return texts().toLowerCase().includes(tree.search.toLowerCase());
  if (tree.not) {
    const inner = inside(tree.not);
    return inner === null ? null : !inner;
  }
  if (tree.and || tree.or) {
    const truths = (tree.and || tree.or).map(inside);
    const decisive = Boolean(tree.or);
    return truths.includes(decisive) ? decisive : truths.includes(null) ? null : !decisive;
  }
  const value = valueOf(tree.column);
  if (value === null || value === undefined || value === "" || Number.isNaN(value)) return null;
  if (tree.sign === "=" || tree.sign === "!=")
    return tree.constants.some((constant) => equals(constant, value)) === (tree.sign === "=");
  if (typeof value === "string") return false;
  const bound = plainNumber(tree.constants[0]);
  return { "<": value < bound, "<=": value <= bound, ">": value > bound, ">=": value >= bound }[tree.sign];
}

const plainNumber = (constant) =>
  typeof constant === "object" ? (constant.number === "inf" ? Infinity : -Infinity) : Number(constant);

function equals(constant, value) {
  if (typeof constant === "string") return typeof value === "string" && value.toLowerCase() === constant.toLowerCase();
  if (constant.component !== undefined) return fitsPattern(constant, String(value));
  if (typeof value === "string") return false;
  return constant.first === undefined ? Number(value) === plainNumber(constant) : inRange(constant, Number(value));
}

function inRange({ first, last, step, factor }, number) {
  const slack = RANGE_SLACK * (factor ? Math.abs(number) : step);
  if (!(first - slack <= number && number <= last + slack) || (factor && number <= 0)) return false;
  const near = factor
    ? first * factor ** Math.round(Math.log(number / first) / Math.log(factor))
    : first + step * Math.round((number - first) / step);
  return Math.abs(near - number) <= slack;
}

function fitsPattern({ component, parameters }, text) {
  const [name, written] = componentOf(text);
  if (name.toLowerCase() !== component.toLowerCase() || parameters === null)
    return name.toLowerCase() === component.toLowerCase();
  const mine = new Map(
    Object.entries(parameters).map(([key, value]) => [key, key === "path" ? String(value).split("/").pop() : value]),
  );
  return mine.size === written.length && written.every(([key, value]) => mine.get(key) === value);
}
