// What the columns of the page can be compared with, as gradlab/query/columns.py has it.

const RANGE_ATTEMPT = /^\s*[-+]?\.?[0-9].*\.\.|^\s*\.\.+\s*[-+]?\.?[0-9]|\.\.\s*[-+]?\.?[0-9]/;
const MOST_IN_RANGE = 100000;

/** Return the condition behind a comparison; see gradlab/query/columns.py. */
function bound(columns, { name: written, at, sign, operand }) {
  const name = written === "optimizer.lr" ? "lr" : written;
  const column = Object.hasOwn(columns, name) ? columns[name] : parameterColumn(columns, name);
  if (!column)
    throw new QueryError(
      `there is no column '${shortened(name)}'`,
      at,
      foreignHint(columns, name) || likeOf(name, Object.keys(columns), `there are ${Object.keys(columns).join(", ")}`),
    );
  const operands = operand.items || [operand];
  // numbers alone in brackets are one value of a column of lists
  const isList =
    column.kind === "list" && operands.every(({ text }) => RANGE_ATTEMPT.test(text) || numberOf(text) !== null);
  const constants = (isList ? [operand] : operands).map((item) => constantOf(column, name, item, columns));
  const ordered = sign !== "=" && sign !== "!=";
  if (ordered && !(constants.length === 1 && (typeof constants[0] === "number" || constants[0].number))) {
    const what = shortened(operand.text);
    throw new QueryError(
      column.kind === "number" || column.kind === "truth"
        ? `${name} can be ${sign} one number, but not ${sign} ${what}`
        : `${name} is text: it can be =, != or in a list, but not ${sign} ${what}`,
      operand.at,
    );
  }
  return { column: name, sign, constants };
}

/** Return the setting and the parameter of a dotted key such as optimizer.eps; null for other keys. */
function parameterOf(columns, name) {
  const dot = name.lastIndexOf(".");
  const [owner, parameter] = [name.slice(0, dot), name.slice(dot + 1)];
  const column = dot > 0 && Object.hasOwn(columns, owner) ? columns[owner] : {};
  return column.parameters && Object.hasOwn(column.parameters, parameter) ? [owner, parameter] : null;
}

/** Return the column that a dotted key stands for; null for other keys. */
function parameterColumn(columns, name) {
  const [owner, parameter] = parameterOf(columns, name) || [];
  return owner === undefined ? null : { kind: columns[owner].parameters[parameter], aliases: {}, defaults: {} };
}

/** Return what `valueOf` says of a column, or of a parameter of the component in one: null where it has none. */
function columnValue(columns, name, valueOf) {
  const [owner, parameter] = Object.hasOwn(columns, name) ? [] : parameterOf(columns, name) || [];
  if (owner === undefined) return valueOf(name);
  const text = valueOf(owner);
  if (text === null || text === undefined || text === "") return null;
  const [component, given] = componentOf(String(text));
  const value = given.find(([key, each]) => key === parameter && each !== null);
  if (value) return value[1];
  const defaults = Object.hasOwn(columns[owner].defaults, component) ? columns[owner].defaults[component] : {};
  return Object.hasOwn(defaults, parameter) ? defaults[parameter] : null;
}

/** Return what to say to somebody who wrote another tool's name of a column; empty for other names. */
function foreignHint(columns, name) {
  const folded = foldedName(name);
  const column = Object.values(columns).find(({ foreign }) => foreign && Object.hasOwn(foreign, folded));
  return column ? column.foreign[folded] : "";
}

function constantOf(column, name, { text, at, quoted }, columns) {
  if (column.kind === "component") return patternOf(column, name, text, at);
  if (column.kind === "text") return Object.hasOwn(column.aliases, text) ? column.aliases[text] : text;
  if (column.kind === "list")
    return text
      .replace(/^\[+|\]+$/g, "")
      .replaceAll(",", " ")
      .trim()
      .split(/\s+/)
      .join(" ");
  if (!quoted && RANGE_ATTEMPT.test(text)) return rangeOf(text, at);
  if (column.kind === "truth" && /^(true|false)$/i.test(text)) return text.toLowerCase() === "true";
  if (column.off && !quoted && NOTHING.has(text.trim().toLowerCase())) return 0;
  const number = numberOf(text);
  if (number !== null && !Number.isFinite(number) && !/inf/i.test(text))
    throw new QueryError(`${shortened(text)} is beyond what a number can hold`, at, "the largest is 1.8e308");
  if (number !== null) return Number.isFinite(number) ? number : { number: number > 0 ? "inf" : "-inf" };
  if (column.kind === "mixture") return text;
  throw new QueryError(
    `${name} is ${column.kind === "truth" ? "true or false" : "a number"}, and '${shortened(text)}' is not`,
    at,
    Object.hasOwn(columns, text) ? "two columns are compared in a statement under expect:" : "",
  );
}

/** Return the number that a text is; null for others. */
function numberOf(text) {
  if (/^[-+]?(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?$/.test(text))
    return Number(text.replaceAll("_", ""));
  if (/^(?:0x[0-9a-fA-F]+|0o[0-7]+)$/.test(text)) return Number(text);
  const infinite = /^([-+]?)\.?inf(?:inity)?$/i.exec(text);
  return infinite ? (infinite[1] === "-" ? -Infinity : Infinity) : null;
}

/** Return a range as {first, last, step} or {first, last, factor}. */
function rangeOf(text, at) {
  const match = new RegExp(`^\\s*${RANGE_TEXT}\\s*$`).exec(text);
  const forms = "a range is written 2..64, 2..64:2 (step) or 2..64*2 (factor)";
  const refuse = (what, hint) => {
    throw new QueryError(`the range '${shortened(text.trim())}' ${what}`, at, hint);
  };
  if (!match) {
    const open = new RegExp(`^\\s*${NUMBER_TEXT}\\s*\\.\\.\\s*$`).test(text);
    refuse(open ? "has no end" : "cannot be read", forms);
  }
  const [first, last] = [numberOf(match[1]), numberOf(match[2])];
  const by = match[4] === undefined ? 1 : numberOf(match[4]);
  const factor = match[3] === "*";
  if (![first, last, by].every(Number.isFinite))
    refuse("goes beyond what a number can hold", "the largest number is about 1.8e308");
  if (last < first) refuse("runs backwards", "a range goes up: the smaller number stands first");
  if (match[4] === undefined && !(Number.isInteger(first) && Number.isInteger(last)))
    refuse(
      "does not say how to get from one number to the next",
      `add a step or a factor, as in ${text.trim()}:0.1 or ${text.trim()}*10`,
    );
  if (by <= (factor ? 1 : 0))
    refuse("never ends", factor ? "a factor (*) must be above 1" : "a step (:) must be above 0");
  if (factor && first <= 0) refuse("never ends", "a range with a factor (*) must begin above 0");
  if ((factor ? Math.log(last / first) / Math.log(by) : (last - first) / by) >= MOST_IN_RANGE)
    refuse("has more than 100,000 values", "take a larger step or a factor");
  return factor ? { first, last, factor: by } : { first, last, step: by };
}

/** Return name and parameters of a component as a table prints it; a parameter without a value is null. */
function componentOf(text) {
  const opening = text.indexOf("(");
  if (opening < 0) return [text.trim(), []];
  const inside = text.slice(opening + 1, Math.max(text.lastIndexOf(")"), opening + 1));
  const parameters = inside
    .split(",")
    .filter((part) => part.trim())
    .map((part) => {
      const equals = part.indexOf("=");
      if (equals < 0) return [part.trim(), null];
      const value = part
        .slice(equals + 1)
        .trim()
        .replace(/^['"]+|['"]+$/g, "");
      const number = numberOf(value);
      const truth = { true: true, false: false }[value.toLowerCase()];
      return [part.slice(0, equals).trim(), number !== null ? number : truth !== undefined ? truth : value];
    });
  return [text.slice(0, opening).trim(), parameters];
}

// The words for nothing and the spellings that mean the same, as gradlab/components has them (foreign_words.py, synonyms.py).
const NOTHING = new Set(["none", "off", "no", "false", "null", "~", "nothing", "disabled"]);

function foldedName(name) {
  const bare = name.trim().replace(/^(?:[A-Za-z_][A-Za-z0-9_]*\.)+(?=[A-Za-z])/, "");
  return bare.replace(/[_\-\s]|\(\)$/g, "").toLowerCase();
}

/** Return the component that a name means; one that nobody has registered as it stands. */
function registeredOf(column, written) {
  const nothing = NOTHING.has(written.trim().toLowerCase());
  for (const word of nothing ? [written, "none"] : [written]) {
    if (Object.hasOwn(column.defaults, word)) return word;
    if (Object.hasOwn(column.aliases, word)) return column.aliases[word];
  }
  if (written.length > 100) return written;
  const folded = foldedName(written);
  const name = Object.keys(column.defaults).find((known) => foldedName(known) === folded);
  const alias = Object.keys(column.aliases).find((known) => foldedName(known) === folded);
  return name ?? (alias === undefined ? written : column.aliases[alias]);
}

/** Return the component that a value means: in every form where `parameters` is null. */
function patternOf(column, key, text, at) {
  if (text.startsWith("{"))
    throw new QueryError(
      "a component in braces is for the mappings of a spec",
      at,
      `write it as a table prints it, as in ${key}=leaky_relu(negative_slope=0.2)`,
    );
  const [written, parameters] = componentOf(text);
  const name = registeredOf(column, written);
  if (!parameters.length) return { component: name, parameters: null };
  const known = Object.hasOwn(column.defaults, name) ? column.defaults[name] : null;
  const values = {};
  for (const [parameter, value] of parameters) {
    if (value === null)
      throw new QueryError(
        `'${shortened(parameter)}' gives ${name} no parameter`,
        at,
        "as in leaky_relu(negative_slope=0.2); conditions follow after and",
      );
    if (known && !Object.hasOwn(known, parameter)) {
      const names = Object.keys(known);
      const otherwise = names.length ? `it has ${names.join(", ")}` : "it has none";
      throw new QueryError(
        `${name} has no parameter '${shortened(parameter)}'`,
        at,
        likeOf(parameter, names, otherwise),
      );
    }
    if (!known || known[parameter] !== value) values[parameter] = value;
  }
  return { component: name, parameters: values };
}

/** Return a hint for somebody who wrote an unknown name: the known one that is most like it, or `otherwise`. */
function likeOf(name, known, otherwise) {
  const close =
    known.find((other) => other.endsWith(`.${name}`) || other.endsWith(`_${name}`)) ||
    nearestOf(name.toLowerCase(), known);
  return close ? `did you mean '${close}'?` : otherwise;
}

/** Return the known name of which most letters stand in `name`, in order; null when that is little. */
function nearestOf(name, known) {
  let [best, share] = [null, 0.6];
  for (const other of known) {
    let row = new Array(name.length + 1).fill(0); // longest common subsequence
    for (const letter of other) {
      row = row.reduce((next, above, index) => {
        if (index === 0) return [0];
        const same = letter === name[index - 1] ? row[index - 1] + 1 : 0;
        next.push(Math.max(above, next[index - 1], same));
        return next;
      }, []);
    }
    const alike = (2 * row[name.length]) / (name.length + other.length);
    if (alike >= share) [best, share] = [other, alike];
  }
  return best;
}
